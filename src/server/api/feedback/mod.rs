pub mod correct;
pub mod examples;
pub mod list;
pub mod rule;
