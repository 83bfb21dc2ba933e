//! Values: what of a function's result is stored, and how.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::marker::PhantomData;
use std::time::Duration;

/// Between a function's result and what is stored of it.
#[derive(Debug)]
pub struct Codec<T> {
    /// What to store; `None` for a result that is not to be stored.
    pub(crate) encode: fn(&T) -> Option<Vec<u8>>,
    /// The result back; `None` if the bytes are not of one.
    pub(crate) decode: fn(&[u8]) -> Option<T>,
}

/// Picks the codec of a type: its own methods know `Result` and `Option` under whatever alias, and come
/// before that of `Plain`, which knows all others.
#[derive(Debug)]
pub struct Values<T>(PhantomData<fn() -> T>);

impl<T> Values<T> {
    /// Of this type.
    pub const OF: Self = Self(PhantomData);
}

impl<T, E> Values<Result<T, E>> {
    /// Stores what is `Ok`.
    #[must_use]
    pub fn codec(self) -> Codec<Result<T, E>>
    where
        T: Serialize + DeserializeOwned,
    {
        Codec {
            encode: |result| encode(result.as_ref().ok()?),
            decode: |bytes| decode(bytes).map(Ok),
        }
    }
}

impl<T> Values<Option<T>> {
    /// Stores what is `Some`.
    #[must_use]
    pub fn codec(self) -> Codec<Option<T>>
    where
        T: Serialize + DeserializeOwned,
    {
        Codec {
            encode: |result| encode(result.as_ref()?),
            decode: |bytes| decode(bytes).map(Some),
        }
    }
}

/// The codec of every other type.
pub trait Plain<T> {
    /// Stores all there is.
    fn codec(self) -> Codec<T>
    where
        T: Serialize + DeserializeOwned;
}

impl<T> Plain<T> for Values<T> {
    fn codec(self) -> Codec<T>
    where
        T: Serialize + DeserializeOwned,
    {
        Codec { encode, decode }
    }
}

fn encode<T: Serialize>(value: &T) -> Option<Vec<u8>> {
    postcard::to_stdvec(value).ok()
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let (value, rest) = postcard::take_from_bytes(bytes).ok()?;
    rest.is_empty().then_some(value)
}

/// How a time to live may be given.
#[diagnostic::on_unimplemented(message = "`ttl` is whole seconds (`u32`, `u64`) or a `Duration`")]
pub trait Ttl {
    /// As a length of time.
    fn duration(self) -> Duration;
}

impl Ttl for Duration {
    fn duration(self) -> Duration {
        self
    }
}

impl Ttl for u64 {
    fn duration(self) -> Duration {
        Duration::from_secs(self)
    }
}

impl Ttl for u32 {
    fn duration(self) -> Duration {
        Duration::from_secs(self.into())
    }
}

/// `ttl` as a length of time; storing clamps it to 1 to 99,999,999 s.
pub fn ttl(ttl: impl Ttl) -> Duration {
    ttl.duration()
}

/// Tells the compiler what a block returns, in code that never runs.
#[must_use]
pub fn never<T>() -> T {
    unreachable!("never called")
}

#[cfg(test)]
mod tests {
    use super::{Codec, Plain as _, Values};
    use std::fmt::Debug;

    fn back<T: Debug>(codec: Codec<T>, result: &T) -> Option<T> {
        (codec.decode)(&(codec.encode)(result)?)
    }

    type Alias<T> = Result<T, std::fmt::Error>;

    #[test]
    fn ok_and_some_are_stored_and_nothing_else() {
        assert_eq!(back(Values::<u8>::OF.codec(), &7_u8), Some(7));
        assert_eq!(back(Values::<()>::OF.codec(), &()), Some(()));
        for some in [Some(7_u8), None] {
            assert_eq!(
                back(Values::<Option<u8>>::OF.codec(), &some),
                some.map(Some)
            );
        }
        for ok in [Alias::Ok(7_u8), Err(std::fmt::Error)] {
            assert_eq!(back(Values::<Alias<u8>>::OF.codec(), &ok), ok.ok().map(Ok));
        }
    }

    #[test]
    fn other_bytes_are_no_value() {
        let decode = Values::<(u8, bool)>::OF.codec().decode;
        assert_eq!(decode(&[1, 1]), Some((1, true)));
        for bytes in [&[][..], &[1], &[1, 2], &[1, 1, 1]] {
            assert_eq!(decode(bytes), None);
        }
    }
}
