pub mod handling;
pub mod list;
pub mod log;
pub mod show;
pub mod similar;
pub mod submit;
pub mod triage;
