//! Defects that were found once.

mod flights;
mod invalidations;
mod runtimes;
