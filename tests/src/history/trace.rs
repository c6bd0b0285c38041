//! Tells how a read came to be too old.

use std::fmt::Write as _;

use super::{
    check::{History, Violation},
    event::{Event, Item, Mode, Outcome, Time},
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
                Event::Counted { .. } => false,
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
            let shown = items.iter().find(|item| item.key == key).map_or(0, |item| item.version);
            let how = if *loaded { "loaded" } else { "was served" };
            format!("{function} {how} version {shown} in {}", took())
        }
        Event::Write { id, mode, .. } => {
            let mode = match mode {
                Mode::Through => "write-through",
                Mode::Plain => "plain write",
                Mode::Strict => "strict write",
                Mode::Settling => "settling write",
            };
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
        Event::Counted { stale, failed, local, .. } => {
            format!("has served {stale} old values and {local} of its own, {failed} loads failed")
        }
    }
}

fn millis(at: Time, first: Time) -> String {
    let micros = at.saturating_sub(first) / 1_000;
    format!("{}.{:03} ms", micros / 1_000, micros % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{
        check::{Happened, Process, Silenced, check},
        event::Function,
    };

    #[test]
    fn the_story_has_the_read_the_write_that_it_missed_and_the_fault() {
        let ms = |time: Time| 1_000_000_000 + time * 1_000_000;
        let item = |version, writer| Item { key: 0, version, writer };
        let writer = vec![
            Event::Write { id: 7, start: ms(10), mode: Mode::Plain, key: 0 },
            Event::Committing { id: 7, at: ms(11) },
            Event::Committed { id: 7, at: ms(12) },
            Event::Written { id: 7, end: ms(13), outcome: Outcome::Returned },
            Event::Clear { start: ms(14), end: ms(15) },
        ];
        let (function, items) = (Function::Item(0), vec![item(0, 0)]);
        let reader = vec![Event::Read { start: ms(20), end: ms(22), function, loaded: false, items }];
        let process = |number, events| Process { number, events, killed: None, hung: false };
        let fault = Happened {
            start: ms(9),
            end: ms(16),
            what: "Flush".to_owned(),
            destructive: true,
            silences: Silenced::Nobody,
        };
        let history = History {
            processes: vec![process(1, writer), process(2, reader)],
            faults: vec![fault],
            versions: vec![item(1, 7)],
            keys: 1,
            lease: ms(2_000),
            local: ms(1_000),
        };
        let (violations, _) = check(&history);
        let story = tell(&history, &violations[0]);
        let expected = [
            "process 2 read version 0 of item 0, but must not read one older than 1 (Returned)",
            "      29.000 ms fault Flush, over after 7.000 ms",
            "***   30.000 ms p1    version 1 (write 7) begins: plain write",
            "***   31.000 ms p1    version 1 (write 7) begins its transaction",
            "***   32.000 ms p1    version 1 (write 7) has committed",
            "***   33.000 ms p1    version 1 (write 7) has returned",
            "      34.000 ms p1    has no invalidation to repeat, seen in 1.000 ms",
            ">>>   40.000 ms p2    item:0 was served version 0 in 2.000 ms",
        ];
        assert_eq!(story.lines().collect::<Vec<_>>(), expected);
    }
}
