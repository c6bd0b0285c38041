//! Each rule, on a history of a few events: where it is broken, and where it does not apply. Times are milliseconds.

use super::*;

/// The write of the first process, and that of its only version of item 0.
const WRITE: WriteId = 1 << 32 | 1;

fn ms(time: Time) -> Time {
    time * 1_000_000
}

fn version(version: u64, writer: WriteId) -> Item {
    Item { key: 0, version, writer }
}

fn read_of(function: Function, start: Time, item: Item) -> Event {
    Event::Read { start: ms(start), end: ms(start + 1), function, loaded: false, items: vec![item] }
}

/// A read of what was there before all writes.
fn old_item(start: Time) -> Event {
    read_of(Function::Item(0), start, version(0, 0))
}

fn old_summary(start: Time) -> Event {
    read_of(Function::Summary, start, version(0, 0))
}

fn old_feed(start: Time) -> Event {
    read_of(Function::Feed(0), start, version(0, 0))
}

fn old_card(start: Time) -> Event {
    read_of(Function::Card(0), start, version(0, 0))
}

fn old_page(start: Time) -> Event {
    read_of(Function::Page(0, 1), start, version(0, 0))
}

fn old_several(start: Time) -> Event {
    read_of(Function::Several(0), start, version(0, 0))
}

fn old_replica(start: Time) -> Event {
    read_of(Function::Replica(0), start, version(0, 0))
}

/// A write from 10 that has committed at 20.
fn write(mode: Mode, fenced: bool) -> Vec<Event> {
    write_until(mode, fenced, 20)
}

fn write_until(mode: Mode, fenced: bool, committed: Time) -> Vec<Event> {
    vec![
        Event::Write { id: WRITE, start: ms(10), mode, key: 0 },
        Event::Body { id: WRITE, at: ms(11), fenced },
        Event::Committing { id: WRITE, at: ms(12) },
        Event::Committed { id: WRITE, at: ms(committed) },
    ]
}

fn with(mut events: Vec<Event>, more: &[Event]) -> Vec<Event> {
    events.extend_from_slice(more);
    events
}

fn leaving(at: Time) -> Event {
    Event::Leaving { id: WRITE, at: ms(at) }
}

fn written(end: Time, outcome: Outcome) -> Event {
    Event::Written { id: WRITE, end: ms(end), outcome }
}

fn clear(start: Time) -> Event {
    Event::Clear { start: ms(start), end: ms(start + 1) }
}

fn quiet(start: Time) -> Event {
    Event::Quiet { start: ms(start), end: ms(start + 1) }
}

fn flush(start: Time) -> Happened {
    Happened {
        start: ms(start),
        end: ms(start + 1),
        what: "Flush".to_owned(),
        destructive: true,
        silences: Silenced::Nobody,
    }
}

/// The first process writes, the second one reads.
fn history(writer: Vec<Event>, reader: Vec<Event>) -> History {
    let process = |number, events| Process { number, events, killed: None, hung: false };
    History {
        processes: vec![process(1, writer), process(2, reader)],
        faults: Vec::new(),
        versions: vec![version(1, WRITE)],
        keys: 1,
        lease: ms(3_000),
        local: ms(10_000),
    }
}

