//! The one integration binary: what the rooms promise together, over real files and real HTTP.

mod store_contract;
