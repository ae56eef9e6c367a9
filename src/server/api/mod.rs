//! One folder an entity, one file an action. Handlers read the request, call one action or read, and answer.

pub mod acknowledgement;
pub mod connector;
pub mod dead_letter;
pub mod dual_authorization;
pub mod endpoint;
pub mod execution;
pub mod feedback;
pub mod health;
pub mod intake;
pub mod log;
pub mod model;
pub mod modes;
pub mod outbox;
pub mod person;
pub mod policy;
pub mod pre_approval;
pub mod problems;
pub mod receipt;
pub mod recommendation;
pub mod runbook;
pub mod schemas;
pub mod shadow_report;
pub mod storm;
pub mod ticket;
pub mod token;
