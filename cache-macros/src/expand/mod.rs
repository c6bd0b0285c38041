//! Plan to tokens: cannot fail.
//!
//! Imports go down this list: `paths`, `arguments`, `generics`, `item` → `key`, `rules`, `body`, `detached` → `targets`, `site` → `read`,
//! `write`, `batch` → `wrapper`, `companion`, `recover`.

mod arguments;
mod batch;
mod body;
mod companion;
mod detached;
mod generics;
mod item;
mod key;
mod paths;
mod read;
mod recover;
mod rules;
mod site;
mod targets;
#[cfg(test)]
mod tests;
mod wrapper;
mod write;

use proc_macro2::TokenStream;
use quote::quote;

use self::paths::Paths;
use crate::{
    diag::Diagnostics,
    model::{Plan, foreign, recursion},
    parse::{function::Function, options::Options},
};

pub(crate) fn cached(tokens: TokenStream, item: &TokenStream) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    let mut options = Options::parse(tokens.clone(), &mut diagnostics);
    let expansion = match syn::parse2::<Function>(item.clone()) {
        Err(error) => {
            // Other mistakes do not matter while the attribute is on something that it cannot be on.
            drop(diagnostics.into_tokens());
            let error = error.to_compile_error();
            return quote!(#error #item);
        }
        Ok(mut function) => {
            recursion::reject(&mut function, &mut diagnostics);
            foreign::reject(&mut options, &function, &mut diagnostics);
            let runtime = options.runtime.clone().map(|runtime| runtime.value);
            let companion = options.companion.clone();
            let key = options.key.clone();
            let tags = options.tags.clone().map(|tags| tags.value).unwrap_or_default();
            let skip = options.skipped().to_vec();
            match Plan::new(function, options, tokens, &mut diagnostics) {
                Ok(plan) => expand(&plan),
                Err((function, marked)) => {
                    let key = key.as_ref().map(|key| &key.value);
                    recover::function(
                        &function,
                        &Paths::new(runtime.as_ref()),
                        companion,
                        key,
                        &tags,
                        &skip,
                        &marked,
                    )
                }
            }
        }
    };
    let errors = diagnostics.into_tokens();
    let expansion = quote!(#expansion #errors);
    if std::env::var_os("CACHE_MACROS_DEBUG").is_some() {
        eprintln!("{expansion}");
    }
    expansion
}

fn expand(plan: &Plan) -> TokenStream {
    let paths = Paths::new(plan.runtime.as_ref());
    let companion = companion::items(plan, &paths);
    let wrapper = wrapper::function(plan, &paths);
    quote!(#wrapper #companion)
}
