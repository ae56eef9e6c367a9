pub mod compare;
pub mod drift;
pub mod list;
pub mod promote;
pub mod rollback;
pub mod shadow;
pub mod show;
