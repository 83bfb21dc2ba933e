//! What one node asks another.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;
use core::net::SocketAddr;

use super::{Buckets, MAX_ASKED_KEY, MAX_PICKED};
use crate::NodeId;
use crate::http::{Options, Outgoing};

/// A request for what a node holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Query {
    /// `GET /_zc/1/digest`
    Digest,
    /// `GET /_zc/1/digest?owed=…`: the same, of a node that has missed writes of the one that asks, which
    /// no longer remembers which: it had better compare, too.
    Owed {
        /// Who asks.
        by: NodeId,
    },
    /// `GET /_zc/1/records?what=…&from=…&buckets=…`: a page of the records in some buckets.
    Page {
        /// Whether values go with them.
        what: What,
        /// Where the page begins: 0, or what the one before said.
        from: u64,
        /// The buckets.
        buckets: Buckets,
    },
    /// `GET /_zc/1/records?at=…`: the records at these positions, whole.
    Picked {
        /// The positions, ascending: 1 to [`MAX_PICKED`].
        at: Vec<u64>,
    },
    /// `GET /_zc/1/records?key=…`: the record of this key, whole, however little of its life is left.
    Key {
        /// The key, decoded: 1 to [`MAX_ASKED_KEY`] bytes.
        key: Vec<u8>,
    },
}

/// What is told of a record with a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// All but the value and the end of its life.
    Versions,
    /// All of it.
    Values,
}

impl Query {
    /// The request for it, with the asking node's `Zc-Node`.
    #[must_use]
    pub fn request(&self, host: SocketAddr, hello: &str) -> Outgoing {
        let options = Options {
            node: Some(hello),
            ..Options::default()
        };
        Outgoing::path(host, &self.path(), &options)
    }

    /// Path and query.
    #[must_use]
    pub fn path(&self) -> String {
        let mut path = String::from("/_zc/1/");
        match self {
            Self::Digest => path.push_str("digest"),
            Self::Owed { by } => {
                let _ = write!(path, "digest?owed={by}");
            }
            Self::Page {
                what,
                from,
                buckets,
            } => {
                let what = match what {
                    What::Versions => "versions",
                    What::Values => "values",
                };
                // Writing to a string does not fail.
                let _ = write!(path, "records?what={what}&from={from:x}");
                if *buckets != Buckets::ALL {
                    path.push_str("&buckets=");
                    buckets.write(&mut path);
                }
            }
            Self::Picked { at } => {
                path.push_str("records?at=");
                let mut last = 0;
                for (n, position) in at.iter().enumerate() {
                    let mark = if n == 0 { "" } else { "." };
                    let step = position.saturating_sub(last);
                    let _ = write!(path, "{mark}{step:x}");
                    last = *position;
                }
            }
            Self::Key { key } => {
                path.push_str("records?key=");
                for byte in key {
                    let _ = write!(path, "{byte:02x}");
                }
            }
        }
        path
    }

    /// Reads the query of `/_zc/1/digest`. What it does not know there is a hint it does without.
    #[must_use]
    pub fn digest(query: &[u8]) -> Self {
        let by = query.strip_prefix(b"owed=");
        let by = by.and_then(|by| core::str::from_utf8(by).ok()?.parse().ok());
        by.map_or(Self::Digest, |by| Self::Owed { by })
    }

    /// Reads the query of `/_zc/1/records`; `None` if it is none.
    #[must_use]
    pub fn records(query: &[u8]) -> Option<Self> {
        let (mut what, mut from, mut buckets) = (None, 0, Buckets::ALL);
        let (mut at, mut key) = (None, None);
        for pair in query.split(|byte| *byte == b'&') {
            let eq = pair.iter().position(|byte| *byte == b'=')?;
            let (name, value) = pair.split_at_checked(eq)?;
            let value = value.get(1..)?;
            match name {
                b"what" => {
                    what = Some(match value {
                        b"versions" => What::Versions,
                        b"values" => What::Values,
                        _ => return None,
                    });
                }
                b"from" => from = hex(value)?,
                b"buckets" => buckets = Buckets::read(value)?,
                b"at" => at = Some(positions(value)?),
                b"key" => key = Some(bytes(value)?),
                // One of a later version, which asks for what there is not here.
                _ => return None,
            }
        }
        match (what, at, key) {
            (Some(what), None, None) => Some(Self::Page {
                what,
                from,
                buckets,
            }),
            (None, Some(at), None) => Some(Self::Picked { at }),
            (None, None, Some(key)) => Some(Self::Key { key }),
            _ => None,
        }
    }
}

