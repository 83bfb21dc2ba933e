//! What look-ups and puts answer.

use crate::block::Value;
use crate::evicted::Evicted;
use crate::nodes::Node;

/// An entry a look-up lends.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a, M> {
    /// Its key.
    pub key: &'a [u8],
    /// Its value.
    pub value: Value<'a>,
    /// What the caller keeps with it.
    pub meta: &'a M,
    /// When it expires, in milliseconds; `u64::MAX`: never.
    pub expires: u64,
}

impl<'a, M> Entry<'a, M> {
    #[inline]
    pub(crate) fn new(node: &'a Node<M>, expires: u64) -> Self {
        let (key, value) = node.split();
        Self {
            key,
            value,
            meta: &node.meta,
            expires,
        }
    }
}

/// What a put did.
#[derive(Debug)]
pub struct Put<M> {
    /// Whether the value is stored. It is not if its time was over already; an older value under
    /// the key is gone then all the same.
    pub stored: bool,
    /// Whether a live value under the key had to go for it.
    pub replaced: bool,
    /// The note of the entry that was under the key until now, live or not. One that was found
    /// expired on the way is among `evicted` instead.
    pub before: Option<M>,
    /// What it drove out. Drop it where no lock is held.
    pub evicted: Evicted<M>,
}
