//! A request, and how its head is read.

mod plain;

use core::mem::MaybeUninit;

use bytes::Bytes;

use super::Limits;
use super::fields::{Ambiguous, Connection, Framing, has_bare_lf, is_token};
use super::limits::MAX_HEADERS;
use super::scan::find;
use super::status::Status;
use crate::Version;

/// What a request asks for. Methods are case-sensitive (RFC 9110 §9.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Method {
    /// `GET`
    #[default]
    Get,
    /// `HEAD`: as GET, answered without the body.
    Head,
    /// `PUT`
    Put,
    /// `DELETE`
    Delete,
    /// Any other: 405 or 501 is for the service to say.
    Other,
}

/// One request; what it borrows is valid until the connection is next used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request<'a> {
    /// The method.
    pub method: Method,
    /// The target's path, still percent-encoded. It begins with `/`, but for `OPTIONS *`.
    pub path: &'a [u8],
    /// What follows the first `?`, still encoded.
    pub query: Option<&'a [u8]>,
    /// The whole body; empty if there is none.
    pub body: Body<'a>,
    /// `Zc-Version`: the write is a copy of one that was stamped already.
    pub version: Option<Version>,
    /// `Zc-Node`: the node that asks, as it announces itself.
    pub node: Option<&'a [u8]>,
}

/// A request's body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body<'a> {
    /// It came with its head, or was small enough to wait for behind it.
    Borrowed(&'a [u8]),
    /// It was read into an allocation of its own.
    Owned(Bytes),
}

impl core::ops::Deref for Body<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Body::Borrowed(bytes) => bytes,
            Body::Owned(bytes) => bytes,
        }
    }
}

impl AsRef<[u8]> for Body<'_> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

/// A part of a head, counted from the head's first byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Span {
    at: u32,
    len: u32,
}

impl Span {
    /// Heads are of kilobytes: see [`Limits::max_head`].
    const fn new(at: usize, len: usize) -> Self {
        Self {
            at: at as u32,
            len: len as u32,
        }
    }

    fn of(part: &[u8], head: &[u8]) -> Self {
        Self::new(place(part, head), part.len())
    }

    const fn end(self) -> usize {
        (self.at as usize).saturating_add(self.len as usize)
    }

    #[inline]
    pub(super) fn of_head(self, head: &[u8]) -> &[u8] {
        head.get(self.at as usize..self.end()).unwrap_or_default()
    }
}

/// Where in the head `part` of it begins.
fn place(part: &[u8], head: &[u8]) -> usize {
    part.as_ptr().addr().saturating_sub(head.as_ptr().addr())
}

/// A whole and acceptable head.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Head {
    /// Bytes of it.
    pub(super) len: usize,
    pub(super) method: Method,
    pub(super) path: Span,
    pub(super) query: Option<Span>,
    pub(super) node: Option<Span>,
    pub(super) version: Option<Version>,
    pub(super) framing: Framing,
    pub(super) http10: bool,
    pub(super) keep_alive: bool,
    /// `Expect: 100-continue`
    pub(super) expects: bool,
    /// The answer is to say which node gave it.
    pub(super) identify: bool,
}

/// What the start of the input is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Parsed {
    Complete,
    /// No fault so far, and no end.
    Partial,
    /// Answer this and close.
    Refused(Status),
}

/// Reads the head at the start of `bytes` into `into`. The bytes do not begin with CR LF, and are not
/// more than `max_head`. The same bytes in other pieces come to the same end.
pub(super) fn parse(bytes: &[u8], limits: &Limits, into: &mut Head) -> Parsed {
    if plain::parse(bytes, limits, into).is_none() {
        return parse_any(bytes, limits, into);
    }
    debug_assert_eq!(
        {
            let mut other = Head::default();
            (parse_any(bytes, limits, &mut other), other)
        },
        (Parsed::Complete, *into),
        "two parsers read two things"
    );
    Parsed::Complete
}

