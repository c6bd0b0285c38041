//! Defects that were found once.

mod flights;
mod holds;
mod invalidations;
mod runtimes;
