//! The real binary, driven over HTTP: every case on the in-process cache and on a real `redis-server`.

mod cache;
mod film;
mod input;
mod kit;
mod process;
mod rating;
mod user;

/// Makes each function of the list a test on both stores. One that is not listed is dead code, and the compiler says so.
macro_rules! on_both_stores {
    ($($case:ident),+ $(,)?) => {
        mod in_process {
            $(#[test] fn $case() { super::$case(&mut $crate::kit::Service::start($crate::kit::Store::InProcess)); })+
        }
        mod redis {
            $(#[test] fn $case() { super::$case(&mut $crate::kit::Service::start($crate::kit::Store::Redis)); })+
        }
    };
}
use on_both_stores;
