//! Keys: a function's path, a bar, its arguments by postcard.

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// The longest key that is sent as it is, in bytes. Percent-encoding can make three of each, and the whole has
/// to fit a request's target.
const MAX_PLAIN: usize = 1024;

/// A key in the making.
#[derive(Clone, Debug)]
pub struct Key {
    bytes: Option<Vec<u8>>,
}

impl Key {
    /// Of the function in whose body `here` is declared.
    ///
    /// The name of a local item tells functions apart that `module_path!` does not: associated ones, and
    /// those nested in others.
    #[must_use]
    pub fn of<F>(_here: &F) -> Self {
        let path = std::any::type_name::<F>();
        let path = path.rsplit_once("::").map_or(path, |(path, _here)| path);
        // The body of an async function is a closure.
        let path = path.strip_suffix("::{{closure}}").unwrap_or(path);
        // No path and no type has a bar in it, so where the path ends is never in doubt.
        Self {
            bytes: Some([path.as_bytes(), b"|"].concat()),
        }
    }

    /// Adds a type the function is generic over.
    #[must_use]
    pub fn ty<T: ?Sized>(self) -> Self {
        self.arg(std::any::type_name::<T>())
    }

    /// Adds an argument. Postcard's encodings of one type are prefix-free, so they need nothing in between.
    #[must_use]
    pub fn arg<T: Serialize + ?Sized>(self, arg: &T) -> Self {
        let extended = |bytes: Vec<u8>| postcard::to_extend(arg, bytes).ok();
        Self {
            bytes: self.bytes.and_then(extended),
        }
    }

    /// The key's bytes; `None` if an argument would not be serialized.
    pub(crate) fn finish(self) -> Option<Vec<u8>> {
        let bytes = self.bytes?;
        if bytes.len() <= MAX_PLAIN {
            return Some(bytes);
        }
        // A path has a `::` before the bar, so this is no path.
        let mut hashed = String::from("sha256|");
        for byte in Sha256::digest(&bytes) {
            let _ = write!(hashed, "{byte:02x}");
        }
        Some(hashed.into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, MAX_PLAIN};

    struct Here;

    impl Here {
        fn key() -> Vec<u8> {
            fn here() {}
            Key::of(&here).finish().unwrap()
        }
    }

    fn outer() -> Vec<u8> {
        fn key() -> Vec<u8> {
            fn here() {}
            Key::of(&here).finish().unwrap()
        }
        key()
    }

    fn key() -> Key {
        fn here() {}
        Key::of(&here)
    }

    #[test]
    fn functions_of_one_name_have_keys_of_their_own() {
        let keys = [key().finish().unwrap(), Here::key(), outer()];
        let text = keys.map(|key| String::from_utf8(key).unwrap());
        assert_eq!(
            text,
            [
                "zerocache_decorator::key::tests::key|",
                "zerocache_decorator::key::tests::Here::key|",
                "zerocache_decorator::key::tests::outer::key|",
            ]
        );
    }

    #[test]
    fn arguments_are_told_apart() {
        let keys = [
            key().arg("ab").arg("c"),
            key().arg("a").arg("bc"),
            key().arg("abc").arg(""),
            key().arg(&Some("a")).arg("bc"),
            key().ty::<u8>().arg(&1_u8),
            key().ty::<i8>().arg(&1_i8),
        ];
        let mut keys = keys.map(|key| key.finish().unwrap());
        keys.sort();
        assert!(keys.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn a_long_key_is_hashed_and_still_its_own() {
        let [a, b] = ["a", "b"].map(|end| format!("{}{end}", "x".repeat(MAX_PLAIN)));
        let [a, b] = [a, b].map(|arg| key().arg(&arg).finish().unwrap());
        assert_ne!(a, b);
        assert_eq!(a.len(), "sha256|".len() + 64);
    }
}
