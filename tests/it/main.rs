//! The one integration binary: what the rooms promise together, over real files and real HTTP.

mod api_intake;
mod api_log;
mod api_roles;
mod api_service;
mod api_tickets;
mod app;
mod architecture;
mod store_contract;
