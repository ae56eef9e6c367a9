mod api_intake;
mod app;
mod architecture;
