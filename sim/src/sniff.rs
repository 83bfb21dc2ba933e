//! What the messages on a connection say, as far as the invariants want to know.
//!
//! Processes write each head in one piece, so that not much of it need be parsed.

use zerocache_proto::Version;

use crate::model::writer;

/// What a request asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum What {
    Ping,
    Members,
    Get,
    Put,
    Delete,
    Other,
}

/// A request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Asked {
    pub(crate) what: What,
    /// The key's number.
    pub(crate) key: Option<u32>,
    /// Whether it is to go no further.
    pub(crate) local: bool,
    /// The version, if it is a node's copy.
    pub(crate) version: Option<Version>,
    /// How long the value is to live, in seconds.
    pub(crate) expiry: Option<u32>,
    /// The operation that wrote the value.
    pub(crate) write: Option<u64>,
}

impl Asked {
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let head = &bytes[..bytes.len().min(600)];
        let line = &head[..line_end(head).unwrap_or(head.len())];
        let line = std::str::from_utf8(line).unwrap_or_default();
        let mut words = line.split(' ');
        let (method, target) = (
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
        );
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let key = path.rsplit('/').next().and_then(key_number);
        let what = match (method, path, key) {
            ("GET", "/ping", _) => What::Ping,
            ("GET", "/_zc/1/members", _) => What::Members,
            ("GET", _, Some(_)) => What::Get,
            ("PUT", ..) => What::Put,
            ("DELETE", ..) => What::Delete,
            _ => What::Other,
        };
        let version = matches!(what, What::Put | What::Delete)
            .then(|| version(head))
            .flatten();
        Self {
            what,
            key,
            local: query.contains("recurse=0"),
            version,
            expiry: query
                .split('&')
                .find_map(|part| part.strip_prefix("expiry=")?.parse().ok()),
            write: (what == What::Put)
                .then(|| body(bytes))
                .flatten()
                .and_then(writer),
        }
    }
}

impl Asked {
    /// Its body, or a part of that, comes by itself.
    pub(crate) fn body(&mut self, bytes: &[u8]) {
        if self.what == What::Put {
            self.write = self.write.or_else(|| writer(bytes));
        }
    }
}

/// The length of the message that begins here, head and body; `None` if it has none to be read.
pub(crate) fn length(bytes: &[u8]) -> Option<usize> {
    let head = bytes.get(..head_end(bytes)?)?;
    std::str::from_utf8(head).ok()?;
    let body = match field(head, b"Content-Length: ") {
        Some(length) => std::str::from_utf8(length).ok()?.parse().ok()?,
        None => 0,
    };
    Some(head.len() + body)
}

/// Where the head ends that begins here, with its empty line.
fn head_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += line_end(bytes.get(at..)?)?;
        if bytes.get(at..at + 4)? == b"\r\n\r\n" {
            return Some(at + 4);
        }
        at += 1;
    }
}

/// The value of the first field called so.
fn field<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut rest = head;
    loop {
        rest = rest.get(line_end(rest)? + 1..)?;
        let value = rest
            .strip_prefix(b"\n")
            .and_then(|line| line.strip_prefix(name));
        if let Some(value) = value {
            return value.get(..line_end(value)?);
        }
    }
}

/// Where the first carriage return is: eight bytes at a time, since all that is said is searched for it.
fn line_end(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    let mut at = 0;
    while let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        // A byte that is zero borrows from its highest bit.
        let word = u64::from_le_bytes(*word) ^ (ONES * b'\r' as u64);
        let zeros = word.wrapping_sub(ONES) & !word & (ONES << 7);
        if zeros > 0 {
            return Some(at + zeros.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let rest = bytes.get(at..)?.iter();
    Some(at + rest.clone().position(|byte| *byte == b'\r')?)
}

/// The status of an answer; `None` if the bytes do not begin one.
pub(crate) fn status(bytes: &[u8]) -> Option<u16> {
    let rest = bytes.strip_prefix(b"HTTP/1.")?;
    std::str::from_utf8(rest.get(2..5)?).ok()?.parse().ok()
}

/// The text of a key.
pub(crate) fn key_text(key: u32) -> String {
    format!("k{key}")
}

fn key_number(segment: &str) -> Option<u32> {
    segment.strip_prefix('k')?.parse().ok()
}

fn body(message: &[u8]) -> Option<&[u8]> {
    message.get(head_end(message)?..)
}

fn version(head: &[u8]) -> Option<Version> {
    let value = field(head, b"Zc-Version: ")?;
    std::str::from_utf8(value).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_as_they_are_written() {
        let copy = b"PUT /r1/k12?expiry=5&recurse=0 HTTP/1.1\r\nHost: 10.0.0.1:6789\r\nZc-Version: 018bcfe568000001-000000bb\r\nContent-Length: 1\r\n\r\nv";
        let asked = Asked::read(copy);
        assert_eq!(
            (asked.what, asked.key, asked.local),
            (What::Put, Some(12), true)
        );
        assert_eq!(
            asked.version.map(|v| v.to_string()).as_deref(),
            Some("018bcfe568000001-000000bb")
        );
        let asked = Asked::read(b"GET /ping HTTP/1.1\r\n\r\n");
        assert_eq!((asked.what, asked.version), (What::Ping, None));
        assert_eq!(status(b"HTTP/1.1 404 Not Found\r\n"), Some(404));
        assert_eq!(status(b"404"), None);
        assert_eq!(length(copy), Some(copy.len()));
        assert_eq!(length(b"GET /ping HTTP/1.1\r\n\r\n"), Some(22));
        assert_eq!(length(b"GET /ping"), None);
    }
}
