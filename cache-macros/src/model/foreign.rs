//! Placeholders as other languages write them are plain text to us, under which all calls would share one entry.

use super::{
    batch::Element,
    function,
    kinds::{self, Kind},
    placeholder::{Scope, meant},
};
use crate::{
    diag::Diagnostics,
    parse::{
        foreign::{Foreign, scan},
        function::Function,
        options::Options,
        template::Template,
    },
    suggest,
};

/// Takes `key` and `tags` with such placeholders out of the options: nothing follows from them.
pub(crate) fn reject(options: &mut Options, function: &Function, diagnostics: &mut Diagnostics) {
    let arguments = function::arguments(&function.signature, None);
    let element = options.each.as_ref().map(|each| each.value.element.clone());
    let element = element.as_ref().map(|element| Element(Some(element)));
    let scope = Scope { function, arguments: &arguments, element };
    let writes = options.given("invalidates") || options.value.is_some() || options.mode.is_some();
    let skipped = |name: &str| options.skipped().iter().any(|skipped| skipped == name);
    let missing = |name: &str| !writes && !skipped(name);
    let in_key = Place { option: "key = ", missing: &missing };
    if options.key.as_ref().is_some_and(|key| check(&key.value, in_key, scope, diagnostics)) {
        options.key = None;
        options.broken.push("key");
    }
    if let Some(tags) = &mut options.tags {
        tags.value.retain(|tag| !check(tag, Place::ELSEWHERE, scope, diagnostics));
    }
}

/// Where a template stands.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    /// The text in front of it.
    option: &'static str,
    /// Whether an argument that it does not name is a mistake anyway.
    missing: &'a dyn Fn(&str) -> bool,
}

impl Place<'_> {
    pub(super) const ELSEWHERE: Self = Place { option: "", missing: &|_| false };

    /// Whether `:name` means an argument. `app:user:<id>` is text, also in a function that takes a `user`.
    fn is_meant(self, name: &str, is_sigil: bool, template: &Template, scope: Scope<'_>) -> bool {
        let argument = scope.arguments.iter().find(|argument| argument.names.iter().any(|own| *own == name));
        let is_argument = argument.is_some() || scope.element.is_some_and(|element| element.is(name));
        let is_named = template.placeholders().any(|placeholder| placeholder.root == name);
        let is_value = argument.is_none_or(|argument| kinds::is_scalar(&argument.ty));
        let alone = is_value && template.placeholders().next().is_none();
        is_argument && !is_named && (is_sigil || (self.missing)(name) || alone)
    }
}

/// Records such placeholders; says whether there are some.
pub(super) fn check(
    template: &Template,
    place: Place<'_>,
    scope: Scope<'_>,
    diagnostics: &mut Diagnostics,
) -> bool {
    let characters: Vec<char> = template.literal.value().chars().collect();
    let found =
        scan(&characters, template, &|name, is_sigil| place.is_meant(name, is_sigil, template, scope));
    let option = place.option;
    let Some(first) = found.first() else { return false };
    let (mended, names) = mend(&characters, &found, template, scope);
    let text: String = characters[first.at.clone()].iter().collect();
    let caret = template.caret(&first.at);
    let (wrong, help) = match names.first() {
        Some(Some(name)) => (
            format!("`{text}` is plain text; placeholders are written `<{name}>`{caret}"),
            format!("write `{option}\"{mended}\"`"),
        ),
        Some(None) | None => (
            format!("`{text}` is plain text, and the function has no argument that it could mean{caret}"),
            format!("write `{option}\"{mended}\"`"),
        ),
    };
    let rename = match text.starts_with(':') {
        true => format!(", or rename the argument if `{}` is meant as text", &text[1..]),
        false => String::new(),
    };
    diagnostics.error(template.span(), wrong, format!("{help}{rename}"));
    true
}

/// The template as it was meant, and what was put in for each.
fn mend(
    characters: &[char],
    found: &[Foreign],
    template: &Template,
    scope: Scope<'_>,
) -> (String, Vec<Option<String>>) {
    let root = |path: &str| path.split('.').next().unwrap_or_default().to_owned();
    let mut used: Vec<String> = template.placeholders().map(|placeholder| placeholder.root.clone()).collect();
    used.extend(found.iter().filter_map(|foreign| foreign.name.as_deref().map(root)));
    let mut free = free_names(scope, &used).into_iter();
    let (mut text, mut names, mut last) = (String::new(), Vec::new(), 0);
    for foreign in found {
        text.extend(&characters[last..foreign.at.start]);
        last = foreign.at.end;
        let known = foreign.name.as_deref().and_then(|path| known(path, scope));
        let name = known.or_else(|| free.next());
        // A colon in front separates, unless something else does.
        if characters[foreign.at.start] == ':' && !text.is_empty() && !text.ends_with([':', '/']) {
            text.push(':');
        }
        match &name {
            Some(name) => text.push_str(&format!("<{name}>")),
            None => text.push_str(foreign.name.as_deref().unwrap_or_default()),
        }
        names.push(name);
    }
    text.extend(&characters[last..]);
    (text, names)
}

