//! Connectors: the configured systems that steps may call; a step names one, never a URL.

pub mod http;
mod set;

pub use http::{Prepared, RequestPreview};
pub(crate) use set::Progress;
pub use set::{Connectors, Health};
