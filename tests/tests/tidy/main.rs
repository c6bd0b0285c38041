//! The shape of the source. Each test is one check, and its name says in words what holds.
//!
//! `imports` is about who imports whom, `protocol` about the rules in `docs/PROTOCOL.md`, `tree` about files and maps of
//! files, `public_items` about what a changelog must name.

mod files;
mod imports;
mod protocol;
mod public_items;
mod tree;
