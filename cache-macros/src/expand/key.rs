//! A key plan to the statements that write the key.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::{Ident, Index, PathArguments, Type, spanned::Spanned as _};

use super::paths::{Paths, at, local};
use crate::{
    model::{
        Plan,
        batch::Batch,
        function::{Argument, first_type},
        key::{KeyPlan, Piece, Root},
    },
    parse::template::Step,
};

/// What `entry(..)` takes a reference to: `str` for a `String`, what a reference refers to, else the type itself.
pub(super) fn borrowed(ty: &Type) -> Type {
    match ty {
        Type::Reference(reference) => match &*reference.elem {
            // `&(impl A + B)`
            Type::Paren(inner) => (*inner.elem).clone(),
            inner => inner.clone(),
        },
        Type::Path(path) if path.qself.is_none() => {
            let last = path.path.segments.last();
            match last.map(|last| (last.ident.to_string(), &last.arguments)) {
                Some((name, PathArguments::None)) if name == "String" => syn::parse_quote!(str),
                Some((name, arguments)) if name == "Vec" => match first_type(arguments) {
                    Some(element) => syn::parse_quote!([#element]),
                    None => ty.clone(),
                },
                _ => ty.clone(),
            }
        }
        other => other.clone(),
    }
}

/// Statements that write the pieces of `key` into the writer `writer`. `made`: what `<return>` stands for.
///
/// With `version`, the key begins with it.
pub(super) fn pieces(
    plan: &Plan,
    paths: &Paths<'_>,
    key: &KeyPlan,
    writer: &Ident,
    made: Option<&Ident>,
    version: u32,
) -> TokenStream {
    let private = paths.private();
    let mut first = if version == 0 { String::new() } else { format!("v{version}:") };
    let mut statements = Vec::new();
    for piece in &key.pieces {
        match piece {
            Piece::Literal(literal) => {
                let literal = std::mem::take(&mut first) + literal;
                statements.push(quote!(#private::literal(&mut #writer, #literal);));
            }
            Piece::Part { root, path, stop, span } => {
                if !first.is_empty() {
                    let literal = std::mem::take(&mut first);
                    statements.push(quote!(#private::literal(&mut #writer, #literal);));
                }
                let part = part(plan, paths, root, path, *span, writer, made);
                statements.push(quote! {
                    #private::open(&mut #writer, #stop);
                    #part
                    #private::close(&mut #writer);
                });
            }
        }
    }
    quote!(#(#statements)*)
}

/// A field may have the name of a keyword.
fn ident(name: &str, span: Span) -> Ident {
    match syn::parse_str::<Ident>(name) {
        Ok(_) => Ident::new(name, span),
        Err(_) => Ident::new_raw(name, span),
    }
}

fn part(
    plan: &Plan,
    paths: &Paths<'_>,
    root: &Root,
    path: &[Step],
    span: Span,
    writer: &Ident,
    made: Option<&Ident>,
) -> TokenStream {
    let value = match root {
        Root::Argument(index) => {
            let Argument { ident, ty, .. } = &plan.arguments[*index];
            if path.is_empty() {
                return whole(paths, ident, ty, writer);
            }
            ident.to_token_stream()
        }
        Root::Element => {
            let Some(Batch { element, element_type, .. }) = &plan.batch else { return TokenStream::new() };
            if path.is_empty() {
                return whole(paths, element, element_type, writer);
            }
            element.to_token_stream()
        }
        Root::Bound(_, name) => quote!(#name),
        Root::SelfValue => quote!(self),
        Root::Type(parameter) => {
            let private = paths.private();
            return quote!(#private::type_name::<#parameter>(&mut #writer););
        }
        Root::Const(parameter) => quote!({ #parameter }),
        Root::Return => {
            let made = made.cloned().unwrap_or_else(|| local("__made"));
            quote!(#made)
        }
    };
    let value = at(value, span);
    // Of the expansion, else the compiler proposes to replace the whole string by a field.
    let span = Span::call_site().located_at(span);
    let steps = path.iter().map(|step| match step {
        Step::Field(name) => {
            let name = ident(name, span);
            quote_spanned!(span=> .#name)
        }
        Step::Index(index) => {
            let index = Index { index: *index, span };
            quote_spanned!(span=> .#index)
        }
        Step::Method(name) => {
            let name = ident(name, span);
            quote_spanned!(span=> .#name())
        }
    });
    let (private, writer) = (paths.private_at(span), at(writer.to_token_stream(), span));
    quote_spanned!(span=> #private::KeyPart::write_part(&#value #(#steps)*, &mut #writer);)
}

/// The whole of an argument.
fn whole(paths: &Paths<'_>, ident: &Ident, ty: &Type, writer: &Ident) -> TokenStream {
    let private = paths.private_at(ty.span());
    let ty = borrowed(ty);
    let ident = at(ident.to_token_stream(), ty.span());
    match &ty {
        Type::ImplTrait(_) => {
            quote_spanned!(ty.span()=> #private::KeyPart::write_part(&#ident, &mut #writer);)
        }
        _ => quote_spanned!(ty.span()=> <#ty as #private::KeyPart>::write_part(&#ident, &mut #writer);),
    }
}

/// `let (a, b) = &__cache_arg0;` for the patterns among some arguments.
pub(super) fn bindings<'a>(
    plan: &'a Plan,
    indices: impl IntoIterator<Item = usize> + 'a,
) -> impl Iterator<Item = TokenStream> + 'a {
    indices.into_iter().filter_map(|index| {
        let Argument { ident, pattern, .. } = &plan.arguments[index];
        let pattern = pattern.as_ref()?;
        Some(quote!(#[allow(unused_variables)] let #pattern = &#ident;))
    })
}
