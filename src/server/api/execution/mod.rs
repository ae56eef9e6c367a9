pub mod cancel;
pub mod list;
pub mod settle;
pub mod show;
pub mod undo;
