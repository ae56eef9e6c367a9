//! One ticket on one screen, and what a person can do with it: each change has a page that asks first.

pub mod approve;
pub mod correct;
pub mod edit;
pub mod handling;
mod hints;
mod marks;
mod plan;
pub mod refuse;
pub mod run;
pub mod show;
pub mod together;

pub use plan::kind;
