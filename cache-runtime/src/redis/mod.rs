//! Redis: where it is (`config`), connections that are kept alive (`lanes`), what a server says of itself (`report`), the
//! connection that is told of changes (`tracked`), the steps of the protocol (`scripts`).

pub(crate) mod config;
pub(crate) mod lanes;
mod report;
pub(crate) mod scripts;
pub(crate) mod tracked;
