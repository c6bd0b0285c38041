//! One Lua script per step of the protocol, sent as `EVALSHA`.

use std::sync::LazyLock;

use bb8_redis::redis::{Cmd, Script};

use crate::domain::entry::Millis;

/// What a script is told of times.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// What was written before is void.
    pub(crate) start: Millis,
    /// The time, where the server does not tell it to scripts.
    pub(crate) now: Option<Millis>,
}

/// A script and the hash that names it on the server.
#[derive(Debug)]
pub(crate) struct Step {
    source: &'static str,
    script: LazyLock<Script>,
}

macro_rules! steps {
    ($($(#[$attribute:meta])* $name:ident = $file:literal;)*) => {$(
        $(#[$attribute])*
        pub(crate) static $name: Step = {
            const SOURCE: &str = concat!(include_str!("scripts/entry.lua"), include_str!(concat!("scripts/", $file)));
            Step { source: SOURCE, script: LazyLock::new(|| Script::new(SOURCE)) }
        };
    )*};
}

steps! {
    ACQUIRE = "acquire.lua";
    FILL = "fill.lua";
    RELEASE = "release.lua";
    RENEW = "renew.lua";
    INVALIDATE = "invalidate.lua";
    DROP = "drop.lua";
    HOLD = "hold.lua";
    BEGIN = "begin.lua";
    END = "end.lua";
    TAG = "tag.lua";
    /// FILL and END of a cache without fences.
    #[cfg(feature = "testing")]
    PUT = "put.lua";
    /// BEGIN of one.
    #[cfg(feature = "testing")]
    PASS = "pass.lua";
}

/// The scripts of the steps that fences and leases decide.
#[derive(Debug)]
pub(crate) struct Steps {
    pub(crate) fill: &'static Step,
    pub(crate) hold: &'static Step,
    pub(crate) begin: &'static Step,
    pub(crate) end: &'static Step,
}

/// The protocol.
pub(crate) static FENCED: Steps = Steps { fill: &FILL, hold: &HOLD, begin: &BEGIN, end: &END };

/// What caches do that know no fences: a load stores whatever has happened meanwhile, a write deletes.
#[cfg(feature = "testing")]
pub(crate) static UNFENCED: Steps = Steps { fill: &PUT, hold: &INVALIDATE, begin: &PASS, end: &PUT };

impl Step {
    /// The call by hash: what is sent first.
    pub(crate) fn by_hash(&self, key: &[u8], time: Moment) -> Cmd {
        Self::call("EVALSHA", self.script.get_hash(), key, time)
    }

    /// The call by text, which also loads it: what is sent when the server answers `NOSCRIPT`, that is, has not run it.
    pub(crate) fn by_text(&self, key: &[u8], time: Moment) -> Cmd {
        Self::call("EVAL", self.source, key, time)
    }

    fn call(command: &str, script: &str, key: &[u8], time: Moment) -> Cmd {
        let mut cmd = Cmd::with_capacity(8, key.len() + 128);
        cmd.arg(command).arg(script).arg(1).arg(key);
        match time.now {
            None => cmd.arg(time.start),
            Some(now) => cmd.arg(format!("{} {now}", time.start)),
        };
        cmd
    }
}
