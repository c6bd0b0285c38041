//! The options of `#[cached]`, as one table: name, type, an example, what reads the value.

use std::time::Duration;

use proc_macro2::Span;
use syn::{Expr, Ident, Path, spanned::Spanned as _};

use super::{Spanned, target::Target, template::Template, values};
use crate::diag::Diagnostics;

/// `each = "id in ids"`
pub(crate) struct Each {
    pub(crate) element: Ident,
    pub(crate) list: Ident,
}

macro_rules! options {
    ($($(#[$doc:meta])* $field:ident $name:literal: $type:ty, $example:literal, $read:path;)*) => {
        /// What was written, each option at most once.
        #[derive(Default)]
        pub(crate) struct Options {
            $($(#[$doc])* pub(crate) $field: Option<Spanned<$type>>,)*
            /// Options whose value was wrong: they count as given.
            pub(crate) broken: Vec<&'static str>,
            /// Whether something was not an option at all, so that it is unknown which ones are missing.
            pub(super) unclear: bool,
        }

        /// The names of the options.
        pub(super) const KNOWN: &[&str] = &[$($name),*];

        /// What a value of an option looks like.
        pub(super) fn example(option: &str) -> &'static str {
            match option {
                $($name => $example,)*
                _ => "..",
            }
        }

        impl Options {
            /// `None` where the value is wrong; then a mistake was recorded.
            pub(super) fn set(&mut self, name: &str, value: &Expr, diagnostics: &mut Diagnostics) -> Option<()> {
                match name {
                    $($name => {
                        let read: $type = $read(value, $name, diagnostics)?;
                        self.$field = Some(Spanned::new(read, value.span()));
                    })*
                    _ => return None,
                }
                Some(())
            }

            /// Where an option was given with a right value.
            pub(crate) fn span(&self, name: &str) -> Option<Span> {
                match name {
                    $($name => self.$field.as_ref().map(|option| option.span),)*
                    _ => None,
                }
            }
        }
    };
}

options! {
    key "key": Template, "\"user:<id>\"", values::template;
    ttl "ttl": Expr, "\"5m\"", values::expression;
    skip "skip": Vec<Ident>, "[pool]", values::idents;
    mode "mode": String, "\"write-through\"", values::text;
    value "value": String, "\"user\"", values::text;
    invalidates "invalidates": Vec<Target>, "[\"users:leaderboard\"]", values::targets;
    negative_ttl "negative_ttl": Expr, "\"30s\"", values::expression;
    jitter "jitter": f64, "0.1", values::jitter;
    cache_if "cache_if": Expr, "|user| ..", values::verdict;
    /// Of a write: which errors say that it has changed nothing.
    unchanged_if "unchanged_if": Expr, "|error| ..", values::verdict;
    bypass_if "bypass_if": Expr, "..", values::expression;
    version "version": u32, "2", values::version;
    cache "cache": Expr, "..", values::expression;
    companion "companion": Option<Ident>, "false", values::companion;
    runtime "crate": Path, "::my_crate::cache_runtime", values::path;
    stale_while_revalidate "stale_while_revalidate": Duration, "\"30s\"", values::duration;
    stale_if_error "stale_if_error": Duration, "\"10m\"", values::duration;
    /// 0 for none.
    early_refresh "early_refresh": f64, "1.0", values::early_refresh;
    load_timeout "load_timeout": Duration, "\"5s\"", values::duration;
    detach "detach": bool, "true", values::flag;
    settle "settle": Duration, "\"500ms\"", values::duration;
    strict "strict": bool, "true", values::flag;
    tags "tags": Vec<Template>, "[\"org:<org>\"]", values::tags;
    /// `None` for no local level.
    local "local": Option<Duration>, "\"5s\"", values::local;
    batch "batch": bool, "true", values::flag;
    each "each": Each, "\"id in ids\"", values::each;
}

impl Options {
    /// Whether an option was given, right or wrong.
    pub(crate) fn given(&self, name: &str) -> bool {
        self.unclear || self.broken.contains(&name) || self.span(name).is_some()
    }

    /// The names in `skip`.
    pub(crate) fn skipped(&self) -> &[Ident] {
        self.skip.as_ref().map_or(&[], |skip| &skip.value)
    }

    /// Records a mistake for each of these that was given.
    pub(crate) fn forbid(
        &self,
        names: &[&str],
        diagnostics: &mut Diagnostics,
        wrong: impl Fn(&str) -> (String, String),
    ) {
        for name in names {
            if let Some(span) = self.span(name) {
                let (wrong, help) = wrong(name);
                diagnostics.error(span, wrong, help);
            }
        }
    }
}
