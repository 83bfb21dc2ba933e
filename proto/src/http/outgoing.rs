//! Requests to send.

use alloc::vec::Vec;
use core::fmt::{self, Write};
use core::net::SocketAddr;
use core::ops::Range;

use bytes::Bytes;

use super::{Decimal, push_hex};
use crate::{Region, Version};

/// What a request says beside method, target and body.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options<'a> {
    /// `expiry=<seconds>`
    pub expiry: Option<u32>,
    /// `recurse=0`: keep it, do not spread it.
    pub local: bool,
    /// `recurse=1`: spread it everywhere. That is what a node does with a write of its own region
    /// anyway; one of another region would take a request without a query for a stock node's copy.
    pub spread: bool,
    /// `Zc-Version`
    pub version: Option<Version>,
    /// `Zc-Node`; left out if it has bytes that a field must not have.
    pub node: Option<&'a str>,
    /// `Connection: close`
    pub close: bool,
}

/// The longest body that is sent behind its head, in bytes.
const JOINED: usize = 16 << 10;

/// An address as the field `Host` has it, for many requests.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Host(Vec<u8>);

impl From<SocketAddr> for Host {
    fn from(addr: SocketAddr) -> Self {
        let mut text = Vec::new();
        push_host(&mut text, addr);
        Self(text)
    }
}

/// A request ready to be sent: its head as bytes, its body shared.
///
/// A body always goes with its `Content-Length`, an empty one with 0: stock peers refuse the
/// chunked coding.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outgoing {
    pub(super) head: Vec<u8>,
    /// Where the host stands in it.
    host: Range<usize>,
    pub(super) body: Bytes,
    /// The answer to HEAD has a length and no body.
    pub(super) head_only: bool,
}

impl Outgoing {
    /// `GET /<region>/<key>`
    #[must_use]
    pub fn get(host: SocketAddr, region: &Region, key: &[u8], options: &Options<'_>) -> Self {
        Self::keyed("GET", Some(host), region, key, None, options)
    }

    /// `HEAD /<region>/<key>`
    #[must_use]
    pub fn head(host: SocketAddr, region: &Region, key: &[u8], options: &Options<'_>) -> Self {
        Self::keyed("HEAD", Some(host), region, key, None, options)
    }

    /// `PUT /<region>/<key>`
    #[must_use]
    pub fn put(
        host: SocketAddr,
        region: &Region,
        key: &[u8],
        value: Bytes,
        options: &Options<'_>,
    ) -> Self {
        let length = Some(value.len());
        let mut outgoing = Self::keyed("PUT", Some(host), region, key, length, options);
        outgoing.body = value;
        outgoing
    }

    /// The same with a copy of the value, for whatever host it is [written for](Self::write_for).
    #[must_use]
    pub(crate) fn put_anywhere(
        region: &Region,
        key: &[u8],
        value: &[u8],
        options: &Options<'_>,
    ) -> Self {
        let length = Some(value.len());
        let mut outgoing = Self::keyed("PUT", None, region, key, length, options);
        outgoing.head.extend_from_slice(value);
        outgoing
    }

    /// `DELETE /<region>/<key>`
    #[must_use]
    pub fn delete(host: SocketAddr, region: &Region, key: &[u8], options: &Options<'_>) -> Self {
        Self::keyed("DELETE", Some(host), region, key, None, options)
    }

    /// The same for whatever host it is [written for](Self::write_for).
    #[must_use]
    pub(crate) fn delete_anywhere(region: &Region, key: &[u8], options: &Options<'_>) -> Self {
        Self::keyed("DELETE", None, region, key, None, options)
    }

    /// `GET` of a path of the node's own, such as `/ping`. Bytes that no target may have are
    /// percent-encoded.
    #[must_use]
    pub fn path(host: SocketAddr, path: &str, options: &Options<'_>) -> Self {
        let mut head = Vec::with_capacity(128);
        head.extend_from_slice(b"GET ");
        if !path.starts_with('/') {
            head.push(b'/');
        }
        encode(&mut head, path.as_bytes(), |byte| {
            byte.is_ascii_graphic() && byte != b'#'
        });
        Self::finish(head, Some(host), None, options)
    }

    /// The bytes before the body.
    #[must_use]
    pub fn head_bytes(&self) -> &[u8] {
        &self.head
    }

    /// The body.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// Appends the whole request to `out`, as it is for another host.
    pub fn write_for(&self, host: &Host, out: &mut Vec<u8>) {
        let length = self.head.len().saturating_add(self.body.len());
        out.reserve(length.saturating_add(host.0.len()));
        out.extend_from_slice(self.head.get(..self.host.start).unwrap_or_default());
        out.extend_from_slice(&host.0);
        out.extend_from_slice(self.head.get(self.host.end..).unwrap_or_default());
        out.extend_from_slice(&self.body);
    }

