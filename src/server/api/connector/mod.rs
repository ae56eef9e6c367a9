//! Connectors: the systems that runs may call, and how they are doing.

pub mod list;
