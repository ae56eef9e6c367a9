//! What a person or a sender may do, one file an action. Each loads what it needs, checks, and commits one change.

pub mod accept;
pub mod approve;
pub mod dead_letter;
pub mod judge;
pub mod look_again;
pub mod modes;
pub mod pre_approve;
pub mod reject;
pub mod submit;
pub mod token;
