pub mod chart;
pub mod show;
