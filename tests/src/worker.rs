//! A process that a test commands: one line in is a command, one line out is what came of it.

use std::{
    io::{BufRead as _, Write as _},
    time::Duration,
};

use cache_runtime::{Cache, CacheBuilder, HealthState};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Installs a cache as the environment says, waits until it is in use, and says `ready`.
///
/// Machines are slow at times: the budget is generous, so that no call gives up on Redis.
///
/// # Panics
/// Where the environment is unfit, or Redis does not come.
#[expect(clippy::disallowed_methods, reason = "a process of its own waits for a real server")]
pub async fn begin(set_up: impl FnOnce(CacheBuilder) -> CacheBuilder) {
    let builder = CacheBuilder::from_env().expect("fit").budget(Duration::from_secs(10));
    set_up(builder).build().and_then(Cache::install).expect("the first");
    let cache = Cache::current();
    for _ in 0..2_000 {
        if cache.health().state == HealthState::Connected {
            return say("ready");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not in use: {}", cache.health());
}

/// One line of the answer.
pub fn say(line: impl std::fmt::Display) {
    // Who killed the test does not read any more; the end of the input ends this process.
    drop(writeln!(std::io::stdout().lock(), "{line}"));
}

/// The words of each command, until the test closes the input.
#[must_use]
pub fn commands() -> UnboundedReceiver<Vec<String>> {
    let (sender, commands) = unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line.split(' ').map(str::to_owned).collect()).is_err() {
                break;
            }
        }
    });
    commands
}
