//! The half of each place that is read only once its key has been looked for there.
//!
//! Chunks are never moved nor doubled: growing costs one chunk.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::{Index, IndexMut};

use crate::block::{Block, Value};

const CHUNK_BITS: u32 = 10;
pub(crate) const CHUNK: u32 = 1 << CHUNK_BITS;

/// How many places there are once so many entries have one, and the sentinel.
pub(crate) const fn places_for(entries: usize) -> usize {
    entries.saturating_add(1).next_multiple_of(CHUNK as usize)
}

/// In this order: what a look-up reads lies together.
#[repr(C)]
pub(crate) struct Node<M> {
    pub(crate) block: Block,
    pub(crate) key_len: u32,
    pub(crate) weight: u32,
    pub(crate) meta: M,
}

impl<M> Node<M> {
    /// Key and value.
    #[inline]
    pub(crate) fn split(&self) -> (&[u8], Value<'_>) {
        self.block.split(self.key_len as usize)
    }
}

pub(crate) struct Nodes<M>(Vec<Box<[Node<M>; CHUNK as usize]>>);

impl<M: Copy> Nodes<M> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a chunk of empty nodes; `filler` is what they hold until they are put to use.
    pub(crate) fn extend(&mut self, filler: M) {
        let nodes: Vec<Node<M>> = (0..CHUNK)
            .map(|_| Node {
                block: Block::empty(),
                meta: filler,
                key_len: 0,
                weight: 0,
            })
            .collect();
        let Ok(chunk) = nodes.try_into() else {
            unreachable!("a chunk has CHUNK nodes");
        };
        self.0.push(chunk);
    }
}

impl<M> Index<u32> for Nodes<M> {
    type Output = Node<M>;

    #[inline]
    fn index(&self, place: u32) -> &Node<M> {
        &self.0[(place >> CHUNK_BITS) as usize][(place % CHUNK) as usize]
    }
}

impl<M> IndexMut<u32> for Nodes<M> {
    #[inline]
    fn index_mut(&mut self, place: u32) -> &mut Node<M> {
        &mut self.0[(place >> CHUNK_BITS) as usize][(place % CHUNK) as usize]
    }
}
