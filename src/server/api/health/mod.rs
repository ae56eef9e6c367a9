pub mod live;
pub mod loads;
pub mod metrics;
pub mod openapi;
pub mod ready;
