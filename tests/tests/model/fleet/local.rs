//! Each rule of the local level, and what breaks without it.

use super::{BARE, ELSEWHERE, FAR_WRITE, HERE, Rule, SCENE, Scene, THROUGH, WRITE, World};
use crate::explorer::{self, is_deep};

#[track_caller]
pub(super) fn holds(scene: Scene) {
    explorer::holds::<World>(scene);
}

/// The scene holds with its rules, and breaks without any one of them.
#[track_caller]
pub(super) fn needs(scene: Scene, rules: &[Rule]) {
    holds(scene);
    for &rule in rules {
        explorer::breaks::<World>(Scene { without: Some(rule), ..scene }, rule);
    }
}

/// The values are in the server only.
const OUT: Scene = Scene { held: false, ..SCENE };
/// Reads in another process than the write.
const FAR: Scene = Scene { callers: &[ELSEWHERE, ELSEWHERE], ..SCENE };
const CHANNEL: Scene = Scene { channel: true, ..SCENE };

#[test]
fn what_was_told_while_it_was_read_does_not_go_in() {
    needs(OUT, &[Rule::Ticket, Rule::InsertInOneStep]);
    needs(Scene { held: false, channel: true, ..FAR }, &[Rule::Ticket, Rule::InsertInOneStep]);
}

#[test]
fn a_writer_reads_its_own_writes() {
    needs(SCENE, &[Rule::OwnDrop]);
    needs(CHANNEL, &[Rule::OwnDrop]);
    needs(OUT, &[Rule::DropAfterAcknowledgement, Rule::DropInOneStep]);
}

#[test]
fn what_failed_waits_before_its_value_goes() {
    let rules = [Rule::QueueFirst, Rule::TicketFirst, Rule::Recovery];
    needs(Scene { outages: 1, ..OUT }, &rules);
    needs(Scene { outages: 1, channel: true, ..OUT }, &rules);
}

#[test]
fn who_starts_over_looks_into_the_queue_again() {
    let scene = Scene { callers: &[BARE, HERE, HERE], outages: 1, warm: false, channel: true, ..OUT };
    explorer::breaks::<World>(Scene { without: Some(Rule::LookAgain), ..scene }, Rule::LookAgain);
    if is_deep() {
        holds(scene);
        holds(Scene { channel: false, ..scene });
    }
}

#[test]
fn a_value_goes_in_from_the_connection_that_is_told() {
    needs(Scene { held: false, ..FAR }, &[Rule::TrackedConnection]);
}

#[test]
fn what_was_filled_or_loaded_does_not_go_in() {
    needs(Scene { warm: false, held: false, ..FAR }, &[Rule::FillsStayOut]);
    needs(Scene { changes: &[FAR_WRITE], failed: true, ..OUT }, &[Rule::BypassesStayOut]);
}

#[test]
fn a_lost_connection_empties_the_level() {
    needs(Scene { cuts: 1, ..FAR }, &[Rule::OffWhenLost, Rule::FlushWhenOn]);
    needs(Scene { cuts: 1, channel: true, ..FAR }, &[Rule::OffWhenLost, Rule::FlushWhenOn]);
}

#[test]
fn a_silent_connection_is_noticed() {
    let rules = [Rule::Heartbeat, Rule::AgeFromSending];
    let scene = Scene { ticks: 1, ..FAR };
    needs(Scene { cuts: 1, callers: &[ELSEWHERE], ..scene }, &rules);
    needs(Scene { channel: true, callers: &[ELSEWHERE], ..scene }, &rules);
    holds(Scene { held: false, ..scene });
}

#[test]
fn a_writer_publishes_what_is_acknowledged() {
    needs(Scene { held: false, channel: true, ..FAR }, &[Rule::PublishAfterAcknowledgement]);
    needs(Scene { outages: 1, channel: true, ..FAR }, &[Rule::PublishAgain]);
}

#[test]
fn a_write_through_and_readers_without_a_local_level() {
    let scene = Scene { callers: &[HERE, BARE], changes: &[THROUGH], held: false, leases_end: true, ..SCENE };
    holds(scene);
    holds(Scene { callers: &[ELSEWHERE, ELSEWHERE], evictions: 1, ..scene });
    holds(Scene { changes: &[WRITE], evictions: 1, ..scene });
    holds(Scene { callers: &[BARE, BARE], warm: false, ..scene });
    if !is_deep() {
        return;
    }
    for channel in [false, true] {
        let scene = Scene { channel, held: false, evictions: 1, ..SCENE };
        holds(Scene { callers: &[HERE, HERE, ELSEWHERE], ..scene });
        holds(Scene { callers: &[HERE, HERE, HERE], ..scene });
        holds(Scene {
            callers: &[HERE, ELSEWHERE],
            changes: &[WRITE, THROUGH],
            cuts: 1,
            evictions: 0,
            ..scene
        });
        holds(Scene { changes: &[WRITE, THROUGH], outages: 1, evictions: 0, ..scene });
        holds(Scene { callers: &[ELSEWHERE, ELSEWHERE], cuts: 1, ticks: 2, ..scene });
    }
}
