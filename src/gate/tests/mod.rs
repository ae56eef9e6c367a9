//! The room as a whole: the verdict against a second evaluator, its properties, and its policies.

mod approvals;
mod calendars;
mod hours;
mod policies;
mod properties;
mod reference;
mod requesters;
mod sequential;
pub(super) mod specimen;
mod stored;
mod zones;
