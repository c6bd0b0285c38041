//! Each rule of tags, with and without a local level, and what breaks without it.

use super::{
    BARE, BARE_ELSEWHERE, ELSEWHERE, FAR_TAG_WRITE, HERE, LATE_TAG_WRITE, Rule, SCENE, Scene, TAG_WRITE,
    THROUGH, WRITE,
    local::{holds, needs},
};
use crate::explorer::is_deep;

/// Readers without a local level, in one process.
const WARM: Scene =
    Scene { callers: &[BARE, BARE], changes: &[TAG_WRITE], tagged: true, held: false, ..SCENE };
const COLD: Scene = Scene { warm: false, ..WARM };
/// Readers in two processes.
const APART: &[super::Caller] = &[BARE, BARE_ELSEWHERE];
/// Readers with a local level.
const LOCAL: Scene = Scene { callers: &[HERE, HERE], ..WARM };
const FAR: Scene = Scene { callers: &[ELSEWHERE, ELSEWHERE], ..WARM };

#[test]
fn a_value_needs_its_tag() {
    needs(WARM, &[Rule::MissingIsUnusable]);
    holds(Scene { evictions: 1, ..WARM });
}

#[test]
fn a_load_starts_after_the_versions_are_known() {
    needs(COLD, &[Rule::LoadAfterVersions]);
}

#[test]
fn a_value_that_was_found_is_judged() {
    needs(Scene { callers: APART, ..COLD }, &[Rule::JudgeFound]);
}

#[test]
fn a_stored_value_is_no_evidence_about_its_tags() {
    needs(COLD, &[Rule::TagsAreNoEvidence]);
}

#[test]
fn versions_never_come_back() {
    needs(Scene { callers: APART, ..WARM }, &[Rule::VersionsAreNew]);
    needs(Scene { extends: true, ..COLD }, &[Rule::VersionsAreNew]);
    holds(Scene { extends: true, evictions: 1, ..COLD });
}

#[test]
fn a_write_through_knows_the_versions_before_its_body_runs() {
    let changes = &[THROUGH, TAG_WRITE];
    needs(Scene { callers: &[BARE], changes, ..COLD }, &[Rule::VersionsBeforeBody]);
}

#[test]
fn a_late_write_binds_readers_of_its_tag_from_the_end_of_its_hold_on() {
    let scene = Scene { changes: &[LATE_TAG_WRITE], ..WARM };
    needs(scene, &[Rule::RepeatAfterHold]);
    needs(Scene { callers: &[HERE, HERE], ..scene }, &[Rule::RepeatAfterHold]);
    holds(Scene { callers: APART, evictions: 1, ..scene });
}

#[test]
fn tags_on_another_server_are_read_beside_their_entry() {
    holds(Scene { cluster: true, callers: APART, ..COLD });
    holds(Scene { cluster: true, evictions: 1, ..WARM });
    holds(Scene { cluster: true, ..LOCAL });
}

#[test]
fn a_snapshot_brings_no_tag_back() {
    let scene = Scene { snapshot: true, callers: APART, ..WARM };
    needs(Scene { warm: false, ..scene }, &[Rule::TagStart]);
    needs(Scene { callers: &[BARE], cluster: true, ..scene }, &[Rule::TagStart]);
    if is_deep() {
        holds(scene);
        holds(Scene { warm: false, cluster: true, ..scene });
        holds(Scene { callers: &[HERE, HERE], ..scene });
        holds(Scene { callers: &[HERE, HERE], cluster: true, ..scene });
        holds(Scene { callers: &[BARE], changes: &[THROUGH, TAG_WRITE], cluster: true, ..scene });
    }
}

#[test]
fn a_local_value_carries_the_generations_of_its_ticket() {
    needs(LOCAL, &[Rule::TagsFromTicket, Rule::Ticket, Rule::DropAfterAcknowledgement]);
    needs(FAR, &[Rule::TagsFromTicket, Rule::TrackedConnection]);
    needs(Scene { held: true, ..LOCAL }, &[Rule::OwnDrop]);
    needs(Scene { channel: true, ..FAR }, &[Rule::TagsFromTicket, Rule::PublishAfterAcknowledgement]);
    holds(Scene { evictions: 1, channel: true, ..LOCAL });
}

#[test]
fn a_tag_that_could_not_be_dropped_waits() {
    let rules = [Rule::QueueFirst, Rule::TicketFirst, Rule::Recovery];
    needs(Scene { outages: 1, ..LOCAL }, &rules);
    needs(Scene { outages: 1, channel: true, ..LOCAL }, &rules);
}

#[test]
fn tags_at_once() {
    if !is_deep() {
        return;
    }
    holds(Scene { changes: &[TAG_WRITE, WRITE], channel: true, ..FAR });
    holds(Scene { changes: &[TAG_WRITE, WRITE], evictions: 1, ..LOCAL });
    for channel in [false, true] {
        let scene = Scene { channel, evictions: 1, ..LOCAL };
        holds(Scene { callers: &[HERE, HERE, ELSEWHERE], evictions: 0, ..scene });
        holds(Scene { callers: &[HERE, ELSEWHERE], changes: &[TAG_WRITE, THROUGH], evictions: 0, ..scene });
        holds(Scene { callers: &[HERE, ELSEWHERE], cuts: 1, outages: 1, evictions: 0, ..scene });
        holds(Scene { cluster: true, extends: true, leases_end: true, ..scene });
    }
    let scene = Scene { leases_end: true, extends: true, evictions: 1, ..COLD };
    holds(Scene { callers: &[BARE, BARE, BARE_ELSEWHERE], leases_end: false, evictions: 0, ..scene });
    holds(Scene { changes: &[TAG_WRITE, FAR_TAG_WRITE], ..scene });
    holds(Scene { cluster: true, changes: &[TAG_WRITE, THROUGH], ..scene });
    holds(Scene { snapshot: true, callers: APART, ..scene });
}
