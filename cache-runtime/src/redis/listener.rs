//! Who is told what the server says of changes: of keys on the tracked connection, of messages on the channel.

use crate::{ambient::Stopwatch, domain::pattern::Pattern};

/// What is told. Called in the order in which the server has sent it, between the answers on the same connection.
pub(crate) trait Listener: Send + Sync {
    /// A key has changed.
    fn changed(&self, key: &[u8]);
    /// All keys that match may have changed.
    fn changed_matching(&self, pattern: &Pattern);
    /// Any key may have changed, and no change was missed from now on.
    fn changed_all(&self);
    /// From now on changes are told.
    fn up(&self);
    /// All that the server had to say before this was told; from that moment on it is valid for a while.
    fn alive(&self, since: Stopwatch);
    /// Nothing is told any more.
    fn lost(&self);
}
