//! What the server, or other processes, say of changes: the local level forgets it, and who waits looks again.

use std::sync::Arc;

use crate::{
    ambient::Stopwatch, domain::pattern::Pattern, local::Local, redis::listener::Listener,
    resilience::wakeups::Wakeups,
};

/// Who is told of changes in one cache.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) wakeups: Wakeups,
    /// `None`: it is told by somebody else.
    pub(crate) local: Option<Arc<Local>>,
}

impl Told {
    fn local(&self, tell: impl FnOnce(&Local)) {
        if let Some(local) = &self.local {
            tell(local);
        }
    }
}

impl Listener for Told {
    fn changed(&self, key: &[u8]) {
        self.local(|local| local.forget(key));
        self.wakeups.wake(key);
    }

    fn changed_matching(&self, pattern: &Pattern) {
        self.local(|local| local.forget_matching(pattern));
        self.wakeups.wake_all();
    }

    fn changed_all(&self) {
        self.local(Local::forget_all);
        self.wakeups.wake_all();
    }

    fn up(&self) {
        self.local(Local::up);
    }

    fn alive(&self, since: Stopwatch) {
        self.local(|local| local.alive(since));
    }

    fn lost(&self) {
        self.local(Local::lost);
        self.wakeups.wake_all();
    }
}
