//! A query, as far as it says something here.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use super::scan::find;
use super::target::{Target, escape};
use crate::Duration;

/// Digits beyond which Python reads no integer.
const MAX_DIGITS: usize = 4300;

/// What the last of each parameter says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Query {
    /// See [`Target::expiry`].
    pub(crate) expiry: Option<u32>,
    /// See [`Target::recurse`].
    pub(crate) recurse: bool,
}

impl Query {
    /// See [`Target::ttl`].
    pub(crate) fn ttl(self) -> Duration {
        Duration::from_secs(self.expiry.unwrap_or(Target::DEFAULT_EXPIRY).into())
    }

    /// Reads what follows the `?`.
    pub(crate) fn parse(query: Option<&[u8]>) -> Self {
        let query = query.unwrap_or_default();
        Self::plain(query).unwrap_or_else(|| Self::any(query))
    }

    /// What nodes and clients send each other: nothing, `expiry=` and digits, `recurse=` and 0 or 1, or
    /// both in this order. None says nothing.
    fn plain(mut query: &[u8]) -> Option<Self> {
        let mut expiry = None;
        if let Some(value) = query.strip_prefix(b"expiry=") {
            let end = value.iter().position(|byte| !byte.is_ascii_digit());
            let (digits, after) = value.split_at_checked(end.unwrap_or(value.len()))?;
            expiry = Some(in_range(plain(digits)?));
            query = match after {
                [] => after,
                _ => after.strip_prefix(b"&")?,
            };
        }
        let recurse = match query {
            b"" | b"recurse=1" => true,
            b"recurse=0" => false,
            _ => return None,
        };
        Some(Self { expiry, recurse })
    }

    /// Any query.
    #[cold]
    #[inline(never)]
    fn any(query: &[u8]) -> Self {
        let (mut expiry, mut recurse) = (None, None);
        let mut rest = query;
        while !rest.is_empty() {
            let (name, after) = split(rest, [b'=', b'&']);
            let (value, after) = match after.strip_prefix(b"=") {
                Some(after) => split(after, [b'&']),
                None => (&[][..], after),
            };
            rest = after.get(1..).unwrap_or_default();
            match &*form_decode(name) {
                b"expiry" => expiry = Some(value),
                b"recurse" => recurse = Some(value),
                _ => {}
            }
        }
        Self {
            expiry: expiry.and_then(seconds),
            recurse: recurse.is_none_or(|value| *form_decode(value) == *b"1"),
        }
    }
}

/// What is before the first of `marks`, and the rest from there.
fn split<const N: usize>(text: &[u8], marks: [u8; N]) -> (&[u8], &[u8]) {
    let end = find(text, marks).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, &[]))
}

/// Decodes half a query parameter. Malformed escapes stay as they are.
fn form_decode(text: &[u8]) -> Cow<'_, [u8]> {
    if find(text, [b'%', b'+']).is_none() {
        return Cow::Borrowed(text);
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match (byte, escape(after)) {
            (b'%', Some(escaped)) => {
                decoded.push(escaped);
                rest = after.get(2..).unwrap_or_default();
            }
            (b'+', _) => decoded.push(b' '),
            _ => decoded.push(*byte),
        }
    }
    Cow::Owned(decoded)
}

/// The seconds of an `expiry`, in the range there is for them.
fn seconds(value: &[u8]) -> Option<u32> {
    integer(&form_decode(value)).map(in_range)
}

fn in_range(seconds: u32) -> u32 {
    seconds.clamp(1, Target::MAX_EXPIRY)
}

/// A few digits, and nothing else.
fn plain(text: &[u8]) -> Option<u32> {
    if text.is_empty() || text.len() > 9 {
        return None;
    }
    text.iter().try_fold(0_u32, |value, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then(|| value.wrapping_mul(10).wrapping_add(digit.into()))
    })
}

/// An integer as Python's `int()` reads one: space around it, a sign, digits with single
/// underscores between them. Below nothing is nothing.
fn integer(text: &[u8]) -> Option<u32> {
    let is_space = |byte: &u8| matches!(byte, b'\t'..=b'\r' | 0x1c..=b' ');
    let start = text.iter().position(|byte| !is_space(byte))?;
    let end = text.iter().rposition(|byte| !is_space(byte))?;
    let text = text.get(start..=end)?;
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let mut value = 0_u32;
    let mut count = 0_usize;
    let mut before = b'_';
    for byte in digits {
        match byte {
            b'0'..=b'9' => {
                count = count.saturating_add(1);
                value = value
                    .saturating_mul(10)
                    .saturating_add((byte & 0x0f).into());
            }
            b'_' if before != b'_' => {}
            _ => return None,
        }
        before = *byte;
    }
    if before == b'_' || count > MAX_DIGITS {
        return None;
    }
    Some(if negative { 0 } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_query_is_its_pairs_the_last_of_a_name_counting(query in "((expiry=[0-9]{0,3})?&?(recurse=[01]?)?)|([epiry%65+=&01 9]|expiry=|recurse=|&){0,12}") {
            let mut naive = (None, None);
            for pair in query.as_bytes().split(|byte| *byte == b'&') {
                let mut halves = pair.splitn(2, |byte| *byte == b'=');
                let name = form_decode(halves.next().unwrap_or_default());
                let value = form_decode(halves.next().unwrap_or_default());
                match &*name {
                    b"expiry" => naive.0 = Some(value),
                    b"recurse" => naive.1 = Some(value),
                    _ => {}
                }
            }
            let expiry = naive.0.and_then(|value| integer(&value));
            let naive = Query {
                expiry: expiry.map(in_range),
                recurse: naive.1.is_none_or(|value| *value == b"1"[..]),
            };
            let plain = Query::plain(query.as_bytes());
            prop_assert!(plain.is_none_or(|plain| plain == naive));
            prop_assert_eq!(Query::any(query.as_bytes()), naive);
        }

        #[test]
        fn what_nodes_send_is_plain(expiry in prop::option::of(any::<u32>()), recurse in prop::option::of(0..2)) {
            let expiry = expiry.map(|seconds| std::format!("expiry={}", seconds / 10));
            let recurse = recurse.map(|recurse| std::format!("recurse={recurse}"));
            let query: Vec<_> = expiry.into_iter().chain(recurse).collect();
            prop_assert!(Query::plain(query.join("&").as_bytes()).is_some());
        }

        #[test]
        fn plain_digits_are_the_integer_they_are(text in "[0-9+_a/:]{0,12}") {
            if let Some(value) = plain(text.as_bytes()) {
                prop_assert_eq!(integer(text.as_bytes()), Some(value));
            }
            let digits: Vec<_> = text.bytes().filter(u8::is_ascii_digit).take(9).collect();
            prop_assert_eq!(plain(&digits).is_some(), !digits.is_empty());
        }
    }
}
