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

use super::scan::find;
use crate::Duration;

/// Segments a path may have; more name nothing.
const MAX_SEGMENTS: usize = 3;
/// Digits beyond which Python reads no integer.
const MAX_DIGITS: usize = 4300;
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
        integer(&self.parameter(b"expiry")?)
    }

    /// How long a value is to live: [`Target::expiry`], else an hour.
    #[must_use]
    pub fn ttl(&self) -> Duration {
        Duration::from_secs(self.expiry().unwrap_or(Self::DEFAULT_EXPIRY).into())
    }

    /// Whether a write is to be spread: `recurse` is absent or exactly `1`.
    #[must_use]
    pub fn recurse(&self) -> bool {
        self.parameter(b"recurse")
            .is_none_or(|value| *value == b"1"[..])
    }

    /// The decoded value of the last parameter of that name.
    #[must_use]
    pub fn parameter(&self, name: &[u8]) -> Option<Cow<'a, [u8]>> {
        let pairs = self.query?.rsplit(|byte| *byte == b'&');
        for pair in pairs.filter(|pair| !pair.is_empty()) {
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            if *form_decode(halves.next().unwrap_or_default()) == *name {
                return Some(form_decode(halves.next().unwrap_or_default()));
            }
        }
        None
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

/// The byte whose two hex digits begin `text`.
fn escape(text: &[u8]) -> Option<u8> {
    let digit = |at| char::from(*text.get(at)?).to_digit(16);
    let value = digit(0)?.saturating_mul(16).saturating_add(digit(1)?);
    u8::try_from(value).ok()
}

/// An integer as Python's `int()` reads one: space around it, a sign, digits with single
/// underscores between them.
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
    let value = if negative { 0 } else { value };
    Some(value.clamp(1, Target::MAX_EXPIRY))
}
