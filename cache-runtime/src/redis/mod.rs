//! Redis: where it is (`config`), connections that are kept alive (`lanes`), the one that is told
//! of changes (`tracked`), the steps of the protocol (`scripts`).

pub(crate) mod config;
pub(crate) mod lanes;
pub(crate) mod scripts;
pub(crate) mod tracked;