/// The first position, and steps of at least one to the others.
fn positions(text: &[u8]) -> Option<Vec<u64>> {
    let mut at = Vec::new();
    let mut last: u64 = 0;
    for (n, step) in text.split(|byte| *byte == b'.').enumerate() {
        let step = hex(step)?;
        if n >= MAX_PICKED || (step == 0 && n > 0) {
            return None;
        }
        last = last.checked_add(step)?;
        at.push(last);
    }
    Some(at)
}

/// A key, two hex digits a byte.
fn bytes(text: &[u8]) -> Option<Vec<u8>> {
    let (pairs, rest) = (text.chunks_exact(2), text.len() % 2);
    if rest != 0 || text.is_empty() || pairs.len() > MAX_ASKED_KEY {
        return None;
    }
    pairs.map(|pair| u8::try_from(hex(pair)?).ok()).collect()
}

/// A number of up to 16 hex digits.
fn hex(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 16 {
        return None;
    }
    text.iter().try_fold(0_u64, |value, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some((value << 4) | u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    fn reads_back(query: &Query) {
        let path = query.path();
        let (path, text) = path.split_once('?').unwrap();
        assert_eq!(path, "/_zc/1/records");
        assert_eq!(Query::records(text.as_bytes()).as_ref(), Some(query));
        assert!(text.len() < 8000);
    }

    #[test]
    fn queries_read_back() {
        let mut some = vec![b'0'; 256];
        some[3] = b'a';
        for buckets in [Buckets::ALL, Buckets::read(&some).unwrap()] {
            for (what, from) in [(What::Versions, 0), (What::Values, u64::MAX)] {
                reads_back(&Query::Page {
                    what,
                    from,
                    buckets,
                });
            }
        }
        reads_back(&Query::Picked { at: vec![0] });
        reads_back(&Query::Picked {
            at: vec![7, 8, u64::MAX],
        });
        let far = (0..MAX_PICKED as u64).map(|n| n << 40).collect();
        reads_back(&Query::Picked { at: far });
        for key in [&b"k"[..], b"\0/&=%\xff", &[b'x'; MAX_ASKED_KEY]] {
            reads_back(&Query::Key { key: key.to_vec() });
        }
    }

    #[test]
    fn who_is_owed_is_told_by_whom() {
        let by = NodeId::from_bits(0xab_cdef);
        let path = Query::Owed { by }.path();
        assert_eq!(path, "/_zc/1/digest?owed=00abcdef");
        assert_eq!(Query::digest(b"owed=00abcdef"), Query::Owed { by });
        for other in [
            "",
            "owed",
            "owed=",
            "owed=xyz",
            "more=1",
            "owed=00abcdef&more=1",
        ] {
            assert_eq!(Query::digest(other.as_bytes()), Query::Digest, "{other}");
        }
    }

    #[test]
    fn anything_else_is_none() {
        let many = std::format!("at={}", ["1"; MAX_PICKED + 1].join("."));
        let long = std::format!("key={}", "61".repeat(MAX_ASKED_KEY + 1));
        for bad in [
            "",
            "what",
            "what=",
            "what=all",
            "from=0",
            "what=values&from=",
            "what=values&from=-1",
            "what=values&from=12345678901234567",
            "what=values&at=1",
            "what=values&buckets=0",
            "what=values&more=1",
            "at=",
            "at=1..2",
            "at=1.0",
            "at=ffffffffffffffff.1",
            "at=x",
            &many,
            "key=",
            "key=6",
            "key=6g",
            "key=+1",
            "key=61&at=1",
            "what=values&key=61",
            &long,
        ] {
            assert_eq!(Query::records(bad.as_bytes()), None, "{bad}");
        }
        assert!(Query::records(b"what=values").is_some());
        assert!(Query::records(b"at=0.1").is_some());
    }
}
