//! `#[derive(KeyPart)]`.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote, quote_spanned};
use syn::{Data, DeriveInput, Fields, Index, Path, parse_quote, spanned::Spanned as _};

pub(crate) fn key_part(item: TokenStream) -> TokenStream {
    syn::parse2(item).and_then(|input| derive(&input)).unwrap_or_else(|error| error.to_compile_error())
}

fn derive(input: &DeriveInput) -> syn::Result<TokenStream> {
    let mut runtime: Path = parse_quote!(::cache_runtime);
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("key_part")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("crate") {
                runtime = meta.value()?.parse()?;
                return Ok(());
            }
            let name = meta.path.to_token_stream();
            Err(meta.error(format!("unknown option `{name}`\nhelp: write `#[key_part(crate = path)]`")))
        })?;
    }
    let body = match &input.data {
        Data::Struct(data) => fields(&runtime, &input.ident, &data.fields)?,
        Data::Enum(data) => {
            let mut arms = Vec::new();
            let mut mistakes: Option<syn::Error> = None;
            for variant in &data.variants {
                if !matches!(variant.fields, Fields::Unit) {
                    let message =
                        "a variant with fields cannot be part of a key\nhelp: implement `KeyPart` by hand";
                    let mistake = syn::Error::new(variant.ident.span(), message);
                    match &mut mistakes {
                        Some(mistakes) => mistakes.combine(mistake),
                        None => mistakes = Some(mistake),
                    }
                }
                let name = &variant.ident;
                let text = name.to_string();
                arms.push(quote!(Self::#name => #text,));
            }
            if let Some(mistakes) = mistakes {
                return Err(mistakes);
            }
            if arms.is_empty() {
                return Err(syn::Error::new(
                    input.ident.span(),
                    "an enum without variants has no values to tell apart\nhelp: leave it out of the key",
                ));
            }
            quote!(#runtime::KeyWriter::text(__key, match self { #(#arms)* });)
        }
        Data::Union(_) => {
            let message = "a union cannot be part of a key\nhelp: implement `KeyPart` by hand";
            return Err(syn::Error::new(input.ident.span(), message));
        }
    };
    let name = &input.ident;
    let (generics, arguments, where_clause) = input.generics.split_for_impl();
    let bounds = input.generics.type_params().map(|parameter| {
        let ident = &parameter.ident;
        quote!(#ident: #runtime::KeyPart,)
    });
    let predicates = where_clause.map(|clause| &clause.predicates);
    Ok(quote! {
        #[automatically_derived]
        impl #generics #runtime::KeyPart for #name #arguments where #(#bounds)* #predicates {
            #[inline]
            fn write_part(&self, __key: &mut #runtime::KeyWriter) {
                #body
            }
        }
    })
}

/// A single field is written as it is, so that a newtype has the key of what it wraps.
fn fields(runtime: &Path, name: &syn::Ident, fields: &Fields) -> syn::Result<TokenStream> {
    let members: Vec<_> = fields
        .iter()
        .enumerate()
        .map(|(index, field)| match &field.ident {
            Some(name) => (quote!(self.#name), &field.ty),
            None => {
                let index = Index::from(index);
                (quote!(self.#index), &field.ty)
            }
        })
        .collect();
    match members.as_slice() {
        [] => {
            let message = "a struct without fields has no values to tell apart\nhelp: leave it out of the key";
            Err(syn::Error::new(name.span(), message))
        }
        [(member, ty)] => Ok(quote_spanned!(ty.span()=> <#ty as #runtime::KeyPart>::write_part(&#member, __key);)),
        many => Ok(many
            .iter()
            .map(|(member, ty)| quote_spanned!(ty.span()=> #runtime::KeyWriter::element::<#ty>(__key, &#member);))
            .collect()),
    }
}
