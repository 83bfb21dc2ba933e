//! Where key and value bytes lie.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Deref;

use bytes::Bytes;

/// Values up to this many bytes are copied into one allocation with their key; larger ones stay
/// [`Bytes`] of their own.
pub const INLINE_MAX: usize = 4096;

/// A value a look-up lends.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// A small value, lying behind its key: copy it out.
    Inline(&'a [u8]),
    /// A large value: cloning it copies no bytes.
    Shared(&'a Bytes),
}

impl<'a> Value<'a> {
    /// The bytes, for as long as the store is lent.
    #[must_use]
    pub fn as_slice(self) -> &'a [u8] {
        match self {
            Self::Inline(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }

    /// The value as an owner of its own: a copy of a small one, a clone of a large one.
    #[must_use]
    pub fn to_bytes(self) -> Bytes {
        match self {
            Self::Inline(bytes) => Bytes::copy_from_slice(bytes),
            Self::Shared(bytes) => bytes.clone(),
        }
    }
}

impl Deref for Value<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl AsRef<[u8]> for Value<'_> {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

/// A value to be stored.
#[derive(Clone, Debug)]
pub enum NewValue<'a> {
    /// Borrowed: it is copied, whatever its size.
    Copy(&'a [u8]),
    /// Owned: copied up to [`INLINE_MAX`], kept as it is above. A kept value pins the whole buffer
    /// it was cut from, so cut it from none.
    Shared(Bytes),
}

impl NewValue<'_> {
    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Self::Copy(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

impl<'a> From<&'a [u8]> for NewValue<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Copy(bytes)
    }
}

impl From<Bytes> for NewValue<'_> {
    fn from(bytes: Bytes) -> Self {
        Self::Shared(bytes)
    }
}

/// Key and value of one entry. The key's length is kept outside, where a free half-word is.
pub(crate) enum Block {
    /// The key, then the value.
    Packed(Box<[u8]>),
    /// A value that is its own.
    Split(Box<Split>),
}

pub(crate) struct Split {
    key: Box<[u8]>,
    value: Bytes,
}

impl Block {
    /// Holds nothing, allocates nothing.
    pub(crate) fn empty() -> Self {
        Self::Packed(Box::default())
    }

    #[inline(always)]
    pub(crate) fn new(key: &[u8], value: NewValue<'_>) -> Self {
        let bytes = value.as_slice();
        if bytes.len() > INLINE_MAX {
            return Self::split_off(key, value);
        }
        let mut block = Vec::with_capacity(key.len() + bytes.len());
        block.extend_from_slice(key);
        block.extend_from_slice(bytes);
        Self::Packed(block.into_boxed_slice())
    }

    #[cold]
    fn split_off(key: &[u8], value: NewValue<'_>) -> Self {
        let value = match value {
            NewValue::Copy(bytes) => Bytes::copy_from_slice(bytes),
            NewValue::Shared(bytes) => bytes,
        };
        Self::Split(Box::new(Split {
            key: key.into(),
            value,
        }))
    }

    /// Puts `value` in the place of the one held, if it fits exactly; answers whether it did.
    pub(crate) fn overwrite(&mut self, key_len: usize, value: &[u8]) -> bool {
        match self {
            Self::Packed(block) => match block.get_mut(key_len..) {
                Some(old) if old.len() == value.len() => {
                    old.copy_from_slice(value);
                    true
                }
                _ => false,
            },
            Self::Split(_) => false,
        }
    }

    /// Key and value.
    #[inline]
    pub(crate) fn split(&self, key_len: usize) -> (&[u8], Value<'_>) {
        match self {
            Self::Packed(block) => {
                let (key, value) = block.split_at(key_len);
                (key, Value::Inline(value))
            }
            Self::Split(split) => (&split.key, Value::Shared(&split.value)),
        }
    }
}

/// Whether two keys are the same: up to 32 bytes without a call.
#[inline(always)]
pub(crate) fn is_same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    match one.len() {
        8..=16 => have_same_ends::<8>(one, other),
        17..=32 => have_same_ends::<16>(one, other),
        _ => one == other,
    }
}

/// Whether the first bytes are the same and the last ones, which in twice as many are all.
#[inline(always)]
fn have_same_ends<const N: usize>(one: &[u8], other: &[u8]) -> bool {
    let first = one.first_chunk::<N>().zip(other.first_chunk());
    let last = one.last_chunk::<N>().zip(other.last_chunk());
    first.is_some_and(|(one, other)| one == other) && last.is_some_and(|(one, other)| one == other)
}
