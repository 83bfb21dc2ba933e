//! The bodies of answers. Numbers are big-endian, lengths and the like LEB128, seven bits a byte, the
//! lowest first.

use alloc::vec::Vec;

use crate::cache::{BUCKETS, Digest};
use crate::http::Target;
use crate::{NodeId, Region, Version};

/// The first byte of every body.
const VERSION: u8 = 1;
/// In a digest's second byte: the node has itself compared with another one.
const SETTLED: u8 = 1;
/// Bytes of a page before its records.
const HEAD: usize = 16;
/// What a record has beside key, value and origin, at most.
const NUMBERS: usize = 64;
/// `next` of the last page.
const END: u64 = u64::MAX;
/// No life is longer, in milliseconds.
const MAX_REMAINING: u64 = Target::MAX_EXPIRY as u64 * 1000;

const VALUE: u8 = 0;
const TOMBSTONE: u8 = 1;
const LEFT_OUT: u8 = 2;

/// The body is none of these, or breaks a bound. Nothing of it is to be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed;

/// The answer to `GET /_zc/1/digest`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DigestBody {
    /// Whether the node has itself compared with another one, or had none to compare with.
    pub settled: bool,
    /// Records it holds.
    pub records: u64,
    /// What they weigh.
    pub weight: u64,
    /// Their digest.
    pub digest: Digest,
}

impl DigestBody {
    /// Bytes on the wire.
    pub const LEN: usize = 24 + 8 * BUCKETS;

    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::LEN);
        out.extend_from_slice(&[VERSION, u8::from(self.settled), 0, 0, 0, 0, 0, 0]);
        out.extend_from_slice(&self.records.to_be_bytes());
        out.extend_from_slice(&self.weight.to_be_bytes());
        for bucket in self.digest.buckets() {
            out.extend_from_slice(&bucket.to_be_bytes());
        }
        out
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader(body);
        let [VERSION, flags, ..] = reader.array::<8>()? else {
            return Err(Malformed);
        };
        let (records, weight) = (reader.u64()?, reader.u64()?);
        let mut digest = Digest::new();
        for bucket in digest.buckets_mut() {
            *bucket = reader.u64()?;
        }
        reader.end()?;
        Ok(Self {
            settled: flags & SETTLED != 0,
            records,
            weight,
            digest,
        })
    }
}

/// A record in a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageRecord<'a> {
    /// Where it lies, to ask for it.
    pub position: u64,
    /// Its key: 1 to [`Target::MAX_KEY`] bytes.
    pub key: &'a [u8],
    /// Its version.
    pub version: Version,
    /// The region it was written in: a valid name.
    pub origin: &'a str,
    /// The rest.
    pub body: Body<'a>,
}

/// What a page says of a record's state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Body<'a> {
    /// It is this value.
    Value {
        /// How long it has to live: milliseconds, rounded down.
        remaining: u64,
        /// The value.
        value: &'a [u8],
    },
    /// The key was deleted.
    Tombstone {
        /// How long that is to be remembered: milliseconds, rounded down.
        remaining: u64,
    },
    /// It is a value, not told here.
    LeftOut {
        /// The value's bytes.
        len: u64,
    },
}

/// A page in the making.
pub(super) struct PageWriter {
    out: Vec<u8>,
    limit: usize,
    position: u64,
    /// Where the name of the last record's origin is in `out`.
    origin: (usize, usize),
}

impl PageWriter {
    /// A page of at most so many bytes, or one record.
    pub(super) fn new(limit: usize) -> Self {
        let mut out = Vec::with_capacity(4096);
        out.extend_from_slice(&[VERSION, 0, 0, 0, 0, 0, 0, 0]);
        out.extend_from_slice(&END.to_be_bytes());
        Self {
            out,
            limit,
            position: 0,
            origin: (0, 0),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.out.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.out.len() <= HEAD
    }

    /// Whether a record with so many bytes of key and value still fits in.
    pub(super) fn fits(&self, key: usize, value: usize) -> bool {
        let size = [key, value, Region::MAX_LEN, NUMBERS];
        let size = size.into_iter().fold(self.out.len(), usize::saturating_add);
        self.is_empty() || size <= self.limit
    }

    /// Adds a record that lies behind those before it. The value's bytes, if there are any, may also
    /// follow as [`append`](Self::append), as long as nothing comes between.
    pub(super) fn push(&mut self, record: &PageRecord<'_>, value_len: usize) {
        self.out.push(match record.body {
            Body::Value { .. } => VALUE,
            Body::Tombstone { .. } => TOMBSTONE,
            Body::LeftOut { .. } => LEFT_OUT,
        });
        self.number(record.position.saturating_sub(self.position));
        self.position = record.position;
        self.out
            .extend_from_slice(&record.version.clock.to_be_bytes());
        let node = record.version.node.to_bits();
        self.out.extend_from_slice(&node.to_be_bytes());
        self.name(record.origin.as_bytes());
        self.number(record.key.len() as u64);
        self.out.extend_from_slice(record.key);
        match record.body {
            Body::Value { remaining, value } => {
                self.number(remaining);
                self.number(value_len as u64);
                self.out.extend_from_slice(value);
            }
            Body::Tombstone { remaining } => self.number(remaining),
            Body::LeftOut { len } => self.number(len),
        }
    }

    pub(super) fn append(&mut self, value: &[u8]) {
        self.out.extend_from_slice(value);
    }

    pub(super) fn finish(mut self, next: Option<u64>) -> Vec<u8> {
        let next = next.unwrap_or(END).to_be_bytes();
        if let Some(slot) = self.out.get_mut(8..HEAD) {
            slot.copy_from_slice(&next);
        }
        self.out
    }

    /// A region's name, or an empty one if it is that of the record before.
    fn name(&mut self, name: &[u8]) {
        let last = self.out.get(self.origin.0..self.origin.1);
        if last == Some(name) {
            return self.out.push(0);
        }
        self.out.push(u8::try_from(name.len()).unwrap_or(0));
        let begin = self.out.len();
        self.out.extend_from_slice(name);
        self.origin = (begin, self.out.len());
    }

    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.out.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.out.push(number as u8);
    }
}

