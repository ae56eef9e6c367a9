//! The one integration binary: what the rooms promise together, over real files and real HTTP.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at what it did not expect")]

mod store_contract;
