pub mod confirm;
pub mod list;
pub mod request;
pub mod show;
pub mod withdraw;
