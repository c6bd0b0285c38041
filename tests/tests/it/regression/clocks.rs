//! The wall clock is set while values are held in the process: by NTP, by hand, when a machine wakes up.

use std::{fs, process::Command};

/// The wall clock of one process, and what is in a file more. Only the wall clock: timers go on as they did.
const SHIFTED: &str = r#"
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t id, struct timespec *time) {
    int answer = syscall(SYS_clock_gettime, id, time);
    FILE *file = id == CLOCK_REALTIME ? fopen(getenv("CLOCK_SHIFT"), "r") : NULL;
    if (file) {
        long seconds = 0;
        if (fscanf(file, "%ld", &seconds) == 1) time->tv_sec += seconds;
        fclose(file);
    }
    return answer;
}
"#;

#[cfg(target_os = "linux")]
#[test]
fn a_wall_clock_that_is_set_neither_prolongs_nor_ends_what_is_held() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("clock.c"), SHIFTED).unwrap();
    // The linker of every build.
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o"]).arg(path("clock.so")).arg(path("clock.c"));
    assert!(compiler.status().expect("a C compiler").success());
    let output = Command::new(env!("CARGO_BIN_EXE_clock"))
        .env_clear()
        .env("LD_PRELOAD", path("clock.so"))
        .env("CLOCK_SHIFT", path("shift"))
        .output()
        .expect("it runs");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let lines: Vec<Vec<i64>> =
        text.lines().map(|line| line.split(' ').filter_map(|word| word.parse().ok()).collect()).collect();
    assert_eq!(lines.len(), 2, "{text}");
    for (line, day) in lines.iter().zip([-86_400, 86_400]) {
        let [moved, left, runs] = line[..] else { panic!("{text}") };
        assert!((moved - day).abs() < 600, "the clock was not set: {text}");
        assert!((3_000..=3_600).contains(&left) && runs == 2, "{text}");
    }
}