/// Why the reads of a history are stale, one by one.
#[track_caller]
fn stale(history: &History, expected: &[Reason]) {
    let (violations, _) = check(history);
    let reasons: Vec<_> = violations
        .iter()
        .map(|violation| match violation {
            Violation::Stale { reason, .. } => *reason,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(reasons, expected);
}

#[test]
fn a_write_that_has_returned_binds_all_reads_after_it() {
    let writer = with(write(Mode::Plain, false), &[written(30, Outcome::Returned), clear(31)]);
    for old in [old_item, old_summary, old_feed, old_card, old_page, old_several] {
        stale(&history(writer.clone(), vec![old(15), old(25), old(31)]), &[]);
        stale(&history(writer.clone(), vec![old(33), old(60_000)]), &[Reason::Returned; 2]);
    }
    let new = read_of(Function::Item(0), 33, version(1, WRITE));
    stale(&history(writer, vec![new]), &[]);
}

#[test]
fn without_an_acknowledgement_it_binds_its_own_process_only() {
    let writer = with(write(Mode::Plain, false), &[written(30, Outcome::Returned)]);
    stale(&history(writer.clone(), vec![old_item(50)]), &[]);
    // A look that began before the call was over has not seen what it left behind.
    stale(&history(with(writer.clone(), &[clear(29)]), vec![old_item(50)]), &[]);
    stale(&history(with(writer.clone(), &[old_item(25), old_item(31)]), vec![]), &[Reason::OwnWrite]);
    stale(&history(with(writer, &[clear(40)]), vec![old_item(39), old_item(42)]), &[Reason::Returned]);
}

#[test]
fn a_fenced_write_binds_reads_of_its_key_from_its_commit() {
    let fenced = write(Mode::Through, true);
    stale(&history(fenced.clone(), vec![old_item(19), old_item(21)]), &[Reason::Committed]);
    stale(&history(fenced.clone(), vec![old_several(19), old_several(21)]), &[Reason::Committed]);
    stale(&history(fenced.clone(), vec![old_summary(21), old_card(21), old_page(21)]), &[]);
    stale(&history(write(Mode::Through, false), vec![old_item(21)]), &[]);
    stale(&history(write(Mode::Plain, true), vec![old_item(21)]), &[]);
    // A fence that was lost before the commit, and one that was lost after it.
    let mut lost = history(fenced, vec![old_item(21)]);
    lost.faults = vec![flush(15)];
    stale(&lost, &[]);
    lost.faults = vec![flush(21)];
    stale(&lost, &[Reason::Committed]);
    // It may have run out by then.
    stale(&history(write_until(Mode::Through, true, 2_600), vec![old_item(2_700)]), &[]);
}

#[test]
fn a_strict_write_binds_reads_of_its_targets_from_its_commit() {
    let strict = write(Mode::Strict, true);
    for old in [old_item, old_summary, old_feed, old_card, old_page, old_several] {
        stale(&history(strict.clone(), vec![old(19), old(21)]), &[Reason::Strict]);
        stale(&history(write(Mode::Strict, false), vec![old(21)]), &[]);
        // A fence that was lost before the commit, and one that was lost after it.
        let mut lost = history(strict.clone(), vec![old(21)]);
        lost.faults = vec![flush(15)];
        stale(&lost, &[]);
        lost.faults = vec![flush(21)];
        stale(&lost, &[Reason::Strict]);
        // It may have run out by then.
        let mut late = history(write_until(Mode::Strict, true, 400), vec![old(401)]);
        stale(&late, &[Reason::Strict]);
        late.lease = ms(400);
        stale(&late, &[]);
    }
    stale(&history(write(Mode::Through, true), vec![old_feed(21)]), &[]);
    stale(&history(strict, vec![old_replica(21)]), &[]);
}

#[test]
fn a_write_that_settles_binds_the_replica_from_when_it_has_caught_up() {
    let returned = [written(21, Outcome::Returned), clear(22)];
    let settling = with(write(Mode::Settling, false), &returned);
    stale(&history(settling.clone(), vec![old_replica(59), old_replica(61)]), &[Reason::Settled]);
    stale(&history(settling.clone(), vec![old_item(25)]), &[Reason::Returned]);
    for mode in [Mode::Plain, Mode::Strict, Mode::Through] {
        stale(&history(with(write(mode, true), &returned), vec![old_replica(61)]), &[]);
    }
    // Not acknowledged: only within its own process.
    let unsure = with(write(Mode::Settling, false), &returned[..1]);
    stale(&history(unsure.clone(), vec![old_replica(61)]), &[]);
    stale(&history(with(unsure, &[old_replica(59), old_replica(61)]), vec![]), &[Reason::Settled]);
    // A fence that was lost before the replica had caught up, and after it.
    let mut lost = history(settling, vec![old_replica(70)]);
    lost.faults = vec![flush(50)];
    stale(&lost, &[]);
    lost.faults = vec![flush(61)];
    stale(&lost, &[Reason::Settled]);
    // One that was left is held for its second, and that is all the time that the replica has.
    let left = |landed| {
        let more = [leaving(13), written(14, Outcome::Left), quiet(15)];
        with(write_until(Mode::Settling, false, landed), &more)
    };
    stale(&history(left(860), vec![old_replica(899), old_replica(901)]), &[Reason::Settled]);
    stale(&history(left(880), vec![old_replica(1_000)]), &[]);
    stale(&history(left(880), vec![old_item(1_000)]), &[Reason::Left]);
}

#[test]
fn a_write_that_was_left_binds_once_its_steps_are_over() {
    let left = with(write(Mode::Plain, false), &[leaving(21), written(22, Outcome::Left), clear(23)]);
    stale(&history(left.clone(), vec![old_item(30)]), &[]);
    let reads = || vec![old_item(39), old_item(42)];
    stale(&history(with(left.clone(), &[quiet(40)]), reads()), &[Reason::Left]);
    stale(&history(with(left, &[quiet(21)]), reads()), &[]);
}

#[test]
fn what_lands_after_its_caller_has_gone_binds_from_then_on_if_the_hold_stands() {
    let left = |landed| {
        let more = [leaving(13), written(14, Outcome::Left), quiet(15)];
        with(write_until(Mode::Plain, false, landed), &more)
    };
    stale(&history(left(300), vec![old_item(299), old_item(301)]), &[Reason::Left]);
    stale(&history(left(1_100), vec![old_item(1_101)]), &[]);
    let mut lost = history(left(300), vec![old_item(301)]);
    lost.faults = vec![flush(200)];
    stale(&lost, &[]);
    // The same where the body has failed: the call has returned.
    let failed = |landed| {
        with(write_until(Mode::Plain, false, landed), &[leaving(13), written(14, Outcome::Returned)])
    };
    let failed = |landed| with(failed(landed), &[clear(15)]);
    stale(&history(failed(300), vec![old_item(299), old_item(301)]), &[Reason::Returned]);
    stale(&history(with(failed(1_100), &[old_item(1_101)]), vec![]), &[]);
}

const HELD: [Function; 4] =
    [Function::HeldItem(0), Function::HeldCard(0), Function::HeldPage(0, 2), Function::HeldSeveral(0)];

#[test]
fn what_a_process_holds_is_not_older_than_its_own_writes() {
    let returned = with(write(Mode::Through, true), &[written(30, Outcome::Returned)]);
    let left = [leaving(21), written(30, Outcome::Left), quiet(31)];
    let left = with(write(Mode::Plain, false), &left);
    let invalidated = Event::Invalidated { start: ms(30), end: ms(31), key: 0, acknowledged: true };
    let invalidated = with(write(Mode::Plain, false), &[invalidated]);
    for function in HELD {
        let old = |start| read_of(function, start, version(0, 0));
        let own = |events: &[Event], expected: &[Reason]| {
            stale(&history(with(events.to_vec(), &[old(25), old(40)]), vec![]), expected);
        };
        // Also where it was fenced: others hear of it when it is over.
        own(&returned, &[Reason::OwnWrite]);
        own(&left, &[Reason::Left]);
        own(&invalidated, &[Reason::Invalidated]);
    }
}

#[test]
fn what_other_processes_hold_is_older_only_while_the_message_is_under_way() {
    let writer = with(write(Mode::Strict, true), &[written(30, Outcome::Returned), clear(31)]);
    for function in HELD {
        let old = |start| read_of(function, start, version(0, 0));
        let new = |start| read_of(function, start, version(1, WRITE));
        let history = |reads: &[Event]| history(writer.clone(), reads.to_vec());
        let within = history(&[old(25), old(33), old(1_400), new(1_500)]);
        stale(&within, &[]);
        let (_, statistics) = check(&within);
        assert_eq!((statistics.held, statistics.lags.len()), (4, 2));
        assert_eq!((statistics.lag(50).as_millis(), statistics.lag(99).as_millis()), (1, 1_368));
        stale(&history(&[old(1_600), old(60_000)]), &[Reason::Heard; 2]);
    }
    stale(&history(writer, vec![old_item(33)]), &[Reason::Strict]);
}

#[test]
fn in_a_silence_it_is_given_up_within_the_heartbeat_or_when_its_time_is_over() {
    let writer = with(write(Mode::Plain, false), &[written(30, Outcome::Returned), clear(31)]);
    for function in HELD {
        let old = |start| read_of(function, start, version(0, 0));
        let check = |silences, (start, end), local, expected: &[Reason]| {
            let mut history = history(writer.clone(), vec![old(1_600), old(4_500), old(4_600)]);
            let what = "Partition".to_owned();
            history.faults =
                vec![Happened { start: ms(start), end: ms(end), what, destructive: false, silences }];
            history.local = ms(local);
            stale(&history, expected);
        };
        let silenced = Silenced::Process(2);
        check(silenced, (20, 5_000), 60_000, &[Reason::Heard]);
        check(Silenced::Everybody, (20, 5_000), 60_000, &[Reason::Heard]);
        check(silenced, (20, 5_000), 500, &[Reason::Heard; 2]);
        // It is over, but not noticed yet; it is noticed; it began when the message had come long ago.
        check(silenced, (1, 2), 60_000, &[Reason::Heard]);
        check(silenced, (2_000, 5_000), 60_000, &[Reason::Heard; 3]);
        check(Silenced::Process(1), (20, 5_000), 60_000, &[Reason::Heard; 3]);
        check(Silenced::Nobody, (20, 5_000), 60_000, &[Reason::Heard; 3]);
    }
}

#[test]
fn what_lands_behind_the_invalidation_of_a_tag_or_a_pattern_binds_no_read_of_it() {
    let check = |mode, landed, old: fn(Time) -> Event, expected: &[Reason]| {
        let more = [leaving(25), written(26, Outcome::Returned), clear(27)];
        stale(&history(with(write_until(mode, false, landed), &more), vec![old(500)]), expected);
    };
    for old in [old_card, old_page] {
        for mode in [Mode::Plain, Mode::Through] {
            check(mode, 20, old, &[Reason::Returned]);
            check(mode, 300, old, &[]);
        }
        for mode in [Mode::Strict, Mode::Settling] {
            check(mode, 300, old, &[Reason::Returned]);
        }
    }
    check(Mode::Plain, 300, old_item, &[Reason::Returned]);
}

#[test]
fn a_process_that_is_killed_leaves_its_fences_but_no_invalidation() {
    let check_killed = |mode, fenced, expected: &[Reason]| {
        let mut events = write(mode, fenced);
        // It died before it could note that it had committed.
        events.pop();
        let mut history = history(events, vec![old_item(24), old_item(26)]);
        history.processes[0].killed = Some(ms(25));
        stale(&history, expected);
    };
    check_killed(Mode::Plain, false, &[]);
    check_killed(Mode::Through, true, &[Reason::Committed]);
}

#[test]
fn an_invalidation_binds_to_what_had_landed_before_it() {
    let invalidated = |start, acknowledged| Event::Invalidated {
        start: ms(start),
        end: ms(start + 1),
        key: 0,
        acknowledged,
    };
    let writer = write(Mode::Plain, false);
    let reads = vec![old_item(25), old_item(32)];
    stale(&history(with(writer.clone(), &[invalidated(30, true)]), reads.clone()), &[Reason::Invalidated]);
    for old in [old_feed, old_card, old_page, old_several] {
        let reads = vec![old(25), old(32)];
        stale(&history(with(writer.clone(), &[invalidated(30, true)]), reads), &[Reason::Invalidated]);
    }
    stale(&history(with(writer.clone(), &[invalidated(30, false)]), reads.clone()), &[]);
    stale(&history(with(writer.clone(), &[invalidated(20, true)]), reads), &[]);
    // Only the item: nobody has touched the summary.
    stale(&history(with(writer, &[invalidated(30, true)]), vec![old_summary(32)]), &[]);
}

#[test]
fn what_nobody_has_committed_is_noticed() {
    let unknown = |read: Event| {
        let other = [
            Event::Write { id: WRITE + 1, start: ms(10), mode: Mode::Plain, key: 0 },
            Event::Committing { id: WRITE + 1, at: ms(11) },
        ];
        let (violations, _) = check(&history(with(write(Mode::Plain, false), &other), vec![read]));
        matches!(violations[..], [Violation::Unknown { .. }])
    };
    let item = |start, item| read_of(Function::Item(0), start, item);
    assert!(!unknown(item(25, version(1, WRITE))));
    assert!(unknown(item(25, version(1, WRITE + 1))), "of another write");
    assert!(unknown(item(25, version(0, WRITE))), "the version of one, the writer of another");
    assert!(unknown(item(25, version(2, WRITE))), "never committed");
    assert!(unknown(item(5, version(1, WRITE))), "from the future");
    assert!(unknown(read_of(Function::Item(1), 25, version(1, WRITE))), "of another key");
}

#[test]
fn a_process_that_does_not_come_to_an_end_is_noticed() {
    let mut history = history(write(Mode::Plain, false), vec![Event::Unfinished { at: 1 }]);
    history.processes[0].hung = true;
    let (violations, _) = check(&history);
    assert_eq!(violations, [Violation::Hung { process: 1 }, Violation::Unfinished { process: 2 }]);
}

#[test]
fn the_last_version_that_binds_is_the_one_that_counts() {
    let mut bounds = Bounds::default();
    for (from, version) in [(30, 2), (10, 1), (20, 3)] {
        bounds.add(from, version, Reason::Returned);
    }
    bounds.settle();
    let at = |start| bounds.at(start).map(|bound| bound.version);
    assert_eq!([10, 11, 21, 31].map(at), [None, Some(1), Some(3), Some(3)]);
}
