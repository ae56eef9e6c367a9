pub mod approve;
pub mod list;
pub mod reject;
pub mod show;
