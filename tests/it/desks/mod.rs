//! Write-back to each kind of help desk, against servers that keep the contract of its API.
//!
//! Nobody here has an account at eleven vendors: the contract is what their documentation says, as `docs/write-back.md`
//! lists. A request outside of the contract is answered 404 and fails the test.

mod bench;
mod contract;
mod echo;
mod fake;
mod faults;
mod models;
mod office;
mod outage;