/// As [`parse`], all that it understands, by `httparse`.
#[cold]
#[inline(never)]
fn parse_any(bytes: &[u8], limits: &Limits, into: &mut Head) -> Parsed {
    let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let headers = headers
        .get_mut(..limits.max_headers.min(MAX_HEADERS))
        .unwrap_or_default();
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(bytes, headers) {
        Ok(httparse::Status::Complete(len)) => {
            let head = bytes.get(..len).unwrap_or_default();
            match into.accept(&request, head, limits) {
                Ok(()) => Parsed::Complete,
                Err(status) => Parsed::Refused(status),
            }
        }
        Ok(httparse::Status::Partial) => match long_target(bytes, limits) {
            true => Parsed::Refused(Status::UriTooLong),
            false => Parsed::Partial,
        },
        Err(error) => why(bytes, error, limits),
    }
}

impl Head {
    /// Takes what `httparse` found well-formed, checked for what it does not look at.
    fn accept(
        &mut self,
        request: &httparse::Request<'_, '_>,
        head: &[u8],
        limits: &Limits,
    ) -> Result<(), Status> {
        let target = request.path.unwrap_or_default().as_bytes();
        if target.len() > limits.max_target {
            return Err(Status::UriTooLong);
        }
        let (path, query) = split(target)?;
        *self = Self {
            method: match request.method.unwrap_or_default() {
                "GET" => Method::Get,
                "HEAD" => Method::Head,
                "PUT" => Method::Put,
                "DELETE" => Method::Delete,
                _ => Method::Other,
            },
            path: Span::of(path, head),
            query: query.map(|query| Span::of(query, head)),
            identify: identifies(path),
            ..Self::default()
        };
        if path == b"*" && self.method != Method::Other {
            return Err(Status::BadRequest);
        }
        let version = Span::of(target, head)
            .end()
            .saturating_add(" HTTP/1.1".len());
        let mut clean =
            ends_line(head, version) && head.ends_with(b"\r\n") && !head.starts_with(b"\n");
        let mut fields = Fields::new(self);
        for header in request.headers.iter() {
            clean &= ends_line(head, Span::of(header.value, head).end());
            fields.take(
                header.name.as_bytes(),
                header.value,
                place(header.value, head),
            )?;
        }
        // Nearly always each line ends in CR LF right behind its text; if not, it has to be looked at.
        if !clean && has_bare_lf(head) {
            return Err(Status::BadRequest);
        }
        fields.finish(head.len(), request.version == Some(0))
    }
}

/// Whether the answer to a request of that path says which node gave it.
fn identifies(path: &[u8]) -> bool {
    path == b"/ping" || path.starts_with(b"/_zc/")
}

/// The header fields of a head, as far as they matter here.
struct Fields<'a> {
    head: &'a mut Head,
    connection: Connection,
    host: bool,
}

impl<'a> Fields<'a> {
    /// Those of a head whose request line has been read.
    fn new(head: &'a mut Head) -> Self {
        Self {
            head,
            connection: Connection::default(),
            host: false,
        }
    }

