//! Nodes by number, in chunks, and the recency list threaded through them.
//!
//! Place 0 is the list's sentinel: its `next` is the most recent entry, its `prev` the least
//! recent, so no link is ever at an end. Free places form a list of their own through `next`.
//! Chunks are never moved nor doubled: growing costs one chunk, and memory stays what it was.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::block::Block;
use crate::evicted::{Cause, Removed};

const CHUNK_BITS: u32 = 10;
const CHUNK: usize = 1 << CHUNK_BITS;

/// The sentinel's place, and "no place" in the list of free ones.
pub(crate) const SENTINEL: u32 = 0;

/// Not on the wheel: see [`crate::wheel`] for the other values of a node's `earlier`.
pub(crate) const UNTIMED: u32 = u32::MAX;

pub(crate) struct Node<M> {
    /// When it expires; `u64::MAX`: never.
    pub(crate) expires: u64,
    pub(crate) block: Block,
    pub(crate) key_len: u32,
    /// The low half of the key's hash.
    pub(crate) hash: u32,
    /// Towards the most recent.
    prev: u32,
    /// Towards the least recent.
    next: u32,
    /// Neighbours in the wheel's slot.
    pub(crate) earlier: u32,
    pub(crate) later: u32,
    pub(crate) weight: u32,
    pub(crate) meta: M,
}

impl<M: Copy> Node<M> {
    fn vacant(next: u32, filler: M) -> Self {
        Self {
            expires: 0,
            block: Block::empty(),
            key_len: 0,
            hash: 0,
            prev: SENTINEL,
            next,
            earlier: UNTIMED,
            later: UNTIMED,
            weight: 0,
            meta: filler,
        }
    }

    pub(crate) fn key(&self) -> &[u8] {
        self.block.key(self.key_len)
    }
}

pub(crate) struct Slab<M> {
    chunks: Vec<Box<[Node<M>; CHUNK]>>,
    free: u32,
    len: usize,
}

impl<M: Copy> Slab<M> {
    pub(crate) const fn new() -> Self {
        Self {
            chunks: Vec::new(),
            free: SENTINEL,
            len: 0,
        }
    }

    /// Entries held.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn node(&self, place: u32) -> &Node<M> {
        &self.chunks[(place >> CHUNK_BITS) as usize][place as usize % CHUNK]
    }

    #[inline]
    pub(crate) fn node_mut(&mut self, place: u32) -> &mut Node<M> {
        &mut self.chunks[(place >> CHUNK_BITS) as usize][place as usize % CHUNK]
    }

    /// Puts an entry in a free place, as the most recent one, on no wheel.
    pub(crate) fn insert(
        &mut self,
        hash: u32,
        key_len: u32,
        block: Block,
        weight: u32,
        meta: M,
        expires: u64,
    ) -> u32 {
        if self.free == SENTINEL {
            self.grow(meta);
        }
        let place = self.free;
        let node = self.node_mut(place);
        let free = node.next;
        node.expires = expires;
        node.block = block;
        node.key_len = key_len;
        node.hash = hash;
        node.weight = weight;
        node.meta = meta;
        self.free = free;
        self.len += 1;
        self.link_first(place);
        place
    }

    /// Takes an entry, which must be off the wheel, out of its place.
    pub(crate) fn remove(&mut self, place: u32, cause: Cause) -> Removed<M> {
        self.unlink(place);
        let free = self.free;
        let node = self.node_mut(place);
        let removed = Removed {
            block: core::mem::replace(&mut node.block, Block::empty()),
            key_len: core::mem::take(&mut node.key_len),
            weight: node.weight,
            expires: node.expires,
            meta: node.meta,
            cause,
        };
        node.next = free;
        self.free = place;
        self.len -= 1;
        removed
    }

    /// Makes an entry the most recent one.
    #[inline]
    pub(crate) fn promote(&mut self, place: u32) {
        // The head again: nothing to write, which in a hot cache is often.
        if self.node(place).prev == SENTINEL {
            return;
        }
        self.unlink(place);
        self.link_first(place);
    }

    /// The most recent entry.
    pub(crate) fn newest(&self) -> Option<u32> {
        (self.len > 0).then(|| self.node(SENTINEL).next)
    }

    /// The least recent entry.
    pub(crate) fn oldest(&self) -> Option<u32> {
        (self.len > 0).then(|| self.node(SENTINEL).prev)
    }

    /// The entry less recent than `place` by one.
    pub(crate) fn older(&self, place: u32) -> Option<u32> {
        let next = self.node(place).next;
        (next != SENTINEL).then_some(next)
    }

    #[inline]
    fn unlink(&mut self, place: u32) {
        let node = self.node(place);
        let (prev, next) = (node.prev, node.next);
        self.node_mut(prev).next = next;
        self.node_mut(next).prev = prev;
    }

    #[inline]
    fn link_first(&mut self, place: u32) {
        let sentinel = self.node_mut(SENTINEL);
        let first = sentinel.next;
        sentinel.next = place;
        self.node_mut(first).prev = place;
        let node = self.node_mut(place);
        node.prev = SENTINEL;
        node.next = first;
    }

    /// Adds a chunk of free places. `filler` only fills them: a place's own comes with its entry.
    #[cold]
    fn grow(&mut self, filler: M) {
        let base = (self.chunks.len() << CHUNK_BITS) as u32;
        let first = if base == SENTINEL { 1 } else { base };
        let end = base + CHUNK as u32;
        let nodes: Vec<Node<M>> = (base..end)
            .map(|place| match place {
                SENTINEL => Node::vacant(SENTINEL, filler),
                _ if place + 1 == end => Node::vacant(SENTINEL, filler),
                _ => Node::vacant(place + 1, filler),
            })
            .collect();
        let Ok(chunk) = nodes.try_into() else {
            unreachable!("a chunk has CHUNK nodes");
        };
        self.chunks.push(chunk);
        self.free = first;
    }
}
