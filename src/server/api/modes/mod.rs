pub mod kill_switch;
pub mod set;
pub mod show;