    /// Puts a small body behind the head: one write, and one segment, instead of two. To copy is
    /// cheaper than to gather up to far longer bodies than these.
    pub(super) fn join(&mut self) {
        if self.body.len() <= JOINED {
            self.head.extend_from_slice(&self.body);
            self.body = Bytes::new();
        }
    }

    fn keyed(
        method: &str,
        host: Option<SocketAddr>,
        region: &Region,
        key: &[u8],
        body: Option<usize>,
        options: &Options<'_>,
    ) -> Self {
        let joined = body.filter(|length| *length <= JOINED).unwrap_or(0);
        let mut head = Vec::with_capacity(key.len().saturating_add(joined).saturating_add(224));
        head.extend_from_slice(method.as_bytes());
        head.extend_from_slice(b" /");
        segment(&mut head, region.as_str().as_bytes());
        head.push(b'/');
        segment(&mut head, key);
        let mut mark = b'?';
        if let Some(expiry) = options.expiry {
            head.push(core::mem::replace(&mut mark, b'&'));
            head.extend_from_slice(b"expiry=");
            head.extend_from_slice(Decimal::new(expiry as usize).digits());
        }
        if options.local {
            head.push(mark);
            head.extend_from_slice(b"recurse=0");
        } else if options.spread {
            head.push(mark);
            head.extend_from_slice(b"recurse=1");
        }
        let mut outgoing = Self::finish(head, host, body, options);
        outgoing.head_only = method == "HEAD";
        outgoing
    }

    fn finish(
        mut head: Vec<u8>,
        host: Option<SocketAddr>,
        body: Option<usize>,
        options: &Options<'_>,
    ) -> Self {
        let agent = concat!(
            "\r\nUser-Agent: zerocache/",
            env!("CARGO_PKG_VERSION"),
            "\r\n"
        );
        head.extend_from_slice(b" HTTP/1.1\r\nHost: ");
        let start = head.len();
        if let Some(host) = host {
            push_host(&mut head, host);
        }
        let host = start..head.len();
        head.extend_from_slice(agent.as_bytes());
        if let Some(version) = options.version {
            head.extend_from_slice(b"Zc-Version: ");
            push_hex(&mut head, version.clock, 16);
            head.push(b'-');
            push_hex(&mut head, version.node.to_bits().into(), 8);
            head.extend_from_slice(b"\r\n");
        }
        if let Some(node) = options.node.filter(|node| is_field_value(node)) {
            for part in ["Zc-Node: ", node, "\r\n"] {
                head.extend_from_slice(part.as_bytes());
            }
        }
        if options.close {
            head.extend_from_slice(b"Connection: close\r\n");
        }
        if let Some(length) = body {
            head.extend_from_slice(b"Content-Length: ");
            Decimal::push_with_end(length, &mut head);
        } else {
            head.extend_from_slice(b"\r\n");
        }
        Self {
            head,
            host,
            body: Bytes::new(),
            head_only: false,
        }
    }
}

/// Appends `address:port`. Formatting took a third of the time to make a request.
fn push_host(out: &mut Vec<u8>, host: SocketAddr) {
    match host {
        SocketAddr::V4(v4) => {
            for (i, octet) in v4.ip().octets().into_iter().enumerate() {
                if i > 0 {
                    out.push(b'.');
                }
                out.extend_from_slice(Decimal::new(octet.into()).digits());
            }
            out.push(b':');
            out.extend_from_slice(Decimal::new(v4.port().into()).digits());
        }
        SocketAddr::V6(v6) => {
            let _ = write!(Text(out), "{v6}");
        }
    }
}

/// Appends a path segment. `.` and `..` are encoded too, or they would be walked.
fn segment(out: &mut Vec<u8>, bytes: &[u8]) {
    let dots = matches!(bytes, b"." | b"..");
    encode(out, bytes, |byte| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'_' | b'~')
            || (byte == b'.' && !dots)
    });
}

/// Appends `bytes`, percent-encoded (RFC 3986 §2.1) but for those to `keep`.
fn encode(out: &mut Vec<u8>, bytes: &[u8], keep: impl Fn(u8) -> bool) {
    if bytes.iter().all(|byte| keep(*byte)) {
        return out.extend_from_slice(bytes);
    }
    for byte in bytes {
        if keep(*byte) {
            out.push(*byte);
        } else {
            out.push(b'%');
            for digit in [byte >> 4, byte & 0x0f] {
                let digit = char::from_digit(digit.into(), 16).unwrap_or('0');
                out.push(digit.to_ascii_uppercase() as u8);
            }
        }
    }
}

/// Whether the text can stand in a field without ending it (RFC 9110 §5.5).
fn is_field_value(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| matches!(byte, b' '..=b'~' | 0x80..))
}

/// Bytes as a place to format to; takes whatever it is given.
struct Text<'a>(&'a mut Vec<u8>);

impl Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}
