//! An async function that awaits itself has an infinite future, unless the call is in a box.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::quote;
use syn::Ident;

use crate::{
    diag::Diagnostics,
    parse::{function::Function, surroundings::Surroundings},
};

/// Replaces the body of a function that does: what the compiler says of it is no better.
pub(crate) fn reject(function: &mut Function, diagnostics: &mut Diagnostics) {
    if check(function, diagnostics) {
        function.body = Some(quote!({ ::core::unreachable!() }));
        function.attributes.push(syn::parse_quote!(#[allow(unused_variables)]));
    }
}

fn check(function: &Function, diagnostics: &mut Diagnostics) -> bool {
    let name = &function.signature.ident;
    let is_method = function.signature.receiver().is_some();
    // In the impl of a trait, `self.find()` may be the inherent method of that name.
    if is_method && !matches!(function.surroundings, Surroundings::Impl { of_trait: false, .. }) {
        return false;
    }
    let Some(call) = function.body.clone().and_then(|body| bare_call(body, name, is_method)) else {
        return false;
    };
    let own = if is_method { "self." } else { "" };
    diagnostics.error(
        call.span(),
        format!("`{name}` awaits itself, and a future cannot hold itself"),
        format!("put the call into a box: `Box::pin({own}{name}(..)).await`"),
    );
    true
}

/// `name(..).await` or `self.name(..).await`, where nothing is around it that could be a box.
fn bare_call(tokens: TokenStream, name: &Ident, is_method: bool) -> Option<Ident> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Ident(found) if found == name => {
                let dotted = at > 0 && is_punct(&tokens[at - 1], '.');
                let on_self = dotted && at > 1 && is_word(&tokens[at - 2], "self");
                let path = at > 0 && is_punct(&tokens[at - 1], ':');
                let awaited = match &tokens[at + 1..] {
                    [TokenTree::Group(group), dot, word, ..] => {
                        group.delimiter() == Delimiter::Parenthesis
                            && is_punct(dot, '.')
                            && is_word(word, "await")
                    }
                    _ => false,
                };
                if awaited && !path && if is_method { on_self } else { !dotted } {
                    return Some(found.clone());
                }
            }
            // What a macro or an inner `async` makes of it is not known here.
            TokenTree::Group(group) => {
                let in_front = &tokens[..at];
                let hides = in_front.iter().rev().take(2).any(|token| is_word(token, "async"))
                    || in_front.last().is_some_and(|token| is_punct(token, '!'));
                if !hides && let Some(found) = bare_call(group.stream(), name, is_method) {
                    return Some(found);
                }
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
    None
}

fn is_punct(token: &TokenTree, character: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == character)
}

fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(function: &Function) -> bool {
        let mut diagnostics = Diagnostics::default();
        let mut function = function.clone();
        function.surroundings = Surroundings::Impl {
            generics: syn::Generics::default(),
            of: syn::parse_quote!(Trees),
            of_trait: false,
            methods: Vec::new(),
        };
        let found = check(&function, &mut diagnostics);
        assert_eq!(found, !diagnostics.into_tokens().is_empty());
        found
    }

    #[test]
    fn only_a_call_without_a_box_is_a_mistake() {
        assert!(found(&syn::parse_quote!(
            async fn tree(id: u64) -> u64 {
                if id > 0 { tree(id).await } else { 0 }
            }
        )));
        assert!(found(&syn::parse_quote!(
            async fn tree(&self) -> u64 {
                self.tree().await
            }
        )));
        assert!(found(&syn::parse_quote!(
            async fn tree(id: u64) -> u64 {
                sum(tree(id).await)
            }
        )));
        assert!(!found(&syn::parse_quote!(
            async fn tree(id: u64) -> u64 {
                Box::pin(tree(id)).await
            }
        )));
        assert!(!found(&syn::parse_quote!(
            async fn tree(id: u64) -> u64 {
                Box::pin(async move { tree(id).await }).await
            }
        )));
        assert!(!found(&syn::parse_quote!(
            async fn tree(id: u64) -> u64 {
                tree(id).boxed().await
            }
        )));
        assert!(!found(&syn::parse_quote!(
            async fn tree(id: u64) -> u64 {
                other::tree(id).await
            }
        )));
        assert!(!found(&syn::parse_quote!(
            async fn tree(&self) -> u64 {
                self.inner.tree().await
            }
        )));
        assert!(!found(&syn::parse_quote!(
            async fn tree(&self) -> u64 {
                tree(1).await
            }
        )));
    }
}
