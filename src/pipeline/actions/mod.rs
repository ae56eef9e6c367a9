//! What a person or a sender may do, one file an action. Each loads what it needs, checks, and commits one change.

pub mod accept;
pub mod account;
pub mod approve;
mod auto_mode;
pub mod cancel;
pub mod correct;
pub mod dead_letter;
pub mod dual_authorization;
pub mod edit;
pub mod endpoint;
mod freeze_override;
pub mod handling;
pub mod invitation;
pub mod judge;
pub mod look_again;
pub mod model;
pub mod modes;
pub mod password;
pub mod pre_approve;
pub mod redeliver;
pub mod reject;
pub mod session;
pub mod settle;
pub mod submit;
pub mod token;
pub mod undo;
