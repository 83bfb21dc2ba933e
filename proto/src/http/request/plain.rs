//! The plain head: what nearly every client sends, read in words of eight bytes.
//!
//! Plain is a head of HTTP/1.1 in which the target is a path of visible ASCII but for `!`, `"` and
//! `#`, the names are letters and dashes, the values are visible ASCII with spaces between, no value
//! is empty, before it is one space or none, and each line ends in CR LF. Whatever is not plain, not
//! whole, not within the limits or at fault is nobody's business here: `httparse` reads it from the
//! start. So this reads nothing that the other one does not read the same way, which is asserted for
//! each head where assertions are on.

use super::{Fields, Head, Limits, MAX_HEADERS, Method, Span, identifies};
use crate::http::scan::{any, first, not_name, outside};

/// Reads the head at the start of `bytes` into `into`, if it is plain; if not, what is left there
/// means nothing.
#[inline]
pub(super) fn parse(bytes: &[u8], limits: &Limits, into: &mut Head) -> Option<()> {
    let place = |rest: &[u8]| bytes.len().wrapping_sub(rest.len());
    let (method, target) = method(bytes)?;
    // One comparison for `#` and what cannot be in a target; `!` and `"` are rare enough.
    let end = first(target, |word| outside(word, b'$') | any(word, [b'?']))?;
    let (path, mut rest) = target.split_at_checked(end)?;
    let mut query = None;
    if let Some(after) = rest.strip_prefix(b"?") {
        let end = first(after, |word| outside(word, b'$'))?;
        query = Some(Span::new(place(after), end));
        rest = after.get(end..)?;
    }
    let target_len = target.len().wrapping_sub(rest.len());
    if path.first() != Some(&b'/') || target_len > limits.max_target {
        return None;
    }
    rest = rest.strip_prefix(b" HTTP/1.1\r\n")?;
    *into = Head {
        method,
        path: Span::new(place(target), end),
        query,
        identify: identifies(path),
        ..Head::default()
    };
    let mut fields = Fields::new(into);
    let mut left = limits.max_headers.min(MAX_HEADERS);
    loop {
        if let Some(after) = rest.strip_prefix(b"\r\n") {
            fields.finish(place(after), false).ok()?;
            return Some(());
        }
        left = left.checked_sub(1)?;
        let (name, after) = rest.split_at_checked(first(rest, not_name)?)?;
        let text = after.strip_prefix(b":")?;
        let text = text.strip_prefix(b" ").unwrap_or(text);
        let (value, after) = text.split_at_checked(first(text, |word| outside(word, b' '))?)?;
        rest = after.strip_prefix(b"\r\n")?;
        let is_space = |byte: Option<&u8>| byte.is_none_or(|byte| *byte == b' ');
        if name.is_empty() || is_space(value.first()) || is_space(value.last()) {
            return None;
        }
        fields.take(name, value, place(text)).ok()?;
    }
}

/// The method, and what is behind the space after it.
#[inline]
fn method(bytes: &[u8]) -> Option<(Method, &[u8])> {
    if let Some(target) = bytes.strip_prefix(b"GET ") {
        return Some((Method::Get, target));
    }
    let (method, name): (_, &[u8]) = match bytes.first()? {
        b'P' => (Method::Put, b"PUT "),
        b'D' => (Method::Delete, b"DELETE "),
        b'H' => (Method::Head, b"HEAD "),
        _ => return None,
    };
    Some((method, bytes.strip_prefix(name)?))
}

#[cfg(test)]
#[path = "plain_tests.rs"]
mod tests;
