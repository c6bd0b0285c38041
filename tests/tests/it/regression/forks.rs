//! A forked process has a copy of everything that its parent remembers, a generator of random numbers included.

use std::{
    collections::HashSet,
    process::{Command, Stdio},
};

use crate::support::{SERVER, namespace};

/// A repeated token is taken for one's own: a lease that an invalidation has ended would be granted again, and a value from
/// before the write stored.
#[test]
fn a_forked_process_draws_no_token_of_its_parent() {
    let output = Command::new(env!("CARGO_BIN_EXE_forked"))
        .env_clear()
        .env("REDIS_URL", SERVER.url())
        .env("CACHE_NAMESPACE", namespace())
        .stderr(Stdio::inherit())
        .output()
        .expect("it runs");
    let lines = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success() && lines.ends_with("end\n"), "{lines}");
    let tokens: Vec<&str> = lines.lines().filter_map(|line| line.strip_prefix("token ")).collect();
    assert_eq!(tokens.len(), 16, "{lines}");
    assert_eq!(tokens.iter().collect::<HashSet<_>>().len(), 16, "a token was drawn twice:\n{lines}");
}
