//! The transition table of the protocol, row by row.

use super::*;

const A: Token = Token([1; 16]);
const B: Token = Token([2; 16]);
const ID: Token = Token([9; 16]);
const NOW: Millis = 1_000;
const LIFETIME: Lifetime = Lifetime { fresh: 50, total: 80 };

type State = Entry<&'static str>;

fn lease(token: Token) -> State {
    Entry::Lease { created: 900, lease: Lease { token, until: 2_000 } }
}

fn value() -> Value<&'static str> {
    Value { id: ID, created: 900, fresh_until: 1_500, until: 3_000, body: "old" }
}

fn plain() -> State {
    Entry::Value { value: value(), lease: None }
}

fn leased(token: Token) -> State {
    Entry::Value { value: value(), lease: Some(Lease { token, until: 2_000 }) }
}

fn fence(tokens: &[Token], shared: bool) -> State {
    let writers = tokens.iter().map(|&token| Lease { token, until: 2_000 }).collect();
    Entry::Fence { created: 900, writers, shared }
}

fn new_value(token: Token) -> State {
    let value = Value { id: token, created: NOW, fresh_until: NOW + 50, until: NOW + 80, body: "new" };
    Entry::Value { value, lease: None }
}

fn granted(token: Token) -> State {
    Entry::Lease { created: NOW, lease: Lease { token, until: NOW + 300 } }
}

#[test]
fn acquire() {
    let check = |before: State, seen: Seen, after: State, answer: Acquired<&'static str>| {
        assert_eq!(before.clone().acquire(NOW, A, seen, 300), (after, answer), "{before:?} {seen:?}");
    };
    let held = Lease { token: B, until: 2_000 };
    let beside = || Entry::Value { value: value(), lease: Some(Lease { token: A, until: NOW + 300 }) };
    check(Entry::Missing, Seen::Nothing, granted(A), Acquired::Granted);
    check(lease(A), Seen::Nothing, lease(A), Acquired::Granted);
    check(lease(B), Seen::Nothing, lease(B), Acquired::Busy(held));
    check(plain(), Seen::Nothing, plain(), Acquired::Found(value()));
    check(plain(), Seen::Drop(B), plain(), Acquired::Found(value()));
    check(plain(), Seen::Drop(ID), granted(A), Acquired::Granted);
    check(plain(), Seen::Keep(ID), beside(), Acquired::Granted);
    check(leased(A), Seen::Nothing, leased(A), Acquired::Granted);
    check(leased(B), Seen::Drop(ID), leased(B), Acquired::Busy(held));
    check(leased(B), Seen::Nothing, leased(B), Acquired::Found(value()));
    check(fence(&[B], false), Seen::Nothing, fence(&[B], false), Acquired::Fenced);
    // Soft: past its freshness, not yet absent.
    let soft = |mut state: State| {
        if let Entry::Value { value, .. } = &mut state {
            value.fresh_until = NOW;
        }
        state
    };
    assert_eq!(soft(plain()).acquire(NOW, A, Seen::Nothing, 300).1, Acquired::Granted);
    assert_eq!(soft(leased(B)).acquire(NOW, A, Seen::Nothing, 300).1, Acquired::Busy(held));
}

#[test]
fn fill() {
    let check = |before: State, after: State, answer: Stored| {
        assert_eq!(before.clone().fill(NOW, A, LIFETIME, "new"), (after, answer), "{before:?}");
    };
    check(Entry::Missing, Entry::Missing, Stored::Lost);
    check(lease(A), new_value(A), Stored::Yes);
    check(lease(B), lease(B), Stored::Lost);
    check(plain(), plain(), Stored::Lost);
    check(leased(A), new_value(A), Stored::Yes);
    check(leased(B), leased(B), Stored::Lost);
    check(fence(&[A], false), fence(&[A], false), Stored::Lost);
}

#[test]
fn release() {
    let check = |before: State, after: State| assert_eq!(before.clone().release(A), after, "{before:?}");
    check(Entry::Missing, Entry::Missing);
    check(lease(A), Entry::Missing);
    check(lease(B), lease(B));
    check(plain(), plain());
    check(leased(A), plain());
    check(leased(B), leased(B));
    check(fence(&[A], false), fence(&[A], false));
}

