//! The command line: one subcommand a file.

pub mod evaluate;
pub mod train;
