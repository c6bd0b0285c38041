//! Different arguments have different keys, and none leaves its place.
#![no_main]

libfuzzer_sys::fuzz_target!(|texts: [&str; 4]| {
    let [one, two, three, four] = texts;
    cache_runtime::fuzz::key([one, two], [three, four]);
});
