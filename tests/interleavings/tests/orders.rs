//! Thousands of orders of events, by a seed; a failing one is printed, to be replayed with `shuttle::replay`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use cache_interleavings::{Defect, Fate, flight, recovery};

const ORDERS: usize = 1_000;

fn check(scene: impl Fn() + Send + Sync + Copy + 'static) {
    shuttle::check_random(scene, ORDERS);
    // Few changes of who goes on, at unlikely places.
    shuttle::check_pct(scene, ORDERS, 3);
}

/// All in one: a planted defect belongs to the process.
#[test]
fn the_promises_hold_in_every_order_and_no_defect_goes_unnoticed() {
    for fate in [Fate::Lands, Fate::Fails, Fate::Dropped, Fate::Panics, Fate::Closed] {
        check(move || flight(3, fate));
    }
    check(|| recovery(2, false));
    check(|| recovery(2, true));
    notices(Defect::RegistersLate, || flight(3, Fate::Lands), "deadlock");
    notices(Defect::SendsForLate, || flight(3, Fate::Lands), "older than the call");
    notices(Defect::ForgetsFailures, || recovery(2, false), "is forgotten");
}

fn notices(defect: Defect, scene: impl Fn() + Send + Sync + Copy + 'static, says: &str) {
    defect.plant();
    let failure = catch_unwind(AssertUnwindSafe(|| check(scene))).expect_err("a broken promise");
    Defect::None.plant();
    let text = failure.downcast_ref::<String>().cloned();
    let text = text.or_else(|| failure.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    assert!(text.as_ref().is_some_and(|text| text.contains(says)), "{defect:?}: {text:?}");
}
