//! Compiles the UI (feature `ui`).
fn main() {}
