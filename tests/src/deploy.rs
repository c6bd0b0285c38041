//! The frame of a version of a service: its functions, called and watched from outside.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use crate::worker::{commands, say};

/// What a function returns, in the form of `Debug`.
pub type Answer = Pin<Box<dyn Future<Output = String> + Send>>;

/// A function of the service.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// Its name in commands.
    pub name: &'static str,
    /// Calls it.
    pub call: fn() -> Answer,
    /// Makes it load again.
    pub write: fn() -> Answer,
}

static RUNS: AtomicU64 = AtomicU64::new(0);

/// Says that a body runs.
pub fn body_runs() {
    RUNS.fetch_add(1, Relaxed);
}

/// The functions of this binary by their names, each with the companion that the attribute made.
#[macro_export]
macro_rules! functions {
    ($($name:ident)*) => {
        [$($crate::deploy::Function {
            name: stringify!($name),
            call: || Box::pin(async { format!("{:?}", $name().await) }),
            write: || Box::pin(async { format!("{:?}", $name::entry().invalidate().await) }),
        }),*]
    };
}

/// Obeys `get <function>`, `write <function>` and `storm <milliseconds>`.
///
/// # Panics
/// Where a command is none of these.
#[expect(clippy::disallowed_methods, reason = "a storm takes real time")]
pub async fn serve(functions: &[Function]) {
    let find = |name: &str| functions.iter().find(|function| function.name == name).expect("a function");
    let mut commands = commands();
    while let Some(command) = commands.recv().await {
        match &*command.iter().map(String::as_str).collect::<Vec<_>>() {
            ["get", name] => {
                let before = RUNS.load(Relaxed);
                let answer = (find(name).call)().await;
                let how = if RUNS.load(Relaxed) == before { "hit" } else { "ran" };
                say(format_args!("got {how} {answer}"));
            }
            ["write", name] => say(format_args!("wrote {}", (find(name).write)().await)),
            ["storm", time] => {
                let started = Instant::now();
                let time = Duration::from_millis(time.parse().expect("milliseconds"));
                let mut seen = BTreeMap::<_, u64>::new();
                while started.elapsed() < time {
                    for function in functions {
                        for _ in 0..3 {
                            *seen.entry((function.name, (function.call)().await)).or_default() += 1;
                        }
                        (function.write)().await;
                    }
                }
                for ((name, answer), times) in seen {
                    say(format_args!("saw {name} {times} {answer}"));
                }
                say("over");
            }
            other => panic!("no command {other:?}"),
        }
    }
}
