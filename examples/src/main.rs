//! The example service: to come.

fn main() {}
