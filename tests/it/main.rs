//! The one integration binary: the house's architecture, and the service over real HTTP with a real store.

// Helpers outside of `#[test]` functions stop a test the same way the tests do.
#![allow(clippy::unwrap_used, clippy::panic)]

mod api_intake;
mod api_log;
mod api_receipts;
mod api_roles;
mod api_service;
mod api_tickets;
mod app;
mod architecture;
mod cli_demo;
mod cli_outbox;
mod cli_policy;
mod cli_runbook;
mod console;
mod desks;
mod engines;
mod kill;
mod peers;
mod races;
mod schedule;
mod secrets;
mod secrets_garden;
mod secrets_process;
mod secrets_targets;
mod store_contract;
mod way_approve;
mod way_changes;
mod way_chat;
mod way_dual;
mod way_edit;
mod way_events;
mod way_execution;
mod way_faults;
mod way_handling;
mod way_mail;
mod way_outcomes;
mod way_pre_approvals;
mod way_requesters;
mod way_switches;
mod way_trust;
mod way_whole;
mod way_world;
