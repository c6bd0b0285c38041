//! Integration tests of the workspace: see `tests/`. Here is what the processes in `src/bin` share.

pub mod deploy;
pub mod history;
pub mod worker;
