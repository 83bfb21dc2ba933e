//! The attribute macros of `zerocache` (feature `macros`): functions whose results are cached.
//!
//! Use them by the names `zerocache::cached` and `zerocache::auto_zerocache`; the code they write needs the crate
//! under its own name. `zerocache::decorator` says what keys and values are made of.

mod args;
mod expand;

use args::Args;
use proc_macro::TokenStream;

/// Caches what a function returns: `#[zerocache::cached(region = "london", ttl = 42, key = id)]`.
///
/// - `region`: a string, or an expression of one.
/// - `ttl`: seconds or a `Duration`, clamped to 1 to 99,999,999 s; 60 s if it is left out.
/// - `key`: what stands for all arguments; an expression over them, `serde::Serialize`. If it is left out,
///   every argument is part of the key.
///
/// The function is `async`, on whatever executor, or not: then it blocks the calling thread. Its result is
/// `serde::Serialize` and `DeserializeOwned`; of a `Result` or `Option` only `Ok` and `Some` are stored. What fails in
/// the cache is never the caller's: the function runs then. It runs once per key at a time in this process, and
/// must not call itself with the same key.
///
/// ```
/// # #[derive(Debug)]
/// # struct Error;
/// #[zerocache::cached(region = "london", ttl = 300, key = (user, page))]
/// async fn timeline(user: u64, page: u32, trace: &str) -> Result<Vec<String>, Error> {
///     println!("{trace}: page {page} of {user}");
///     Ok(vec![])
/// }
/// ```
#[proc_macro_attribute]
pub fn cached(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Args::named, args.into(), item.into()).into()
}

/// Caches what a function returns: `#[zerocache::auto_zerocache("london", 42)]`, a region and, if not 60, the seconds
/// that values live. As [`macro@cached`] in everything else.
///
/// ```
/// #[zerocache::auto_zerocache("london", 42)]
/// fn square(of: u64) -> u64 {
///     of * of
/// }
/// ```
#[proc_macro_attribute]
pub fn auto_zerocache(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Args::short, args.into(), item.into()).into()
}
