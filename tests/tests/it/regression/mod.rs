//! Defects that were found once.

mod flights;
mod forks;
mod holds;
mod invalidations;
mod runtimes;
