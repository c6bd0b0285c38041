//! Where connections are carried: by the runtime of a caller whose workers run by themselves, so that its calls need no
//! other thread, else by the cache's own thread.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::runtime::{Handle, RuntimeFlavor};

use crate::ambient::home;

#[derive(Debug, Default)]
pub(super) struct Hosts(Mutex<Option<Handle>>);

impl Hosts {
    /// The runtime that this is called in carries the next connection, if it can.
    pub(super) fn offer(&self) {
        let Ok(runtime) = Handle::try_current() else { return };
        if runtime.runtime_flavor() == RuntimeFlavor::MultiThread {
            *self.lock() = Some(runtime);
        }
    }

    /// The runtime for the next connection; `None` where the system refuses a thread.
    pub(super) fn choose(&self) -> Option<Handle> {
        self.lock().clone().or_else(home::handle)
    }

    /// This one has ended, or carries nothing. False where it is the cache's own.
    pub(super) fn leave(&self, runtime: &Handle) -> bool {
        // A call may have offered another one meanwhile.
        self.lock().take_if(|host| host.id() == runtime.id());
        home::handle().is_none_or(|home| home.id() != runtime.id())
    }

    /// Only the runtime that this is called in may be of this process.
    pub(super) fn begin(&self) {
        *self.lock() = None;
        self.offer();
    }

    fn lock(&self) -> MutexGuard<'_, Option<Handle>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
