//! Each rule of batches, and what breaks without it.

use super::{Caller, Rule, SCENE, Scene, World};
use crate::explorer::{self, is_deep};

#[track_caller]
fn holds(scene: Scene) {
    explorer::holds::<World>(scene);
}

/// The scene holds with its rules, and breaks without any one of them.
#[track_caller]
fn needs(scene: Scene, rules: &[Rule]) {
    holds(scene);
    for &rule in rules {
        explorer::breaks::<World>(Scene { without: Some(rule), ..scene }, rule);
    }
}

/// In one process: they share flights.
const SHARED: Scene = Scene { callers: &[Caller(0, &[0, 1]), Caller(0, &[1, 0])], ..SCENE };

#[test]
fn a_body_starts_after_its_leases_were_granted() {
    let scene = Scene { callers: &[Caller(0, &[0, 1]), Caller(1, &[0])], leases_end: true, ..SCENE };
    needs(scene, &[Rule::LoadAfterGrants, Rule::FillNeedsLease]);
}

#[test]
fn batches_in_opposite_order_do_not_stall() {
    needs(SCENE, &[Rule::FillBeforeWaiting]);
    needs(SHARED, &[Rule::FillBeforeWaiting]);
}

#[test]
fn a_call_keeps_nobody_waiting_while_it_waits() {
    let scene = Scene { plain: &[], leased: true, leases_end: true, ..SHARED };
    needs(scene, &[Rule::WaitSideBySide, Rule::LeaveFlights]);
    if is_deep() {
        let callers = &[Caller(0, &[0, 1]), Caller(0, &[1, 0]), Caller(1, &[0, 1])];
        holds(Scene { callers, leased: false, ..scene });
    }
}

#[test]
fn batches_and_single_calls_share_evidence_only() {
    needs(SHARED, &[Rule::Evidence]);
    needs(Scene { callers: &[Caller(0, &[0, 1]), Caller(0, &[0])], ..SCENE }, &[Rule::Evidence]);
}

#[test]
fn batches_beside_writers() {
    let callers = &[Caller(0, &[0, 1]), Caller(1, &[0])];
    holds(Scene { callers, strict: &[0], plain: &[], leases_end: true, evictions: true, ..SCENE });
    if !is_deep() {
        return;
    }
    for scene in [SCENE, SHARED] {
        holds(Scene { plain: &[0, 1], leases_end: true, evictions: true, ..scene });
        holds(Scene { plain: &[0], strict: &[1], leases_end: true, ..scene });
    }
    let callers = &[Caller(0, &[0, 1]), Caller(0, &[1, 0]), Caller(1, &[0, 1])];
    holds(Scene { callers, ..SCENE });
    holds(Scene { callers: &[Caller(0, &[0, 1]), Caller(0, &[0]), Caller(1, &[1])], ..SCENE });
}