    /// Takes one in; its value begins `at` that place in the head.
    #[inline(always)]
    fn take(&mut self, name: &[u8], value: &[u8], at: usize) -> Result<(), Status> {
        // Lengths sort out nearly all headers that nobody here reads.
        match name.len() {
            // RFC 9112 §3.2: several are a fault. None is tolerated.
            4 if is(name, b"Host") && core::mem::replace(&mut self.host, true) => {
                return Err(Status::BadRequest);
            }
            6 if is(name, b"Expect") => {
                if !value.eq_ignore_ascii_case(b"100-continue") {
                    return Err(Status::ExpectationFailed);
                }
                self.head.expects = true;
            }
            7 if is(name, b"Zc-Node") => {
                if self.head.node.is_some() {
                    return Err(Status::BadRequest);
                }
                self.head.node = Some(Span::new(at, value.len()));
                self.head.identify = true;
            }
            10 if is(name, b"Connection") => self.connection.options(value),
            10 if is(name, b"Zc-Version") => {
                let version = Version::read(value).ok_or(Status::BadRequest)?;
                if self.head.version.replace(version).is_some() {
                    return Err(Status::BadRequest);
                }
                self.head.identify = true;
            }
            14 if is(name, b"Content-Length") => {
                self.head.framing = self.head.framing.length(value)?;
            }
            17 if is(name, b"Transfer-Encoding") => {
                self.head.framing = self.head.framing.coding(value)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// All have been taken in, and the head is of `len` bytes.
    #[inline]
    fn finish(self, len: usize, http10: bool) -> Result<(), Status> {
        let head = self.head;
        head.len = len;
        head.http10 = http10;
        head.keep_alive = self.connection.persists(http10);
        if http10 && head.framing == Framing::Chunked {
            // RFC 9112 §6.1: faulty framing; nobody speaks so.
            return Err(Status::BadRequest);
        }
        // RFC 9110 §10.1.1: a client of HTTP/1.0 cannot mean it.
        head.expects &= !http10;
        Ok(())
    }
}

/// Whether a field's name is `known`, which is given as it is nearly always written.
#[inline(always)]
fn is<const N: usize>(name: &[u8], known: &[u8; N]) -> bool {
    name == known || name.eq_ignore_ascii_case(known)
}

impl From<Ambiguous> for Status {
    fn from(Ambiguous: Ambiguous) -> Self {
        Self::BadRequest
    }
}

/// Whether CR LF is at that place.
fn ends_line(head: &[u8], at: usize) -> bool {
    head.get(at..).is_some_and(|rest| rest.starts_with(b"\r\n"))
}

/// Path and query of a request target in origin-form or absolute-form, whose authority is nobody's
/// business here: nothing is ever fetched from it (RFC 9112 §3.2).
fn split(target: &[u8]) -> Result<(&[u8], Option<&[u8]>), Status> {
    let (path, query) = match find(target, [b'?', b'#']) {
        Some(end) => {
            let (path, rest) = target.split_at_checked(end).unwrap_or_default();
            let (mark, query) = rest.split_first().unwrap_or((&b'#', &[]));
            // A fragment is never sent, and a `#` in a key has to be encoded.
            if *mark == b'#' || query.contains(&b'#') {
                return Err(Status::BadRequest);
            }
            (path, Some(query))
        }
        None => (target, None),
    };
    match path {
        [b'/', ..] | b"*" => Ok((path, query)),
        _ => Ok((absolute(path).ok_or(Status::BadRequest)?, query)),
    }
}

/// The path of `http://authority/path`.
fn absolute(target: &[u8]) -> Option<&[u8]> {
    let colon = target.iter().position(|byte| *byte == b':')?;
    let (scheme, rest) = target.split_at_checked(colon)?;
    let known = scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https");
    let authority = rest.strip_prefix(b"://").filter(|_| known)?;
    let Some(slash) = authority.iter().position(|byte| *byte == b'/') else {
        // An empty path is `/`, and there is one in `://`.
        return rest.get(1..2).filter(|_| !authority.is_empty());
    };
    authority.get(slash..).filter(|_| slash > 0)
}

/// Why `httparse` found a fault.
fn why(bytes: &[u8], error: httparse::Error, limits: &Limits) -> Parsed {
    if long_target(bytes, limits) {
        return Parsed::Refused(Status::UriTooLong);
    }
    match error {
        httparse::Error::TooManyHeaders => Parsed::Refused(Status::HeadTooLarge),
        httparse::Error::Version => version(bytes),
        _ => Parsed::Refused(Status::BadRequest),
    }
}

/// Whether a method and then too long a target begin `bytes`. What `httparse` says of such bytes
/// depends on how many there are.
fn long_target(bytes: &[u8], limits: &Limits) -> bool {
    if bytes.len() <= limits.max_target {
        return false;
    }
    let Some(space) = bytes.iter().position(|byte| !is_token(*byte)) else {
        return false;
    };
    let target = bytes.iter().skip(space.saturating_add(1));
    let len = target.take_while(|byte| **byte > b' ' && **byte != 0x7f);
    space > 0 && bytes.get(space) == Some(&b' ') && len.count() > limits.max_target
}

/// 505 for `HTTP/` and another digit pair than ours, 400 for anything else.
fn version(bytes: &[u8]) -> Parsed {
    let mut words = bytes.splitn(3, |byte| *byte == b' ');
    let version = words.nth(2).unwrap_or_default();
    let expected: [fn(&u8) -> bool; 8] = [
        |b| *b == b'H',
        |b| *b == b'T',
        |b| *b == b'T',
        |b| *b == b'P',
        |b| *b == b'/',
        u8::is_ascii_digit,
        |b| *b == b'.',
        u8::is_ascii_digit,
    ];
    if !version.iter().zip(expected).all(|(byte, fits)| fits(byte)) {
        Parsed::Refused(Status::BadRequest)
    } else if version.len() < expected.len() {
        Parsed::Partial
    } else {
        Parsed::Refused(Status::VersionNotSupported)
    }
}
