//! Each rule of one entry, and what breaks without it.

use super::{Rule, SCENE, Scene, Stale, World};
use crate::explorer::{self, is_deep};

#[track_caller]
fn holds(scene: Scene) {
    explorer::holds::<World>(scene);
}

/// The same scene holds with the rule, and breaks without it.
#[track_caller]
fn needs(rule: Rule, scene: Scene) {
    holds(scene);
    explorer::breaks::<World>(Scene { without: Some(rule), ..scene }, rule);
}

#[test]
fn a_fill_needs_its_lease() {
    needs(Rule::FillNeedsLease, SCENE);
}

#[test]
fn an_invalidation_ends_leases() {
    needs(Rule::InvalidateEndsLease, SCENE);
}

#[test]
fn a_load_starts_after_its_lease_was_granted() {
    needs(Rule::LoadAfterGrant, SCENE);
}

#[test]
fn an_acquire_is_sent_once() {
    needs(Rule::AcquireOnce, Scene { drops: 1, ..SCENE });
}

#[test]
fn a_follower_takes_evidence_only() {
    needs(Rule::Evidence, Scene { one_process: true, ..SCENE });
}

#[test]
fn followers_go_on_when_their_leader_is_dropped() {
    holds(Scene { one_process: true, drops: 1, ..SCENE });
}

#[test]
fn a_dropped_write_holds_its_key() {
    needs(Rule::Hold, Scene { drops: 1, evictions: false, ..SCENE });
}

#[test]
fn strict_writes_count_from_their_commit_on() {
    let scene =
        Scene { plain: 0, strict: 1, leases_end: false, evictions: false, from_commit: true, ..SCENE };
    needs(Rule::Begin, scene);
}

#[test]
fn of_writers_that_overlap_nobody_stores() {
    needs(Rule::SharedIsSticky, Scene { readers: 1, plain: 0, strict: 2, ..SCENE });
}

#[test]
fn an_invalidation_marks_fences() {
    needs(Rule::InvalidateMarksFences, Scene { readers: 1, plain: 1, strict: 1, ..SCENE });
}

#[test]
fn a_snapshot_brings_nothing_back() {
    needs(Rule::ServerStart, Scene { evictions: false, leases_end: false, snapshot: true, ..SCENE });
}

#[test]
fn a_refresh_is_of_the_value_that_was_seen() {
    let scene = Scene { stale: Stale::Revalidated, leases_end: false, evictions: false, readers: 3, ..SCENE };
    needs(Rule::Seen, Scene { plain: 0, ..scene });
}

#[test]
fn what_is_stale_is_never_older_than_a_write() {
    holds(Scene { stale: Stale::Revalidated, ..SCENE });
    holds(Scene { stale: Stale::IfError, errors: true, ..SCENE });
    holds(Scene { stale: Stale::Revalidated, one_process: true, evictions: false, ..SCENE });
    holds(Scene { stale: Stale::IfError, errors: true, one_process: true, evictions: false, ..SCENE });
    needs(Rule::InvalidateEndsLease, Scene { stale: Stale::Revalidated, evictions: false, ..SCENE });
    needs(
        Rule::ServerStart,
        Scene { stale: Stale::Revalidated, evictions: false, leases_end: false, snapshot: true, ..SCENE },
    );
}

#[test]
fn places_in_a_fence_have_tokens() {
    let scene = Scene { readers: 1, plain: 0, strict: 2, resends: 1, evictions: false, ..SCENE };
    needs(Rule::FencesHoldTokens, Scene { leases_end: false, from_commit: true, ..scene });
}

#[test]
fn a_hold_outlives_the_writers_beside_it() {
    let scene = Scene { plain: 1, strict: 1, drops: 1, evictions: false, ..SCENE };
    needs(Rule::HoldsStandAlone, scene);
    holds(Scene { readers: 1, plain: 2, drops: 2, evictions: false, ..SCENE });
}

#[test]
fn a_strict_write_fences_its_target() {
    let scene = Scene { plain: 0, strict: 1, targets: true, from_commit: true, ..SCENE };
    let scene = Scene { leases_end: false, evictions: false, ..scene };
    needs(Rule::Begin, scene);
    holds(Scene { one_process: true, ..scene });
}

#[test]
fn readers_under_a_fence_share_evidence_only() {
    let scene = Scene { readers: 3, plain: 0, strict: 1, one_process: true, evictions: false, ..SCENE };
    needs(Rule::Evidence, Scene { leases_end: false, from_commit: true, ..scene });
}

#[test]
fn an_invalidation_is_repeated_until_it_is_acknowledged() {
    let scene = Scene { one_process: true, outages: 1, ..SCENE };
    needs(Rule::Recovery, scene);
    holds(Scene { plain: 2, evictions: false, ..scene });
}

#[test]
fn followers_go_on_when_a_load_fails() {
    holds(Scene { one_process: true, errors: true, ..SCENE });
}

#[test]
fn everybody_at_once() {
    holds(Scene { readers: 3, one_process: true, ..SCENE });
    holds(Scene { readers: 2, plain: 1, strict: 1, drops: 1, evictions: false, ..SCENE });
    holds(Scene { readers: 2, plain: 0, strict: 2, ..SCENE });
    holds(Scene { readers: 2, plain: 2, drops: 1, evictions: false, ..SCENE });
    if !is_deep() {
        return;
    }
    let stale = [Stale::Loaded, Stale::Revalidated, Stale::IfError];
    for stale in stale {
        holds(Scene { readers: 3, one_process: true, drops: 1, errors: true, stale, ..SCENE });
        holds(Scene { readers: 2, plain: 1, strict: 1, stale, errors: true, evictions: false, ..SCENE });
    }
    holds(Scene { readers: 3, plain: 1, strict: 1, one_process: true, ..SCENE });
    holds(Scene { readers: 2, plain: 1, strict: 1, drops: 1, snapshot: true, ..SCENE });
    holds(Scene { readers: 1, plain: 0, strict: 3, resends: 1, ..SCENE });
}
