//! Redis: where it is (`config`), connections that are kept alive (`lanes`), the steps of the protocol (`scripts`).

pub(crate) mod config;
pub(crate) mod lanes;
pub(crate) mod scripts;
