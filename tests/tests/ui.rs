//! Each mistake with the attribute is a compile error on the user's own tokens: `ui/<kind-of-mistake>/<case>.rs` and
//! the message beside it. `TRYBUILD=overwrite` writes the messages anew: read them before they are committed.

#[test]
fn mistakes_are_compile_errors() {
    let cases = trybuild::TestCases::new();
    for kind in [
        "batch",
        "companion",
        "derive",
        "foreign",
        "forgotten",
        "half",
        "item",
        "key",
        "load",
        "local",
        "mode",
        "no_cascade",
        "not_there_yet",
        "option",
        "parameters",
        "result",
        "several",
        "tags",
        "target",
        "ttl",
        "write",
    ] {
        cases.compile_fail(format!("tests/ui/{kind}/*.rs"));
    }
}
