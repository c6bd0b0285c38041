//! What keeps the promises while Redis misbehaves. The breaker is the lane that is down (`redis::lanes`).

pub(crate) mod recovery;
pub(crate) mod refresh;
pub(crate) mod wakeups;
