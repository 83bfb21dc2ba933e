//! What leaves the store goes to the caller, who frees it where no lock is held.

use alloc::boxed::Box;
use alloc::vec::{self, Vec};
use core::fmt;
use core::iter::{Chain, Filter};
use core::option;
use core::slice;

use crate::block::Value;
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
    /// `None`: it did not leave, it was given another value, and this is the old one.
    pub(crate) cause: Option<Cause>,
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
        self.cause.unwrap_or(Cause::Taken)
    }

    /// Whether it is more than the old bytes of an entry that is still there.
    fn has_left(&self) -> bool {
        self.cause.is_some()
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
            .field("cause", &self.cause())
            .finish()
    }
}

/// The entries one call drove out, in the order they went.
///
/// None or one, the common cases, are held without an allocation. It also carries the bytes of a
/// value that was replaced, which is not one of the entries, only to be freed with them.
pub struct Evicted<M> {
    first: Option<Removed<M>>,
    #[expect(
        clippy::box_collection,
        reason = "rarely there, and one word to look at"
    )]
    rest: Option<Box<Vec<Removed<M>>>>,
}

impl<M> Evicted<M> {
    #[inline]
    pub(crate) fn new() -> Self {
        Self {
            first: None,
            rest: None,
        }
    }

    #[inline(always)]
    pub(crate) fn push(&mut self, removed: Removed<M>) {
        if self.first.is_none() {
            self.first = Some(removed);
        } else {
            self.push_more(removed);
        }
    }

    #[cold]
    fn push_more(&mut self, removed: Removed<M>) {
        self.rest.get_or_insert_default().push(removed);
    }

    /// How many entries went.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether none went.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// The entries, in the order they went.
    pub fn iter(&self) -> Iter<'_, M> {
        let rest = self.rest.as_ref().map_or(&[][..], |rest| rest);
        let all = self.first.iter().chain(rest);
        all.filter(|removed| removed.has_left())
    }
}

/// Iterator over borrowed [`Evicted`] entries.
pub type Iter<'a, M> = Filter<
    Chain<option::Iter<'a, Removed<M>>, slice::Iter<'a, Removed<M>>>,
    fn(&&'a Removed<M>) -> bool,
>;
/// Iterator over owned [`Evicted`] entries.
pub type IntoIter<M> =
    Filter<Chain<option::IntoIter<Removed<M>>, vec::IntoIter<Removed<M>>>, fn(&Removed<M>) -> bool>;

impl<M> IntoIterator for Evicted<M> {
    type Item = Removed<M>;
    type IntoIter = IntoIter<M>;

    fn into_iter(self) -> IntoIter<M> {
        let rest = self.rest.map_or_else(Vec::new, |rest| *rest);
        let all = self.first.into_iter().chain(rest);
        all.filter(Removed::has_left)
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
