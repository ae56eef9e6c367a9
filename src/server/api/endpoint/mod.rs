mod view;

pub mod enable;
pub mod list;
