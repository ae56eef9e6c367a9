mod api_intake;
mod api_log;
mod api_roles;
mod api_service;
mod api_tickets;
mod app;
mod architecture;
