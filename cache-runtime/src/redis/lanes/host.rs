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

    /// This one has ended, or carries nothing. False where there is no other.
    pub(super) fn leave(&self, runtime: &Handle) -> bool {
        self.lock().take_if(|host| host.id() == runtime.id()).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Handle>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
