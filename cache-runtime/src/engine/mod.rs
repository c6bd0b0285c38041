//! The protocol: the only place where store, flights, recovery and metrics meet.
//!
//! `read` joins flights, `lookup` looks, `load` runs the body under a lease,
//! `coherence` hears what others change, `drive` polls a load and lets it go on without its caller, `keeper` watches over what is
//! under way, `lease` and `fill` begin and end the right to store, `write` runs it under a fence or none,
//! `invalidate` makes keys unusable and repeats what was not acknowledged, `tasks` go on when the caller goes away.

mod batch;
mod coherence;
mod collection;
mod context;
mod drive;
mod fill;
mod history;
mod invalidate;
mod keeper;
mod lease;
mod load;
mod lookup;
mod poll;
mod read;
mod shape;
mod site;
mod tasks;
mod write;

pub use self::{
    batch::Batch,
    collection::{BatchResult, BatchShape, Opened, UnfitShape},
    invalidate::{Invalidated, Target},
    lookup::Call,
    read::{Attached, Detached},
    shape::{CacheValue, Fallible, FallibleOptional, Optional, Plain, Shape, View},
    site::{LocalTtl, Rules, Site, SiteConfig},
    write::{Write, WriteHome},
};
pub(crate) use self::{
    coherence::Told,
    context::{Context, Engine, EngineConfig, EngineRef},
    lookup::{Found, local},
};
