//! Integration tests of the workspace: see `tests/`.

pub mod history;
