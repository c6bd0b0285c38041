//! Each rule of patterns, and what breaks without it.

use super::{
    BARE, Caller, ELSEWHERE, HERE, PATTERN_WRITE, Rule, SCENE, Scene, THROUGH, WRITE,
    local::{holds, needs},
};
use crate::explorer::is_deep;

/// Of the other key.
const OTHER: Caller = Caller { key: 1, ..BARE };

const WARM: Scene = Scene { callers: &[BARE, BARE], changes: &[PATTERN_WRITE], held: false, ..SCENE };
const COLD: Scene = Scene { warm: false, ..WARM };
const LOCAL: Scene = Scene { callers: &[HERE, HERE], ..WARM };
const FAR: Scene = Scene { callers: &[ELSEWHERE, ELSEWHERE], ..WARM };

#[test]
fn loads_in_progress_match_a_pattern() {
    needs(COLD, &[Rule::ScanFindsLeases]);
    holds(Scene { callers: &[BARE, OTHER], evictions: 1, ..WARM });
    holds(Scene { changes: &[PATTERN_WRITE, THROUGH], callers: &[BARE], ..COLD });
}

#[test]
fn a_pattern_drops_all_that_match() {
    let held = Scene { evictions: 1, held: true, ..LOCAL };
    needs(held, &[Rule::DropAllThatMatch, Rule::OwnDrop]);
    needs(LOCAL, &[Rule::Ticket, Rule::DropInOneStep]);
    needs(FAR, &[Rule::TrackedConnection]);
}

#[test]
fn a_pattern_is_published_as_one() {
    let scene = Scene { channel: true, held: true, evictions: 1, ..FAR };
    needs(scene, &[Rule::PublishPatterns]);
    needs(Scene { held: false, evictions: 0, ..scene }, &[Rule::PublishAfterAcknowledgement]);
}

#[test]
fn a_pattern_that_could_not_be_dropped_waits() {
    let rules = [Rule::QueueFirst, Rule::TicketFirst, Rule::Recovery];
    needs(Scene { outages: 1, ..LOCAL }, &rules);
}

#[test]
fn patterns_at_once() {
    if !is_deep() {
        return;
    }
    for channel in [false, true] {
        let scene = Scene { channel, evictions: 1, ..LOCAL };
        holds(Scene { callers: &[HERE, ELSEWHERE], changes: &[PATTERN_WRITE, WRITE], ..scene });
        holds(Scene { cuts: 1, leases_end: true, ..scene });
    }
    holds(Scene { callers: &[BARE, BARE, OTHER], evictions: 1, leases_end: true, ..COLD });
    holds(Scene { changes: &[PATTERN_WRITE, THROUGH], evictions: 1, leases_end: true, ..COLD });
}
