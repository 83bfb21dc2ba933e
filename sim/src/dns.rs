//! A datagram of multicast DNS, as far as its manners are concerned: written anew, and not with the
//! core's reader, which is what is watched.

use std::net::SocketAddr;

use zerocache_proto::NodeId;

/// A datagram on its way: read once, for all who hear it.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) source: SocketAddr,
    /// It goes to all on the link.
    pub(crate) multicast: bool,
    pub(crate) payload: Vec<u8>,
    /// What it says; `None` if it is no message.
    pub(crate) message: Option<Message>,
}

impl Parcel {
    pub(crate) fn new(source: SocketAddr, multicast: bool, payload: Vec<u8>) -> Self {
        Self {
            message: Message::read(&payload),
            source,
            multicast,
            payload,
        }
    }
}

/// What a datagram says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Message {
    pub(crate) is_answer: bool,
    /// Whether it asks for anything.
    pub(crate) asks: bool,
    /// Whether it tells what the sender would like to be called (RFC 6762 §8.2).
    pub(crate) probes: bool,
    pub(crate) answers: Vec<Record>,
}

/// A record: who it is, and how long it is to live.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Record {
    /// Its name, type and, if others share those, data.
    pub(crate) what: Vec<u8>,
    pub(crate) kind: u16,
    pub(crate) ttl: u32,
}

pub(crate) const PTR: u16 = 12;

impl Record {
    /// Whether it names this node's instance.
    pub(crate) fn is_of(&self, node: NodeId) -> bool {
        let label = node.to_string();
        self.what
            .windows(label.len())
            .any(|part| part == label.as_bytes())
    }
}

impl Message {
    /// Reads one; `None` if it is none.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader { bytes, at: 2 };
        let flags = reader.u16()?;
        let [questions, answers, authorities, _] =
            [reader.u16()?, reader.u16()?, reader.u16()?, reader.u16()?];
        for _ in 0..questions {
            reader.name()?;
            reader.skip(4)?;
        }
        let answers: Option<Vec<_>> = (0..answers).map(|_| reader.record()).collect();
        Some(Self {
            is_answer: flags & 0x8000 != 0,
            asks: questions > 0,
            probes: authorities > 0,
            answers: answers?,
        })
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn skip(&mut self, count: usize) -> Option<()> {
        self.at += count;
        (self.at <= self.bytes.len()).then_some(())
    }

    fn u16(&mut self) -> Option<u16> {
        let two = self.bytes.get(self.at..self.at + 2)?;
        self.at += 2;
        Some(u16::from_be_bytes(two.try_into().ok()?))
    }

    fn record(&mut self) -> Option<Record> {
        let mut what = self.name()?;
        let kind = self.u16()?;
        self.skip(2)?;
        let ttl = u32::from(self.u16()?) << 16 | u32::from(self.u16()?);
        let len = usize::from(self.u16()?);
        let end = self.at + len;
        what.extend_from_slice(&kind.to_be_bytes());
        if kind == PTR {
            what.extend(self.name()?);
        }
        self.at = 0;
        self.skip(end)?;
        Some(Record { what, kind, ttl })
    }

    /// A name, in lower case and without compression.
    fn name(&mut self) -> Option<Vec<u8>> {
        let (mut name, mut at, mut jumped) = (Vec::new(), self.at, false);
        loop {
            let length = *self.bytes.get(at)?;
            if length >= 0xc0 {
                let to = usize::from(length & 0x3f) << 8 | usize::from(*self.bytes.get(at + 1)?);
                if !jumped {
                    self.at = at + 2;
                }
                if to >= at {
                    return None;
                }
                (at, jumped) = (to, true);
                continue;
            }
            let label = self.bytes.get(at + 1..at + 1 + usize::from(length))?;
            name.push(length);
            name.extend(label.iter().map(u8::to_ascii_lowercase));
            at += 1 + label.len();
            if length == 0 {
                if !jumped {
                    self.at = at;
                }
                return Some(name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_through_its_compression() {
        let mut bytes = vec![0, 0, 0x84, 0, 0, 0, 0, 2, 0, 0, 0, 0];
        bytes.extend(b"\x02_X\x00\x00\x0c\x00\x01\x00\x00\x11\x94\x00\x05\x02ab\xc0\x0c");
        bytes.extend(b"\xc0\x1a\x00\x01\x80\x01\x00\x00\x00\x00\x00\x04\x0a\x01\x00\x01");
        let message = Message::read(&bytes).expect("a message");
        assert!(message.is_answer && !message.asks && !message.probes);
        let [pointer, address] = &message.answers[..] else {
            panic!("{message:?}")
        };
        assert_eq!((pointer.kind, pointer.ttl), (PTR, 4_500));
        assert_eq!(pointer.what, b"\x02_x\x00\x00\x0c\x02ab\x02_x\x00");
        assert_eq!((address.kind, address.ttl), (1, 0));
        assert_eq!(Message::read(&bytes[..40]), None);
        let mut circle = bytes;
        circle[12] = 0xc0;
        circle[13] = 12;
        assert_eq!(Message::read(&circle), None);
    }
}
