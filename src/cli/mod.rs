//! One file per subcommand of `twocan`.

pub mod demo;
