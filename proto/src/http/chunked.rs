//! The chunked transfer coding (RFC 9112 §7.1), decoded as it arrives.
//!
//! ```text
//! Size ─▶ (SizeSpace ─▶ ExtensionName ─▶ Extension) ─▶ SizeEnd ─▶ Data ─▶ DataCr ─▶ DataLf ─▶ Size
//!                                                         │ size 0
//!                                                         ▼
//!            TrailerStart ─▶ TrailerName ─▶ TrailerValue ─▶ TrailerEnd ─▶ TrailerStart
//!                 └─▶ LastLf ─▶ Done
//! ```
//!
//! Nothing of extensions and trailers is kept, all of it is checked: controls and bare line feeds
//! anywhere are how smuggled requests hide.

use super::fields::is_token;
use super::limits::{MAX_CHUNK_EXTRAS, MAX_CHUNK_LINE};

/// Where in the coding the next byte is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum At {
    /// The digits of a size; `true` once there is one.
    Size(bool),
    /// Space that only an extension may follow.
    SizeSpace,
    /// Behind a semicolon; `true` once the extension has a name.
    ExtensionName(bool),
    Extension,
    SizeEnd,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerEnd,
    LastLf,
    Done,
}

/// Why a body is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Error {
    /// Not the chunked coding.
    Malformed,
    /// A chunk line, or all extensions and trailers, are too long.
    Extras,
    /// The body is longer than it may be; known before it is read.
    TooLarge,
}

/// What comes next in the input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Piece {
    /// `skip` bytes of coding, then the input has ended.
    More { skip: usize },
    /// `skip` bytes of coding, then data: [`Decoder::remaining`] bytes of it.
    Data { skip: usize },
    /// `skip` bytes of coding, and that was the end of the body.
    End { skip: usize },
}

/// A decoder of one body.
pub(super) struct Decoder {
    at: At,
    /// Of the chunk: its size while that is read, then its bytes to come.
    remaining: usize,
    /// Bytes of the body that further chunks may have.
    allowed: usize,
    line: usize,
    extras: usize,
}

impl Decoder {
    /// For a body of at most `max` bytes.
    pub(super) const fn new(max: usize) -> Self {
        Self {
            at: At::Size(false),
            remaining: 0,
            allowed: max,
            line: 0,
            extras: 0,
        }
    }

    /// Bytes of the present chunk still to come.
    pub(super) const fn remaining(&self) -> usize {
        match self.at {
            At::Data => self.remaining,
            _ => 0,
        }
    }

    /// Reads the coding at the start of `bytes`, up to data or the end.
    pub(super) fn decode(&mut self, bytes: &[u8]) -> Result<Piece, Error> {
        if self.at == At::Data {
            return Ok(Piece::Data { skip: 0 });
        }
        for (at, byte) in bytes.iter().enumerate() {
            self.step(*byte)?;
            let skip = at.saturating_add(1);
            match self.at {
                At::Data => return Ok(Piece::Data { skip }),
                At::Done => return Ok(Piece::End { skip }),
                _ => {}
            }
        }
        Ok(Piece::More { skip: bytes.len() })
    }

    /// `n` bytes of data have been taken.
    pub(super) const fn take(&mut self, n: usize) {
        self.remaining = self.remaining.saturating_sub(n);
        if self.remaining == 0 {
            self.at = At::DataCr;
        }
    }

    fn step(&mut self, byte: u8) -> Result<(), Error> {
        self.count()?;
        self.at = match (self.at, byte) {
            (At::Size(_), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => self.digit(byte)?,
            (At::Size(true) | At::Extension | At::ExtensionName(true), b'\r') => At::SizeEnd,
            (At::Size(true), b' ' | b'\t') => At::SizeSpace,
            (At::SizeSpace | At::ExtensionName(false), b' ' | b'\t') => self.at,
            (At::Size(true) | At::SizeSpace | At::ExtensionName(true), b';') => {
                At::ExtensionName(false)
            }
            (At::ExtensionName(_), byte) if is_token(byte) => At::ExtensionName(true),
            (At::ExtensionName(true) | At::Extension, byte) if is_text(byte) => At::Extension,
            (At::SizeEnd, b'\n') => self.size_ends()?,
            (At::DataCr, b'\r') => At::DataLf,
            (At::DataLf, b'\n') => self.line_starts(At::Size(false)),
            (At::TrailerStart, b'\r') => At::LastLf,
            (At::TrailerStart | At::TrailerName, byte) if is_token(byte) => At::TrailerName,
            (At::TrailerName, b':') => At::TrailerValue,
            (At::TrailerValue, b'\r') => At::TrailerEnd,
            (At::TrailerValue, byte) if is_text(byte) => At::TrailerValue,
            (At::TrailerEnd, b'\n') => At::TrailerStart,
            (At::LastLf, b'\n') => At::Done,
            _ => return Err(Error::Malformed),
        };
        Ok(())
    }

    /// One more byte of a line, or of what nobody needs.
    const fn count(&mut self) -> Result<(), Error> {
        match self.at {
            At::Size(_) | At::SizeSpace | At::ExtensionName(_) | At::Extension | At::SizeEnd => {
                self.line = self.line.saturating_add(1);
            }
            _ => {}
        }
        match self.at {
            At::Size(_) | At::SizeEnd | At::Data | At::DataCr | At::DataLf | At::LastLf => {}
            _ => self.extras = self.extras.saturating_add(1),
        }
        if self.line > MAX_CHUNK_LINE || self.extras > MAX_CHUNK_EXTRAS {
            return Err(Error::Extras);
        }
        Ok(())
    }

    fn digit(&mut self, byte: u8) -> Result<At, Error> {
        let digit = char::from(byte).to_digit(16).ok_or(Error::Malformed)?;
        let digit = usize::try_from(digit).map_err(|_| Error::Malformed)?;
        self.remaining = self.remaining.saturating_mul(16).saturating_add(digit);
        Ok(At::Size(true))
    }

    /// The size is whole: refuse what is too much before any of it is read.
    fn size_ends(&mut self) -> Result<At, Error> {
        if self.remaining == 0 {
            return Ok(self.line_starts(At::TrailerStart));
        }
        self.allowed = self
            .allowed
            .checked_sub(self.remaining)
            .ok_or(Error::TooLarge)?;
        Ok(At::Data)
    }

    const fn line_starts(&mut self, at: At) -> At {
        self.line = 0;
        at
    }
}

/// A byte that may stand in an extension or a field's value.
const fn is_text(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}
