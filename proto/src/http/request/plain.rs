//! The plain head: what nearly every client sends, read in words of eight bytes.
//!
//! Plain is a head of HTTP/1.1 in which the target is a path of visible ASCII, the names are letters
//! and dashes, the values are visible ASCII and spaces, no value is empty, and each line ends in CR
//! LF. Whatever is not plain, not whole, not within the limits or at fault is nobody's business here:
//! `httparse` reads it from the start. So this reads nothing that the other one does not read the
//! same way, which is asserted for each head where assertions are on.

use super::{Fields, Head, Limits, MAX_HEADERS, Method, Span, identifies};
use crate::http::scan::{any, first, not_name, outside};

/// Reads the head at the start of `bytes` into `into`, if it is plain; if not, what is left there
/// means nothing.
pub(super) fn parse(bytes: &[u8], limits: &Limits, into: &mut Head) -> Option<()> {
    let place = |rest: &[u8]| bytes.len().wrapping_sub(rest.len());
    let (method, target) = method(bytes)?;
    let end = first(target, |word| outside(word, b'!') | any(word, [b'?', b'#']))?;
    let (path, mut rest) = target.split_at_checked(end)?;
    let mut query = None;
    if let Some(after) = rest.strip_prefix(b"?") {
        let end = first(after, |word| outside(word, b'!') | any(word, [b'#']))?;
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
    for _ in 0..=limits.max_headers.min(MAX_HEADERS) {
        if let Some(after) = rest.strip_prefix(b"\r\n") {
            let len = place(after);
            fields.finish(len, false).ok()?;
            return Some(());
        }
        let (name, after) = rest.split_at_checked(first(rest, not_name)?)?;
        let mut value = after.strip_prefix(b":")?;
        while let Some(after) = value.strip_prefix(b" ") {
            value = after;
        }
        let at = place(value);
        let (mut value, after) =
            value.split_at_checked(first(value, |word| outside(word, b' '))?)?;
        rest = after.strip_prefix(b"\r\n")?;
        while let Some(before) = value.strip_suffix(b" ") {
            value = before;
        }
        if name.is_empty() || value.is_empty() {
            return None;
        }
        fields.take(name, value, at).ok()?;
    }
    None
}

/// The method, and what is behind the space after it.
fn method(bytes: &[u8]) -> Option<(Method, &[u8])> {
    let (method, name): (_, &[u8]) = match bytes.first()? {
        b'G' => (Method::Get, b"GET "),
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
