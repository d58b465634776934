//! The `twocan` command.
fn main() {}
