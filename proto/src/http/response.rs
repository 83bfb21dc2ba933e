//! A response, and how its head is read.

use core::mem::MaybeUninit;

use bytes::Bytes;

use super::fields::{Ambiguous, Connection, Framing, has_bare_lf};
use super::limits::MAX_HEADERS;
use super::{ClientLimits, Error};
use crate::NodeId;

/// A whole response.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Response {
    /// 200..=999; interim responses are never seen.
    pub status: u16,
    /// The body; empty if there is none.
    pub body: Bytes,
    /// `Zc-Node`: who answered.
    pub node: Option<NodeId>,
    /// Whether the peer keeps the connection.
    pub keep_alive: bool,
}

/// A whole head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) len: usize,
    pub(super) status: u16,
    pub(super) framing: Framing,
    pub(super) node: Option<NodeId>,
    pub(super) keep_alive: bool,
}

/// Reads the head at the start of `bytes`; none if it is not whole.
pub(super) fn parse(bytes: &[u8], limits: &ClientLimits) -> Result<Option<Head>, Error> {
    let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let headers = headers
        .get_mut(..limits.max_headers.min(MAX_HEADERS))
        .unwrap_or_default();
    let mut response = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    match config.parse_response_with_uninit_headers(&mut response, bytes, headers) {
        Ok(httparse::Status::Complete(len)) => {
            let head = bytes.get(..len).unwrap_or_default();
            if has_bare_lf(head) {
                return Err(Error::Malformed);
            }
            accept(&response, len).map(Some)
        }
        Ok(httparse::Status::Partial) => Ok(None),
        Err(httparse::Error::TooManyHeaders) => Err(Error::TooLarge),
        Err(_) => Err(Error::Malformed),
    }
}

fn accept(response: &httparse::Response<'_, '_>, len: usize) -> Result<Head, Error> {
    let status = response.code.unwrap_or_default();
    if status < 100 {
        return Err(Error::Malformed);
    }
    let http10 = response.version == Some(0);
    let mut framing = Framing::Unsaid;
    let mut connection = Connection::default();
    let mut node = None;
    for header in response.headers.iter() {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        match header.name.len() {
            7 if is("zc-node") => {
                let text = core::str::from_utf8(header.value).unwrap_or_default();
                node = text.split(' ').next().and_then(|id| id.parse().ok());
            }
            10 if is("connection") => connection.options(header.value),
            14 if is("content-length") => framing = framing.length(header.value)?,
            17 if is("transfer-encoding") => framing = framing.coding(header.value)?,
            _ => {}
        }
    }
    if http10 && framing == Framing::Chunked {
        return Err(Error::Malformed);
    }
    Ok(Head {
        len,
        status,
        framing,
        node,
        keep_alive: connection.persists(http10),
    })
}

impl From<Ambiguous> for Error {
    fn from(Ambiguous: Ambiguous) -> Self {
        Self::Malformed
    }
}
