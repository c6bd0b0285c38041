//! Tells how a read came to be too old.

use std::fmt::Write as _;

use super::{
    check::{History, Violation},
    event::{Event, Function, Item, Mode, Outcome, Time},
};

/// So long before the write, and after the read, is of interest.
const BEFORE: Time = 30_000_000;
const AFTER: Time = 3_000_000;

/// More lines are left out in the middle.
const LINES: usize = 160;

/// The violation, and what happened around it to that key, in the order of time.
#[must_use]
pub fn tell(history: &History, violation: &Violation) -> String {
    let (process, read, got, wanted) = match violation {
        Violation::Stale { process, read, got, wanted, reason } => {
            let text = format!(
                "process {process} read version {} of item {}, but must not read one older than {} ({reason:?})\n",
                got.version, got.key, wanted.version
            );
            (text, read, *got, Some(*wanted))
        }
        Violation::Unknown { process, read, got } => {
            let text = format!("process {process} read {got:?}, which nobody has committed by then\n");
            (text, read, *got, None)
        }
        Violation::Hung { process } => return format!("process {process} did not end: a call hangs\n"),
        Violation::Unfinished { process } => {
            return format!(
                "process {process} still had steps under way or invalidations to repeat at its end\n"
            );
        }
    };
    let mut text = process;
    let (read_start, read_end) = read.span();
    let writers = [Some(got.writer), wanted.map(|wanted| wanted.writer)];
    let begun =
        history.processes.iter().flat_map(|process| &process.events).filter_map(|event| match event {
            Event::Write { id, start, .. } if writers.contains(&Some(*id)) => Some(*start),
            _ => None,
        });
    let first = begun.min().unwrap_or(read_start).min(read_start).saturating_sub(BEFORE);
    let window = (first, read_end + AFTER);
    let mut lines = lines(history, got.key, window);
    lines.sort_by_key(|line| line.at);
    let out = lines.len().saturating_sub(LINES);
    for (number, line) in lines.iter().enumerate() {
        if out > 0 && number == LINES / 2 {
            let _ = writeln!(text, "        ... {out} lines ...");
        }
        if out > 0 && (LINES / 2..LINES / 2 + out).contains(&number) {
            continue;
        }
        let mark = if line.event == Some(read) {
            ">>>"
        } else if line.event.and_then(Event::write).is_some_and(|id| writers[1] == Some(id)) {
            "***"
        } else {
            "   "
        };
        let _ = writeln!(text, "{mark} {:>11} {:<5} {}", millis(line.at, first), line.who, line.what);
    }
    text
}

struct Line<'a> {
    at: Time,
    who: String,
    what: String,
    event: Option<&'a Event>,
}

/// What concerns this key within these times.
fn lines(history: &History, key: u64, (first, last): (Time, Time)) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    for fault in history.faults.iter().filter(|fault| fault.end >= first && fault.start <= last) {
        let what = format!("{}, over after {}", fault.what, millis(fault.end, fault.start));
        lines.push(Line { at: fault.start, who: "fault".to_owned(), what, event: None });
    }
    for process in &history.processes {
        let of_key: Vec<_> = process
            .events
            .iter()
            .filter_map(|event| match event {
                Event::Write { id, key: written, .. } if *written == key => Some(*id),
                _ => None,
            })
            .collect();
        for event in &process.events {
            let (start, end) = event.span();
            let concerns = match event {
                Event::Read { items, .. } => items.iter().any(|item| item.key == key),
                Event::Invalidated { key: invalidated, .. } => *invalidated == key,
                Event::Quiet { .. } | Event::Clear { .. } | Event::Unfinished { .. } => true,
                _ => event.write().is_some_and(|id| of_key.contains(&id)),
            };
            if concerns && end >= first && start <= last {
                let what = words(history, event, key);
                lines.push(Line { at: start, who: format!("p{}", process.number), what, event: Some(event) });
            }
        }
    }
    lines
}

fn words(history: &History, event: &Event, key: u64) -> String {
    let (start, end) = event.span();
    let took = || millis(end, start);
    let version = |writer: u64| {
        let item = history.versions.iter().find(|item| item.writer == writer && item.key == key);
        item.map_or_else(
            || format!("write {writer:x}"),
            |item: &Item| format!("version {} (write {writer:x})", item.version),
        )
    };
    match event {
        Event::Read { function, loaded, items, .. } => {
            let name = if *function == Function::Summary { "summary" } else { "item" };
            let shown = items.iter().find(|item| item.key == key).map_or(0, |item| item.version);
            let how = if *loaded { "loaded" } else { "was served" };
            format!("{name} {how} version {shown} in {}", took())
        }
        Event::Write { id, mode, .. } => {
            let mode = if *mode == Mode::Through { "write-through" } else { "plain write" };
            format!("{} begins: {mode}", version(*id))
        }
        Event::Body { id, fenced, .. } => {
            format!("{} runs its body{}", version(*id), if *fenced { ", fenced" } else { "" })
        }
        Event::Committing { id, .. } => format!("{} begins its transaction", version(*id)),
        Event::Committed { id, .. } => format!("{} has committed", version(*id)),
        Event::Leaving { id, .. } => format!("{} is about to be left or to fail", version(*id)),
        Event::Written { id, outcome: Outcome::Returned, .. } => format!("{} has returned", version(*id)),
        Event::Written { id, outcome: Outcome::Left, .. } => format!("{} was left", version(*id)),
        Event::Invalidated { acknowledged, .. } => {
            let how = if *acknowledged { "acknowledged" } else { "to be repeated" };
            format!("invalidates in {}, {how}", took())
        }
        Event::Clear { .. } => format!("has no invalidation to repeat, seen in {}", took()),
        Event::Quiet { .. } => format!("has nothing under way, seen in {}", took()),
        Event::Unfinished { .. } => "is to end, and is not done".to_owned(),
    }
}

fn millis(at: Time, first: Time) -> String {
    let micros = at.saturating_sub(first) / 1_000;
    format!("{}.{:03} ms", micros / 1_000, micros % 1_000)
}
