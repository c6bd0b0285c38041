//! One Lua script per step of the protocol, sent as `EVALSHA`.

use std::sync::LazyLock;

use bb8_redis::redis::{Cmd, Script};

/// A script and the hash that names it on the server.
#[derive(Debug)]
pub(crate) struct Step {
    source: &'static str,
    script: LazyLock<Script>,
}

macro_rules! steps {
    ($($(#[$doc:meta])* $name:ident = $file:literal;)*) => {$(
        $(#[$doc])*
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
}

impl Step {
    /// The call by hash: what is sent first.
    pub(crate) fn by_hash(&self, key: &[u8], start: u64) -> Cmd {
        Self::call("EVALSHA", self.script.get_hash(), key, start)
    }

    /// The call by text, which also loads it: what is sent when the server answers `NOSCRIPT`, that is, has not run it.
    pub(crate) fn by_text(&self, key: &[u8], start: u64) -> Cmd {
        Self::call("EVAL", self.source, key, start)
    }

    fn call(command: &str, script: &str, key: &[u8], start: u64) -> Cmd {
        let mut cmd = Cmd::with_capacity(8, key.len() + 128);
        cmd.arg(command).arg(script).arg(1).arg(key).arg(start);
        cmd
    }
}
