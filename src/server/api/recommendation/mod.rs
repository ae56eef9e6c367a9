pub mod approve;
pub mod edit;
pub mod judge;
pub mod list;
pub mod outcome;
pub mod reject;
pub mod show;
