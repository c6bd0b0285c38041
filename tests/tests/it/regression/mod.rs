//! Defects that were found once.

mod clocks;
mod extremes;
mod flights;
mod forks;
mod holds;
mod invalidations;
mod late_writes;
mod runtimes;
mod sharing;
mod unpolled;
