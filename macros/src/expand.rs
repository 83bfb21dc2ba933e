//! The function, wrapped.

use crate::args::Args;
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::parse::Result;
use syn::spanned::Spanned as _;
use syn::{
    Block, Error, FnArg, GenericParam, ItemFn, Pat, PatIdent, ReturnType, Safety, Signature, Type,
};

/// The function `item`, its body run where the cache has no value; or what is wrong with it, beside the function
/// as it was, so that nothing else in the program fails for it.
pub(crate) fn expand(
    parse: impl FnOnce(TokenStream) -> Result<Args>,
    args: TokenStream,
    item: TokenStream,
) -> TokenStream {
    let wrapped = parse(args).and_then(|args| wrap(&args, syn::parse2(item.clone())));
    wrapped.unwrap_or_else(|error| {
        let error = error.into_compile_error();
        quote!(#error #item)
    })
}

fn wrap(args: &Args, item: Result<ItemFn>) -> Result<TokenStream> {
    let ItemFn {
        attrs,
        vis,
        mut sig,
        block,
        ..
    } = item.map_err(|error| {
        Error::new(
            error.span(),
            format!("only a function with a body can be cached: {error}"),
        )
    })?;
    check(&sig)?;
    let params = params(&mut sig)?;
    let key = key(args, &sig, &params);
    let work = work(&sig, &params, &block);
    let output = output(&sig);
    let Args { region, ttl, .. } = args;
    let (call, wait) = if sig.asyncness.is_some() {
        (quote!(cached), quote!(.await))
    } else {
        (quote!(cached_blocking), quote!())
    };
    // Where the compiler is to point at if the result can not be stored.
    let span = type_span(&sig);
    let codec = quote_spanned!(span=> ::zerocache::__private::Values::<#output>::OF.codec());
    Ok(quote! {
        #(#attrs)*
        #vis #sig {
            fn __zerocache_here() {}
            let __zerocache_key = #key;
            let __zerocache_ttl = ::zerocache::__private::ttl(#ttl);
            let __zerocache_codec = {
                use ::zerocache::__private::Plain as _;
                #codec
            };
            ::zerocache::__private::#call(
                #region,
                __zerocache_ttl,
                __zerocache_key,
                __zerocache_codec,
                #work,
            )#wait
        }
    })
}

/// What can not be cached.
fn check(sig: &Signature) -> Result<()> {
    if let Some(receiver) = sig.receiver() {
        return Err(Error::new_spanned(
            receiver,
            "a method can not be cached: its object would not be part of the key; cache a function without `self`, \
             and call it from the method",
        ));
    }
    if let Some(token) = &sig.constness {
        return Err(Error::new_spanned(
            token,
            "a const function can not be cached: looking up takes a network",
        ));
    }
    if let Some(token) = &sig.abi {
        return Err(Error::new_spanned(
            token,
            "an extern function can not be cached",
        ));
    }
    if let Safety::Unsafe(token) = &sig.safety {
        return Err(Error::new_spanned(
            token,
            "an unsafe function can not be cached: wrap it in a safe one",
        ));
    }
    for input in &sig.inputs {
        if let FnArg::Typed(param) = input {
            if let Type::ImplTrait(ty) = &*param.ty {
                return Err(Error::new_spanned(
                    ty,
                    "a cached function's arguments need types with a name: `fn f<T: Serialize>(x: T)`",
                ));
            }
        }
    }
    match &sig.output {
        ReturnType::Type(_, ty) => match &**ty {
            Type::ImplTrait(_) | Type::Reference(_) | Type::Never(_) => Err(Error::new_spanned(
                ty,
                "the result of a cached function must be owned and of a type with a name: it is stored and read back",
            )),
            _ => Ok(()),
        },
        ReturnType::Default => Ok(()),
    }
}

/// A parameter: the name it has outside, and its pattern in the body if that is another.
struct Param {
    name: syn::Ident,
    pattern: Option<Pat>,
    span: Span,
}

/// Gives every parameter a plain name.
fn params(sig: &mut Signature) -> Result<Vec<Param>> {
    let mut params = Vec::new();
    for (i, input) in sig.inputs.iter_mut().enumerate() {
        let FnArg::Typed(input) = input else {
            return Err(Error::new_spanned(input, "a method can not be cached"));
        };
        let span = input.ty.span();
        let (name, pattern) = match &*input.pat {
            Pat::Ident(PatIdent {
                ident,
                by_ref: None,
                mutability: None,
                subpat: None,
                ..
            }) => (ident.clone(), None),
            // By its own name, so that `key` can speak of it.
            Pat::Ident(PatIdent {
                ident,
                by_ref: None,
                subpat: None,
                ..
            }) => (ident.clone(), Some((*input.pat).clone())),
            other => (format_ident!("__zerocache_arg_{i}"), Some(other.clone())),
        };
        if pattern.is_some() {
            *input.pat = syn::parse_quote!(#name);
        }
        params.push(Param {
            name,
            pattern,
            span,
        });
    }
    Ok(params)
}

/// The expression of the key.
fn key(args: &Args, sig: &Signature, params: &[Param]) -> TokenStream {
    let mut key = quote!(::zerocache::__private::Key::of(&__zerocache_here));
    for param in &sig.generics.params {
        match param {
            GenericParam::Type(ty) => {
                let ident = &ty.ident;
                key.extend(quote!(.ty::<#ident>()));
            }
            GenericParam::Const(value) => {
                let ident = &value.ident;
                key.extend(quote!(.arg(&#ident)));
            }
            GenericParam::Lifetime(_) => {}
        }
    }
    match &args.key {
        Some(expr) => key.extend(quote_spanned!(expr.span()=> .arg(&(#expr)))),
        None => {
            for Param { name, span, .. } in params {
                key.extend(quote_spanned!(*span=> .arg(&#name)));
            }
        }
    }
    key
}

/// The body as a closure, or as one that gives a future.
fn work(sig: &Signature, params: &[Param], block: &Block) -> TokenStream {
    let patterns = params.iter().filter_map(|Param { name, pattern, .. }| {
        let pattern = pattern.as_ref()?;
        Some(quote!(let #pattern = #name;))
    });
    let output = output(sig);
    if sig.asyncness.is_none() {
        return quote!(move || -> #output { #(#patterns)* #block });
    }
    // The first `return` tells the compiler the block's type, which `?` needs to know.
    quote! {
        move || async move {
            if false {
                return ::zerocache::__private::never::<#output>();
            }
            #(#patterns)*
            #block
        }
    }
}

fn output(sig: &Signature) -> TokenStream {
    match &sig.output {
        ReturnType::Default => quote!(()),
        ReturnType::Type(_, ty) => ty.to_token_stream(),
    }
}

fn type_span(sig: &Signature) -> Span {
    match &sig.output {
        ReturnType::Default => sig.ident.span(),
        ReturnType::Type(_, ty) => ty.span(),
    }
}
