//! The room as a whole: the verdict against a second evaluator, its properties, and its policies.

mod approvals;
mod calendars;
mod hours;
mod policies;
mod properties;
mod reference;
mod requesters;
pub(super) mod specimen;
mod stored;
