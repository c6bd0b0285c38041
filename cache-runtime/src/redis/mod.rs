//! Redis: where it is (`config`), connections that are kept alive (`lanes`), what a server says of itself (`report`), the
//! steps of the protocol (`scripts`), which values are large (`sizes`); who is told of changes (`listener`), by the
//! connection that tracks the keys which are read on it (`tracked`) or by messages of those who change them (`channel`).
//! `pace` says when a connection that was lost is tried again.

pub(crate) mod channel;
pub(crate) mod config;
pub(crate) mod lanes;
pub(crate) mod listener;
mod pace;
mod report;
pub(crate) mod scripts;
pub(crate) mod sizes;
pub(crate) mod tracked;
