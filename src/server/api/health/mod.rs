pub mod live;
pub mod metrics;
pub mod ready;
pub mod openapi;