/// The path with a root that exists.
fn known(path: &str, scope: Scope<'_>) -> Option<String> {
    let (root, rest) = path.split_at(path.find('.').unwrap_or(path.len()));
    let all = || scope.arguments.iter().flat_map(|argument| &argument.names);
    let is_known = ["self", "return"].contains(&root)
        || scope.element.is_some_and(|element| element.is(root))
        || scope.parameter(root).is_some()
        || all().any(|name| name == root);
    if is_known {
        return Some(path.to_owned());
    }
    meant(root, scope.arguments)?;
    let names: Vec<String> = all().map(ToString::to_string).collect();
    suggest::nearest(root, names.iter().map(String::as_str)).map(|name| format!("{name}{rest}"))
}

/// What a placeholder without a name can mean, in the order of the arguments.
fn free_names(scope: Scope<'_>, used: &[String]) -> Vec<String> {
    let element = scope.element.and_then(|element| element.0).map(ToString::to_string);
    let arguments = scope.arguments.iter().filter(|argument| !matches!(kinds::of(&argument.ty), Kind::Pool));
    let names = arguments.flat_map(|argument| &argument.names).map(ToString::to_string);
    element.into_iter().chain(names).filter(|name| !used.contains(name)).collect()
}

#[cfg(test)]
mod tests {
    use proc_macro2::Span;
    use syn::LitStr;

    use super::*;

    fn mended(text: &str, function: &Function) -> Option<String> {
        let arguments = function::arguments(&function.signature, None);
        let mut diagnostics = Diagnostics::default();
        let literal = LitStr::new(text, Span::call_site());
        let template = Template::parse(&literal, "invalidates", &mut diagnostics).expect("a template");
        let scope = Scope { function, arguments: &arguments, element: None };
        check(&template, Place::ELSEWHERE, scope, &mut diagnostics).then(|| {
            let text = diagnostics.into_tokens().to_string();
            let (_, help) = text.split_once("write `\\\"").expect("a help");
            help.split("\\\"`").next().unwrap_or_default().to_owned()
        })
    }

    #[test]
    fn placeholders_of_other_languages_are_mended() {
        let function: Function = syn::parse_quote!(
            async fn find(pool: &PgPool, id: u64, user: User, slug: &str) {}
        );
        for (foreign, expected) in [
            ("user:{id}", "user:<id>"),
            ("user:{id:?}:x", "user:<id>:x"),
            ("user:{{id}}", "user:<id>"),
            ("user:{user.id}", "user:<user.id>"),
            ("user:{}", "user:<id>"),
            ("user:{0}:{1}", "user:<id>:<user>"),
            ("user:<id>:{}", "user:<id>:<user>"),
            ("user:${id}", "user:<id>"),
            ("user:#{id}", "user:<id>"),
            ("user:%{id}", "user:<id>"),
            ("user:$id", "user:<id>"),
            ("user:$1", "user:<id>"),
            ("users/:id/films", "users/<id>/films"),
            ("user::id", "user:<id>"),
            ("user:id", "user:<id>"),
            ("user:id:*", "user:<id>:*"),
            ("user:%s", "user:<id>"),
            ("user:%s:%d", "user:<id>:<user>"),
            ("user:%1$s", "user:<id>"),
            ("user:%(id)s", "user:<id>"),
            ("user:{slgu}", "user:<slug>"),
        ] {
            assert_eq!(mended(foreign, &function).as_deref(), Some(expected), "{foreign}");
        }
        for own in [
            "user:<id>",
            "{user:<id>}",
            "{<id>}:films",
            "user:<id>:id",
            "app:user:<id>",
            "app:user",
            "user:ids",
            "user:id-1",
            "price:$",
            "a#b",
            "user:a%3Ab",
            "user:%n",
            "user:100%",
            "users:leaderboard",
        ] {
            assert_eq!(mended(own, &function), None, "{own}");
        }
    }

    #[test]
    fn text_in_braces_stays_text_where_there_is_no_argument() {
        let function: Function = syn::parse_quote!(
            async fn top() {}
        );
        assert_eq!(mended("{users}:top", &function).as_deref(), Some("users:top"));
    }
}
