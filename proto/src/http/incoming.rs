//! A body on its way into an allocation of its own.

use bytes::Bytes;

use super::body::BodyBuf;
use super::chunked::{Decoder, Error, Piece};
use super::input::Input;

/// Less of a chunk than this is not worth a read of its own.
const MIN_DIRECT: usize = 4 << 10;

/// How the end of a body is told.
pub(super) enum Coding {
    /// By its length.
    Length(usize),
    /// By its last chunk.
    Chunked(Decoder),
    /// By the end of the connection (responses only).
    UntilClose,
}

/// The body so far, and how much there is to come.
pub(super) struct Incoming {
    body: BodyBuf,
    coding: Coding,
    max: usize,
}

impl Incoming {
    /// Nothing yet of a body of at most `max` bytes.
    pub(super) const fn new(coding: Coding, max: usize) -> Self {
        Self {
            body: BodyBuf::new(max),
            coding,
            max,
        }
    }

    /// Whether the end of the connection is the end of the body.
    pub(super) const fn until_close(&self) -> bool {
        matches!(self.coding, Coding::UntilClose)
    }

    /// Bytes of memory held.
    pub(super) fn reserved(&self) -> usize {
        self.body.reserved()
    }

    /// Bytes of memory that the next `n` bytes read would take at most, those that are read into
    /// the input, or all that fit if they are read to their place.
    pub(super) fn wanted(&self, n: usize) -> usize {
        if self.is_direct() {
            let goal = self.goal(self.direct());
            self.body.wanted_for_room(goal, self.is_known())
        } else {
            self.wanted_for_push(n)
        }
    }

    /// Bytes of memory that `n` bytes read elsewhere would take at most.
    pub(super) fn wanted_for_push(&self, n: usize) -> usize {
        self.body.wanted_for_push(n)
    }

    /// Room to read the socket into: the body's own place. None: read into the input.
    pub(super) fn room(&mut self) -> &mut [u8] {
        let goal = self.goal(self.direct());
        let known = self.is_known();
        self.body.room(goal, known)
    }

    /// Whether there is such room.
    pub(super) fn is_direct(&self) -> bool {
        self.direct() > 0
    }

    /// `n` bytes of the room have been filled.
    pub(super) fn fill(&mut self, n: usize) {
        self.body.fill(n);
        if let Coding::Chunked(decoder) = &mut self.coding {
            decoder.take(n);
        }
    }

    /// Takes what has been read elsewhere; whether the body is whole.
    pub(super) fn take(&mut self, input: &mut Input) -> Result<bool, Error> {
        loop {
            let bytes = input.unread();
            let (skip, remaining) = match &mut self.coding {
                Coding::Length(length) => (0, length.saturating_sub(self.body.len())),
                Coding::UntilClose => (0, self.max.saturating_sub(self.body.len())),
                Coding::Chunked(decoder) => match decoder.decode(bytes)? {
                    Piece::Data { skip } => (skip, decoder.remaining()),
                    Piece::More { skip } => {
                        input.consume(skip);
                        return Ok(false);
                    }
                    Piece::End { skip } => {
                        input.consume(skip);
                        return Ok(true);
                    }
                },
            };
            let data = bytes.get(skip..).unwrap_or_default();
            let data = data.get(..remaining).unwrap_or(data);
            let goal = self.goal(remaining);
            self.body.push(data, goal, self.is_known());
            let taken = data.len();
            input.consume(skip.saturating_add(taken));
            match &mut self.coding {
                Coding::Length(length) => return Ok(self.body.len() >= *length),
                Coding::UntilClose if !input.is_empty() => return Err(Error::TooLarge),
                Coding::UntilClose => return Ok(false),
                Coding::Chunked(_) if taken == 0 => return Ok(false),
                Coding::Chunked(decoder) => decoder.take(taken),
            }
        }
    }

    /// The body, whole or not.
    pub(super) fn finish(&mut self) -> Bytes {
        core::mem::replace(&mut self.body, BodyBuf::new(0)).finish()
    }

    /// Bytes that may be read straight to their place now.
    fn direct(&self) -> usize {
        match &self.coding {
            Coding::Length(length) => length.saturating_sub(self.body.len()),
            Coding::Chunked(decoder) if decoder.remaining() >= MIN_DIRECT => decoder.remaining(),
            Coding::Chunked(_) | Coding::UntilClose => 0,
        }
    }

    /// Whether the length is.
    const fn is_known(&self) -> bool {
        matches!(self.coding, Coding::Length(_))
    }

    const fn goal(&self, remaining: usize) -> usize {
        self.body.len().saturating_add(remaining)
    }
}
