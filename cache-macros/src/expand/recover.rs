//! On a mistake: the item as written, and a companion that keeps its callers from failing, too.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote};
use syn::Ident;

use super::paths::Paths;
use crate::{
    model::function::{Companion, arguments, mentions},
    parse::{Spanned, function::Function, template::Template},
};

pub(super) fn function(
    function: &Function,
    paths: &Paths,
    companion: Option<Spanned<Option<Ident>>>,
    key: Option<&Template>,
) -> TokenStream {
    let Function { attributes, visibility, signature, body } = function;
    let body = body.as_ref().map_or_else(|| quote!(;), quote::ToTokens::to_token_stream);
    let item = quote!(#(#attributes)* #visibility #signature #body);
    let (Companion::Type(name), Some(_), Some(_)) =
        (Companion::new(function, companion), &signature.asyncness, &function.body)
    else {
        return item;
    };
    // As many arguments as the key names, as far as it could be read; all of them otherwise.
    let arguments = arguments(signature);
    let count = match key {
        Some(key) => {
            let named = |argument: &&crate::model::function::Argument| {
                argument
                    .names
                    .iter()
                    .any(|name| key.placeholders().any(|placeholder| *name == placeholder.root))
            };
            arguments.iter().filter(named).count()
        }
        None => arguments.len(),
    };
    let parameters = (0..count).map(|_| quote!(_: &(impl ?::core::marker::Sized)));
    let output = match &signature.output {
        syn::ReturnType::Type(_, output)
            if signature.generics.params.is_empty() && !mentions_lifetime(output.to_token_stream()) =>
        {
            quote!(#output)
        }
        _ => quote!(()),
    };
    let private = paths.private();
    let cfgs = attributes.iter().filter(|attribute| attribute.path().is_ident("cfg"));
    let cfgs: Vec<_> = cfgs.collect();
    quote! {
        #item

        #(#cfgs)*
        #[doc(hidden)]
        #[allow(non_camel_case_types, dead_code, missing_debug_implementations)]
        #visibility struct #name {}

        #(#cfgs)*
        #[allow(dead_code, unreachable_pub, missing_docs)]
        impl #name {
            #visibility fn entry(#(#parameters),*) -> #private::Entry<#output> {
                ::core::unreachable!()
            }
        }
    }
}

fn mentions_lifetime(tokens: TokenStream) -> bool {
    tokens.to_string().contains(['\'', '&'])
        || mentions(tokens, &Ident::new("impl", proc_macro2::Span::call_site()))
}
