//! The room as a whole: the verdict against a second evaluator, its properties, and its policies.

mod approvals;
mod backtests;
mod calendars;
mod differences;
mod policies;
mod properties;
mod reference;
pub(super) mod specimen;
mod stored;
