//! What leaves the store goes to the caller, who frees it where no lock is held.

use alloc::vec::{self, Vec};
use core::fmt;
use core::iter::Chain;
use core::option;
use core::slice;

use crate::block::{Block, Value};
use crate::nodes::Node;

/// Why an entry left the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Its time was over.
    Expired,
    /// It was the least recently used one, and its room was needed.
    Evicted,
    /// The caller took it out.
    Taken,
}

/// An entry that has left the store.
pub struct Removed<M> {
    pub(crate) node: Node<M>,
    pub(crate) expires: u64,
    pub(crate) cause: Cause,
}

impl<M> Removed<M> {
    /// Its key.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        self.node.split().0
    }

    /// Its value.
    #[must_use]
    pub fn value(&self) -> Value<'_> {
        self.node.split().1
    }

    /// What the caller kept with it.
    #[must_use]
    pub fn meta(&self) -> &M {
        &self.node.meta
    }

    /// When it expires or expired, in milliseconds; `u64::MAX`: never.
    #[must_use]
    pub fn expires(&self) -> u64 {
        self.expires
    }

    /// What it weighed.
    #[must_use]
    pub fn weight(&self) -> u64 {
        u64::from(self.node.weight)
    }

    /// Why it left.
    #[must_use]
    pub fn cause(&self) -> Cause {
        self.cause
    }
}

impl<M: fmt::Debug> fmt::Debug for Removed<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Removed")
            .field("key", &self.key())
            .field("value", &self.value().as_slice())
            .field("meta", &self.node.meta)
            .field("expires", &self.expires)
            .field("weight", &self.node.weight)
            .field("cause", &self.cause)
            .finish()
    }
}

/// The entries one call drove out, in the order they went.
///
/// None or one, the common cases, are held without an allocation. It also carries the bytes of a
/// value that was replaced, which is not one of the entries, only to be freed with them.
pub struct Evicted<M> {
    first: Option<Removed<M>>,
    rest: Vec<Removed<M>>,
    replaced: Block,
}

impl<M> Evicted<M> {
    pub(crate) fn new() -> Self {
        Self {
            first: None,
            rest: Vec::new(),
            replaced: Block::empty(),
        }
    }

    pub(crate) fn push(&mut self, removed: Removed<M>) {
        if self.first.is_none() {
            self.first = Some(removed);
        } else {
            self.rest.push(removed);
        }
    }

    pub(crate) fn keep(&mut self, replaced: Block) {
        self.replaced = replaced;
    }

    /// How many entries went.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.rest.len()
    }

    /// Whether none went.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// The entries, in the order they went.
    pub fn iter(&self) -> Iter<'_, M> {
        self.first.iter().chain(self.rest.iter())
    }
}

/// Iterator over borrowed [`Evicted`] entries.
pub type Iter<'a, M> = Chain<option::Iter<'a, Removed<M>>, slice::Iter<'a, Removed<M>>>;
/// Iterator over owned [`Evicted`] entries.
pub type IntoIter<M> = Chain<option::IntoIter<Removed<M>>, vec::IntoIter<Removed<M>>>;

impl<M> IntoIterator for Evicted<M> {
    type Item = Removed<M>;
    type IntoIter = IntoIter<M>;

    fn into_iter(self) -> IntoIter<M> {
        self.first.into_iter().chain(self.rest)
    }
}

impl<'a, M> IntoIterator for &'a Evicted<M> {
    type Item = &'a Removed<M>;
    type IntoIter = Iter<'a, M>;

    fn into_iter(self) -> Iter<'a, M> {
        self.iter()
    }
}

impl<M: fmt::Debug> fmt::Debug for Evicted<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}
