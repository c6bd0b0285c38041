//! A URL is parsed, or the error says what to write.
#![no_main]

libfuzzer_sys::fuzz_target!(|url: &str| cache_runtime::fuzz::url(url));
