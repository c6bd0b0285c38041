//! What the benchmarks in `benches/` share: the value they cache, the clock, the statistics, the generated tables.

mod arguments;
mod clock;
pub mod criterion_run;
pub mod filled;
pub mod film;
mod machine;
mod readme;
mod slices;
mod spread;

pub use crate::{
    arguments::Arguments,
    clock::{Stopwatch, sleep},
    machine::Machine,
    readme::{Section, target_folder},
    slices::{Contender, Ids},
    spread::Spread,
};
