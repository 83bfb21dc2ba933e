//! What stands in the attribute's parentheses.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::parse::{ParseStream, Parser as _, Result};
use syn::{Error, Expr, ExprLit, Ident, Lit, Token};

const NAMED: &str = r#"name the region: #[zerocache::cached(region = "london", ttl = 60)]"#;
const SHORT: &str = r#"name the region: #[zerocache::auto_zerocache("london", 60)]"#;
/// The time to live of values by default, in seconds.
const DEFAULT_TTL: u64 = 60;
/// The longest name of a region, in bytes.
const MAX_REGION: usize = 64;

/// The arguments.
pub(crate) struct Args {
    /// An expression that is a `&str`.
    pub(crate) region: TokenStream,
    /// An expression that is a `Ttl`.
    pub(crate) ttl: TokenStream,
    /// What stands for all arguments of the function.
    pub(crate) key: Option<Expr>,
}

impl Args {
    /// `region = "london", ttl = 42, key = id`, in any order.
    pub(crate) fn named(tokens: TokenStream) -> Result<Self> {
        let parse = |input: ParseStream<'_>| {
            let (mut region, mut ttl, mut key) = (None, None, None);
            while !input.is_empty() {
                let name: Ident = input
                    .parse()
                    .map_err(|error| Error::new(error.span(), NAMED))?;
                let slot = match name.to_string().as_str() {
                    "region" => &mut region,
                    "ttl" => &mut ttl,
                    "key" => &mut key,
                    other => {
                        let what = format!(
                            "no such argument: `{other}`; there are `region`, `ttl` and `key`"
                        );
                        return Err(Error::new(name.span(), what));
                    }
                };
                input.parse::<Token![=]>()?;
                if slot.replace(input.parse::<Expr>()?).is_some() {
                    return Err(Error::new(name.span(), format!("`{name}` is given twice")));
                }
                comma(input)?;
            }
            let region = region.ok_or_else(|| Error::new(Span::call_site(), NAMED))?;
            Self::new(&region, ttl.as_ref(), key)
        };
        parse.parse2(tokens)
    }

    /// `"london", 42`.
    pub(crate) fn short(tokens: TokenStream) -> Result<Self> {
        let parse = |input: ParseStream<'_>| {
            if input.is_empty() {
                return Err(Error::new(Span::call_site(), SHORT));
            }
            let region: Expr = input.parse()?;
            if matches!(region, Expr::Assign(_)) {
                return Err(Error::new_spanned(
                    region,
                    r#"`auto_zerocache` takes no names: ("london", 60); `cached` does"#,
                ));
            }
            comma(input)?;
            let ttl: Option<Expr> = (!input.is_empty()).then(|| input.parse()).transpose()?;
            comma(input)?;
            if !input.is_empty() {
                return Err(
                    input.error("there is a region and a time to live in seconds, and no more")
                );
            }
            Self::new(&region, ttl.as_ref(), None)
        };
        parse.parse2(tokens)
    }

    fn new(region: &Expr, ttl: Option<&Expr>, key: Option<Expr>) -> Result<Self> {
        Ok(Self {
            region: self::region(region)?,
            ttl: self::ttl(ttl)?,
            key,
        })
    }
}

fn comma(input: ParseStream<'_>) -> Result<()> {
    if !input.is_empty() {
        input.parse::<Token![,]>()?;
    }
    Ok(())
}

fn region(region: &Expr) -> Result<TokenStream> {
    let Some(lit) = literal(region) else {
        return Ok(quote!(::core::convert::AsRef::<str>::as_ref(&(#region))));
    };
    let Lit::Str(name) = lit else {
        return Err(Error::new_spanned(lit, "a region is a string: \"london\""));
    };
    let value = name.value();
    // The same rule as `zerocache::proto::Region`'s.
    let fits = (1..=MAX_REGION).contains(&value.len()) && !matches!(&*value, "." | ".." | "_zc");
    let clean = |c: char| !c.is_control() && !c.is_whitespace() && !"/?#%".contains(c);
    if fits && value.chars().all(clean) {
        return Ok(quote!(#name));
    }
    Err(Error::new_spanned(
        name,
        "a region's name has 1 to 64 bytes and no space, control character, `/`, `?`, `#` or `%`",
    ))
}

fn ttl(ttl: Option<&Expr>) -> Result<TokenStream> {
    let Some(ttl) = ttl else {
        return Ok(quote!(#DEFAULT_TTL));
    };
    let wrong = || Error::new_spanned(ttl, "a time to live is whole seconds, 1 to 99999999: 60");
    match literal(ttl) {
        Some(Lit::Int(seconds)) => {
            // Beyond what a number holds is beyond the clamp as well.
            let seconds: u64 = match seconds.base10_parse() {
                Ok(seconds) => seconds,
                Err(_) if seconds.suffix().is_empty() => u64::MAX,
                Err(_) => return Err(wrong()),
            };
            Ok(quote!(#seconds))
        }
        Some(_) => Err(wrong()),
        None if matches!(ttl, Expr::Unary(_)) => Err(wrong()),
        None => Ok(quote!(#ttl)),
    }
}

fn literal(expr: &Expr) -> Option<&Lit> {
    match expr {
        Expr::Lit(ExprLit { lit, .. }) => Some(lit),
        _ => None,
    }
}