#[test]
fn renew() {
    let check = |before: State, renewed: bool| {
        let (after, answer) = before.clone().renew(NOW, A, 5_000);
        assert_eq!(answer, renewed, "{before:?}");
        assert_eq!(after != before, renewed, "{before:?}");
    };
    check(Entry::Missing, false);
    check(lease(A), true);
    check(lease(B), false);
    check(plain(), false);
    check(leased(A), true);
    check(leased(B), false);
    check(fence(&[B, A], false), true);
    check(fence(&[B], false), false);
}

#[test]
fn invalidate() {
    let check = |before: State, after: State| assert_eq!(before.clone().invalidate(), after, "{before:?}");
    check(Entry::Missing, Entry::Missing);
    check(lease(A), Entry::Missing);
    check(plain(), Entry::Missing);
    check(leased(A), Entry::Missing);
    check(fence(&[A], false), fence(&[A], true));
}

#[test]
fn begin_and_hold() {
    let announced = |token, shared| Entry::Fence {
        created: NOW,
        writers: vec![Lease { token, until: NOW + 300 }],
        shared,
    };
    for before in [Entry::Missing, lease(B), plain(), leased(B)] {
        assert_eq!(before.clone().begin(NOW, A, 300), announced(A, false), "{before:?}");
        assert_eq!(before.clone().hold(NOW, A, 300), announced(Token::HOLD, true), "{before:?}");
    }
    let two =
        |state: State| matches!(state, Entry::Fence { writers, shared: true, .. } if writers.len() == 2);
    assert!(two(fence(&[B], false).begin(NOW, A, 300)));
    assert!(two(fence(&[B], false).hold(NOW, A, 300)));
}

#[test]
fn all_holds_of_a_fence_are_one_deadline_the_latest() {
    let held = |writers: &[Token], until| {
        let writers = writers.iter().map(|token| Lease { token: *token, until: 2_000 });
        let writers = writers.chain([Lease { token: Token::HOLD, until }]).collect();
        Entry::Fence { created: 900, writers, shared: true }
    };
    let first = fence(&[A, B], false).hold(NOW, A, 300);
    assert_eq!(first, held(&[B], NOW + 300), "the writer that ends with it leaves");
    assert_eq!(first.clone().hold(NOW + 1, B, 100), held(&[], NOW + 300), "a shorter one shortens nothing");
    assert_eq!(first.clone().hold(NOW + 1, ID, 900), held(&[B], NOW + 901));
    assert_eq!(first.end(NOW, B, Some((LIFETIME, "new"))), (held(&[], NOW + 300), Stored::Lost));
}

#[test]
fn end() {
    let check = |before: State, stored: Option<&'static str>, after: State, answer: Stored| {
        let stored = stored.map(|body| (LIFETIME, body));
        assert_eq!(before.clone().end(NOW, A, stored), (after, answer), "{before:?} {stored:?}");
    };
    for before in [Entry::Missing, lease(A), plain(), leased(A)] {
        check(before, Some("new"), Entry::Missing, Stored::Lost);
    }
    check(fence(&[B], false), Some("new"), fence(&[B], true), Stored::Lost);
    check(fence(&[A], false), Some("new"), new_value(A), Stored::Yes);
    check(fence(&[A], false), None, Entry::Missing, Stored::Lost);
    check(fence(&[A], true), Some("new"), Entry::Missing, Stored::Lost);
    check(fence(&[A, B], true), Some("new"), fence(&[B], true), Stored::Lost);
}

#[test]
fn what_is_past_its_deadline_is_absent() {
    let check = |before: State, now: Millis, after: State| {
        assert_eq!(before.clone().settle(now, 0), after, "{before:?} at {now}");
    };
    check(lease(A), 1_999, lease(A));
    check(lease(A), 2_000, Entry::Missing);
    check(plain(), 2_999, plain());
    check(plain(), 3_000, Entry::Missing);
    check(leased(A), 2_000, plain());
    check(leased(A), 3_000, Entry::Missing);
    check(fence(&[A, B], false), 2_000, Entry::Missing);
    let mut outlived = leased(A);
    if let Entry::Value { value, .. } = &mut outlived {
        value.until = 1_500;
    }
    check(outlived, 1_500, lease(A));
}

#[test]
fn what_was_written_before_the_server_started_is_void() {
    for before in [lease(A), plain(), leased(A)] {
        assert_eq!(before.clone().settle(NOW, 900), before);
        assert_eq!(before.settle(NOW, 901), Entry::Missing);
    }
    assert_eq!(fence(&[A], false).settle(NOW, 901), fence(&[A], true));
}
