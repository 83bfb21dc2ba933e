//! A request's target, read as the region and key it names (RFC 3986).
//!
//! - Segments are percent-decoded once, after the split: `%2F` is a byte of a key, not a slash, and
//!   the decoded bytes are the key, whatever their encoding. A `%` without two hex digits is a fault.
//! - Empty segments are skipped but for the last: `//london//k` is `/london/k`, while `/london/` and
//!   `/london/k/` end in an empty one, which is no key.
//! - `.` and `..` are keys like others. Whoever sends them has to encode them, since clients walk
//!   dot segments.
//! - In a query `+` is a space, the last of repeated parameters counts, and a malformed value counts
//!   as junk. `expiry` is an integer as Python reads one: stock nodes do.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt;

use super::query::Query;
use super::scan::find;
use crate::Duration;

/// Segments a path may have; more name nothing.
const MAX_SEGMENTS: usize = 3;
const NONE: &[u8] = &[];

/// The path cannot be one of a key or a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum InvalidTarget {
    /// A `%` that no two hex digits follow: 400.
    Malformed,
    /// More segments than any path here has: 404.
    TooDeep,
    /// The key is longer than [`Target::MAX_KEY`] bytes: 414.
    KeyTooLong,
}

/// A path's decoded segments, and the query.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target<'a> {
    segments: [Cow<'a, [u8]>; MAX_SEGMENTS],
    count: usize,
    query: Option<&'a [u8]>,
}

/// What a path of two segments names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Name<'a> {
    /// The first segment, as it came: compared exactly, and perhaps no region's name.
    pub region: &'a [u8],
    /// The second, 1 to [`Target::MAX_KEY`] bytes.
    pub key: &'a [u8],
}

impl<'a> Target<'a> {
    /// The most bytes a decoded key may have.
    pub const MAX_KEY: usize = 4096;
    /// Seconds a value lives if nobody says so.
    pub const DEFAULT_EXPIRY: u32 = 3600;
    /// The most seconds a value can be told to live.
    pub const MAX_EXPIRY: u32 = 99_999_999;

    /// Reads a request's path and query. Allocates only for segments with escapes.
    ///
    /// # Errors
    /// [`InvalidTarget::Malformed`] and [`InvalidTarget::TooDeep`].
    pub fn parse(path: &'a [u8], query: Option<&'a [u8]>) -> Result<Self, InvalidTarget> {
        let mut target = Self {
            segments: [const { Cow::Borrowed(NONE) }; MAX_SEGMENTS],
            count: 0,
            query,
        };
        let mut rest = path.strip_prefix(b"/").unwrap_or(path);
        loop {
            let end = find(rest, [b'/']);
            let (segment, after) = match end {
                Some(end) => rest.split_at_checked(end).unwrap_or((rest, &[])),
                None => (rest, &[][..]),
            };
            let is_last = end.is_none();
            if !segment.is_empty() || (is_last && target.count > 0) {
                let slot = target.segments.get_mut(target.count);
                *slot.ok_or(InvalidTarget::TooDeep)? = decode(segment)?;
                target.count = target.count.saturating_add(1);
            }
            if is_last {
                return Ok(target);
            }
            rest = after.get(1..).unwrap_or_default();
        }
    }

    /// The key that `path` names in `region`, if it is written in the plainest way there is, with no
    /// escape and no further slash: then it is what [`parse`](Self::parse) and [`key`](Self::key)
    /// would say. None says nothing.
    #[inline]
    pub(crate) fn plain_key<'p>(path: &'p [u8], region: &str) -> Option<&'p [u8]> {
        let key = path.strip_prefix(b"/")?.strip_prefix(region.as_bytes())?;
        let key = key.strip_prefix(b"/")?;
        let fits = (1..=Self::MAX_KEY).contains(&key.len());
        (fits && find(key, [b'/', b'%']).is_none()).then_some(key)
    }

    /// The decoded segments: none for `/`; the last is empty for a path that ends in a slash.
    #[must_use]
    pub fn segments(&self) -> &[Cow<'a, [u8]>] {
        self.segments.get(..self.count).unwrap_or_default()
    }

    /// Region and key, if the path is that of a key: two segments, neither empty.
    ///
    /// # Errors
    /// [`InvalidTarget::KeyTooLong`].
    pub fn key(&self) -> Result<Option<Name<'_>>, InvalidTarget> {
        match self.segments() {
            [region, key] if !key.is_empty() => {
                if key.len() > Self::MAX_KEY {
                    return Err(InvalidTarget::KeyTooLong);
                }
                Ok(Some(Name { region, key }))
            }
            _ => Ok(None),
        }
    }

    /// Whether there was a `?`.
    #[must_use]
    pub const fn has_query(&self) -> bool {
        self.query.is_some()
    }

    /// The seconds `expiry` gives, clamped to 1..=99,999,999; none if it is absent or junk.
    #[must_use]
    pub fn expiry(&self) -> Option<u32> {
        Query::parse(self.query).expiry
    }

    /// How long a value is to live: [`Target::expiry`], else an hour.
    #[must_use]
    pub fn ttl(&self) -> Duration {
        Query::parse(self.query).ttl()
    }

    /// Whether a write is to be spread: `recurse` is absent or exactly `1`.
    #[must_use]
    pub fn recurse(&self) -> bool {
        Query::parse(self.query).recurse
    }
}

impl fmt::Display for InvalidTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "malformed percent-encoding",
            Self::TooDeep => "too many path segments",
            Self::KeyTooLong => "key too long",
        })
    }
}

impl core::error::Error for InvalidTarget {}

/// Percent-decodes a segment.
fn decode(segment: &[u8]) -> Result<Cow<'_, [u8]>, InvalidTarget> {
    let Some(first) = find(segment, [b'%']) else {
        return Ok(Cow::Borrowed(segment));
    };
    let mut decoded = Vec::with_capacity(segment.len());
    let (plain, mut rest) = segment.split_at_checked(first).unwrap_or_default();
    decoded.extend_from_slice(plain);
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte == b'%' {
            decoded.push(escape(after).ok_or(InvalidTarget::Malformed)?);
            rest = after.get(2..).unwrap_or_default();
        } else {
            decoded.push(*byte);
        }
    }
    Ok(Cow::Owned(decoded))
}

/// The byte whose two hex digits begin `text`.
pub(super) fn escape(text: &[u8]) -> Option<u8> {
    let digit = |at| char::from(*text.get(at)?).to_digit(16);
    let value = digit(0)?.saturating_mul(16).saturating_add(digit(1)?);
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_plain_key_is_the_key(path in "/(london|lond|londonx|x)?/(k|/|%|%41|\\?|é|x{10}){0,3}", long: bool) {
            let tail = if long { "x".repeat(Target::MAX_KEY - 8) } else { Default::default() };
            let path = [path, tail].concat();
            let target = Target::parse(path.as_bytes(), None);
            let name = target.as_ref().map(Target::key);
            let key = Target::plain_key(path.as_bytes(), "london");
            if let Some(key) = key {
                prop_assert_eq!(name, Ok(Ok(Some(Name { region: b"london", key }))));
            } else if let Ok(Ok(Some(Name { region: b"london", key }))) = name {
                // There was more to it.
                prop_assert!(path.len() != key.len().saturating_add(8));
            }
        }
    }
}
