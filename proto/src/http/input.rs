//! The read buffer: what has arrived and is not consumed, and room for more.

use alloc::{vec, vec::Vec};

/// The shortest buffer made.
const LEAST: usize = 256;

/// Bytes `start..end` of `buf` are unread, `end..` is room. No memory is held until it is lent.
#[derive(Default)]
pub(super) struct Input {
    buf: Vec<u8>,
    start: usize,
    end: usize,
}

impl Input {
    /// What has arrived and is not consumed.
    pub(super) fn unread(&self) -> &[u8] {
        self.buf.get(self.start..self.end).unwrap_or_default()
    }

    pub(super) const fn len(&self) -> usize {
        self.end.saturating_sub(self.start)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Where the unread bytes begin; see [`Input::consumed`].
    pub(super) const fn position(&self) -> usize {
        self.start
    }

    /// Bytes from a former [`Input::position`] on: consumed ones stay until room is next lent.
    pub(super) fn consumed(&self, position: usize) -> &[u8] {
        self.buf.get(position..).unwrap_or_default()
    }

    pub(super) fn consume(&mut self, n: usize) {
        self.start = self.start.saturating_add(n).min(self.end);
    }

    /// Room for more, in a buffer of at least `size` bytes; none when the buffer is full.
    #[inline]
    pub(super) fn room(&mut self, size: usize) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.buf.len() >= size {
                return &mut self.buf;
            }
        }
        self.make_room(size);
        self.buf.get_mut(self.end..).unwrap_or_default()
    }

    /// The same for no more than `most` bytes: as long as they fit in, the buffer need not have its `size`.
    pub(super) fn room_for(&mut self, most: usize, size: usize) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        let wanted = self.end.saturating_add(most);
        if wanted > size {
            return self.room(size);
        }
        if self.buf.len() < wanted {
            let length = wanted.checked_next_power_of_two().unwrap_or(size);
            self.make_room(length.max(LEAST).min(size));
        }
        self.buf.get_mut(self.end..).unwrap_or_default()
    }

    #[inline(never)]
    fn make_room(&mut self, size: usize) {
        let full = self.buf.len().saturating_sub(self.end) < self.buf.len() / 2;
        if self.start > 0 && full {
            self.buf.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.len());
        }
        if self.buf.is_empty() {
            // Zeroed by the allocator, not by us.
            self.buf = vec![0; size];
        } else if self.buf.len() < size {
            self.buf.resize(size, 0);
        }
    }

    /// `n` bytes of the room have been filled.
    pub(super) fn fill(&mut self, n: usize) {
        self.end = self.end.saturating_add(n).min(self.buf.len());
    }

    /// Forgets what is unread.
    pub(super) const fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    /// Gives the memory back if nothing is unread.
    pub(super) fn release(&mut self) {
        if self.is_empty() {
            *self = Self::default();
        }
    }

    /// Bytes of memory held.
    pub(super) fn held(&self) -> usize {
        self.buf.capacity()
    }
}
