//! Whatever `GET` returns is read or is a miss.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cache_runtime::fuzz::envelope(bytes));
