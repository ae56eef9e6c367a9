pub mod list;
pub mod replay;