/// The answer to `GET /_zc/1/records`, read and found to be right.
#[derive(Clone, Copy, Debug)]
pub struct PageBody<'a> {
    records: &'a [u8],
    /// How many records there are.
    pub len: usize,
    /// Where the next page begins; `None` at the end.
    pub next: Option<u64>,
}

impl<'a> PageBody<'a> {
    /// Reads a page to its end.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader(body);
        let [VERSION, ..] = reader.array::<8>()? else {
            return Err(Malformed);
        };
        let next = Some(reader.u64()?).filter(|next| *next != END);
        let mut page = Self {
            records: reader.0,
            len: 0,
            next,
        };
        let mut records = page.records();
        while !records.reader.0.is_empty() {
            let record = records.read()?;
            if next.is_some_and(|next| record.position >= next) {
                return Err(Malformed);
            }
            page.len = page.len.saturating_add(1);
        }
        Ok(page)
    }

    /// The records, in order of their positions.
    #[must_use]
    pub const fn records(&self) -> PageRecords<'a> {
        PageRecords {
            reader: Reader(self.records),
            position: None,
            origin: None,
        }
    }
}

/// The records of a page.
#[derive(Clone, Debug)]
pub struct PageRecords<'a> {
    reader: Reader<'a>,
    position: Option<u64>,
    origin: Option<&'a str>,
}

impl<'a> PageRecords<'a> {
    fn read(&mut self) -> Result<PageRecord<'a>, Malformed> {
        let reader = &mut self.reader;
        let [kind] = reader.array()?;
        let step = reader.number()?;
        let position = match self.position {
            None => step,
            Some(_) if step == 0 => return Err(Malformed),
            Some(last) => last.checked_add(step).ok_or(Malformed)?,
        };
        let version = Version {
            clock: reader.u64()?,
            node: NodeId::from_bits(u32::from_be_bytes(reader.array()?)),
        };
        let [len] = reader.array()?;
        let origin = match (len, self.origin) {
            (0, Some(origin)) => origin,
            _ => {
                let name = core::str::from_utf8(reader.take(len.into())?);
                name.ok()
                    .filter(|name| Region::is_valid(name))
                    .ok_or(Malformed)?
            }
        };
        let len = reader.number()?;
        if len == 0 || len > Target::MAX_KEY as u64 {
            return Err(Malformed);
        }
        let key = reader.take(len)?;
        let body = match kind {
            VALUE => {
                let remaining = reader.remaining()?;
                let len = reader.number()?;
                let value = reader.take(len)?;
                Body::Value { remaining, value }
            }
            TOMBSTONE => Body::Tombstone {
                remaining: reader.remaining()?,
            },
            LEFT_OUT => Body::LeftOut {
                len: reader.number()?,
            },
            _ => return Err(Malformed),
        };
        self.position = Some(position);
        self.origin = Some(origin);
        Ok(PageRecord {
            position,
            key,
            version,
            origin,
            body,
        })
    }
}

impl<'a> Iterator for PageRecords<'a> {
    type Item = PageRecord<'a>;

    fn next(&mut self) -> Option<PageRecord<'a>> {
        // The page has been read once already, and was right.
        self.read().ok()
    }
}

/// What is left to read.
#[derive(Clone, Copy, Debug)]
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: u64) -> Result<&'a [u8], Malformed> {
        let len = usize::try_from(len).map_err(|_| Malformed)?;
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    fn number(&mut self) -> Result<u64, Malformed> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let [byte] = self.array()?;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit.
            if shift == 63 && bits > 1 {
                return Err(Malformed);
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Malformed)
    }

    fn remaining(&mut self) -> Result<u64, Malformed> {
        self.number().map(|remaining| remaining.min(MAX_REMAINING))
    }

    const fn end(&self) -> Result<(), Malformed> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Malformed)
        }
    }
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
