//! A body in its own allocation, which grows as bytes arrive, never on trust of a length.

use alloc::{vec, vec::Vec};
use bytes::Bytes;

/// So much is taken without a byte of the body.
const FIRST: usize = 16 << 10;

/// The bytes of a body so far.
///
/// Memory held is never more than [`FIRST`] or four times what has arrived. For an announced
/// length L the sizes are L/4ⁿ .. L/16, L/4, L: the last is exact, so that nothing is shrunk at the
/// end, and all moves together copy less than L/3. Fresh memory instead of a `realloc`: the
/// allocator hands out zeroed pages, where growing in place would zero three quarters by hand.
pub(super) struct BodyBuf {
    buf: Vec<u8>,
    filled: usize,
    max: usize,
}

impl BodyBuf {
    /// An empty body that will never be longer than `max`.
    pub(super) const fn new(max: usize) -> Self {
        Self {
            buf: Vec::new(),
            filled: 0,
            max,
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.filled
    }

    /// Bytes of memory held.
    pub(super) fn reserved(&self) -> usize {
        self.buf.len()
    }

    /// Bytes of memory [`BodyBuf::room`] would take on top of [`BodyBuf::reserved`].
    pub(super) fn wanted_for_room(&self, goal: usize, known: bool) -> usize {
        if self.filled < self.buf.len() || goal <= self.filled {
            return 0;
        }
        let size = self.next_size(goal, known, self.filled.saturating_add(1));
        size.saturating_sub(self.buf.len())
    }

    /// Bytes of memory that [`BodyBuf::push`] would take at most for `n` bytes.
    pub(super) fn wanted_for_push(&self, n: usize) -> usize {
        let len = self.filled.saturating_add(n);
        if len <= self.buf.len() {
            return 0;
        }
        let size = len.saturating_mul(4).max(FIRST).min(self.max);
        size.saturating_sub(self.buf.len())
    }

    /// Room for bytes up to a length of `goal`; `known` says that this is the whole body.
    /// Empty only if the goal is reached.
    pub(super) fn room(&mut self, goal: usize, known: bool) -> &mut [u8] {
        self.room_for(1, goal, known)
    }

    fn room_for(&mut self, n: usize, goal: usize, known: bool) -> &mut [u8] {
        if self.filled >= self.buf.len() && goal > self.filled {
            let len = self.filled.saturating_add(n);
            let mut grown = vec![0; self.next_size(goal, known, len)];
            if let Some(moved) = grown.get_mut(..self.buf.len()) {
                moved.copy_from_slice(&self.buf);
            }
            self.buf = grown;
        }
        let goal = goal.min(self.buf.len());
        self.buf.get_mut(self.filled..goal).unwrap_or_default()
    }

    /// `n` bytes of the room have been filled.
    pub(super) fn fill(&mut self, n: usize) {
        self.filled = self.filled.saturating_add(n).min(self.buf.len());
    }

    /// Takes bytes that were read elsewhere, as far as `goal` allows.
    pub(super) fn push(&mut self, mut bytes: &[u8], goal: usize, known: bool) {
        while !bytes.is_empty() {
            let room = self.room_for(bytes.len(), goal, known);
            let n = room.len().min(bytes.len());
            let (Some(to), Some((now, later))) = (room.get_mut(..n), bytes.split_at_checked(n))
            else {
                return;
            };
            if n == 0 {
                return;
            }
            to.copy_from_slice(now);
            self.fill(n);
            bytes = later;
        }
    }

    /// The body. Copied once more only if its length was unknown and the memory too much.
    pub(super) fn finish(self) -> Bytes {
        if self.filled == self.buf.len() {
            Bytes::from(self.buf)
        } else {
            Bytes::copy_from_slice(self.buf.get(..self.filled).unwrap_or_default())
        }
    }

    /// The size that is to hold `len` bytes now and `goal` in the end.
    fn next_size(&self, goal: usize, known: bool, len: usize) -> usize {
        let mut size = goal;
        while size > FIRST && size.div_ceil(4) >= len {
            size = size.div_ceil(4);
        }
        if known {
            size
        } else {
            // Chunks come by the dozen: grow by factors, not by chunks.
            let grown = self.buf.len().saturating_mul(4).max(FIRST);
            size.max(grown).min(self.max.max(goal))
        }
    }
}
