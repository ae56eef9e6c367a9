pub mod handling;
pub mod list;
pub mod log;
pub mod show;
pub mod submit;
pub mod triage;
