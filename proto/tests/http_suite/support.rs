//! A peer that plays scripts against a [`ServerConn`], and reads its answers.

use crate::checked::Checked;
use std::time::Duration;

use zerocache_proto::http::{Body, Limits, Method, Reply, Request, Responder, ServerConn, Status};
use zerocache_proto::{Instant, Version};
use zerocache_store::Value;

/// A request as it was handed out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) path: Vec<u8>,
    pub(crate) query: Option<Vec<u8>>,
    pub(crate) body: Vec<u8>,
    pub(crate) version: Option<Version>,
    pub(crate) node: Option<Vec<u8>>,
}

impl From<&Request<'_>> for Seen {
    fn from(request: &Request<'_>) -> Self {
        Self {
            method: request.method,
            path: request.path.to_vec(),
            query: request.query.map(<[u8]>::to_vec),
            body: request.body.to_vec(),
            version: request.version,
            node: request.node.map(<[u8]>::to_vec),
        }
    }
}

/// One answer, taken apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter().filter(|field| field.0 == name);
        let value = fields.next().map(|field| field.1.as_str());
        assert_eq!(fields.next(), None, "{name} twice");
        value
    }
}

/// Takes output apart; `bodiless[i]` tells that the i-th answer is one to HEAD.
pub(crate) fn answers(mut bytes: &[u8], bodiless: &[bool]) -> Vec<Answer> {
    let mut answers: Vec<Answer> = Vec::new();
    let mut finals = 0;
    while !bytes.is_empty() {
        let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
        let head = std::str::from_utf8(&bytes[..end - 4]).unwrap();
        bytes = &bytes[end..];
        let mut lines = head.split("\r\n");
        let line = lines.next().unwrap();
        assert!(line.starts_with("HTTP/1.1 "), "{line}");
        let status = line[9..12].parse().unwrap();
        let fields: Vec<_> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let mut answer = Answer {
            status,
            fields,
            body: Vec::new(),
        };
        if status >= 200 {
            let len: usize = answer.field("Content-Length").unwrap().parse().unwrap();
            if !bodiless.get(finals).copied().unwrap_or(false) {
                answer.body = bytes[..len].to_vec();
                bytes = &bytes[len..];
            }
            finals += 1;
        }
        answers.push(answer);
    }
    answers
}

/// The far end of a connection and its driver in one.
pub(crate) struct Peer {
    pub(crate) conn: Checked<ServerConn>,
    pub(crate) now: Instant,
    pub(crate) out: Vec<u8>,
    pub(crate) seen: Vec<Seen>,
    /// Whether bodies came in an allocation of their own.
    pub(crate) owned: Vec<bool>,
    /// Answer later, by `conn.respond`.
    pub(crate) defer: bool,
    /// Take no output.
    pub(crate) deaf: bool,
    /// Answers a request, or defers it and gives the answer.
    pub(crate) service: Box<Service>,
}

type Service = dyn Fn(Request<'_>, Responder<'_>) -> Option<Reply>;

impl Peer {
    pub(crate) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(crate) fn with(limits: Limits) -> Self {
        Self {
            conn: Checked::new(ServerConn::new(Instant::ORIGIN, limits)),
            now: Instant::ORIGIN,
            out: Vec::new(),
            seen: Vec::new(),
            owned: Vec::new(),
            defer: false,
            deaf: false,
            service: Box::new(answer),
        }
    }

    /// Sends bytes, as far as they are read; how many were.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> usize {
        let bytes = bytes.as_ref();
        let mut sent = 0;
        while sent < bytes.len() {
            let room = self.conn.read_buf();
            let n = room.len().min(bytes.len() - sent);
            if n == 0 {
                break;
            }
            room[..n].copy_from_slice(&bytes[sent..sent + n]);
            self.conn.handle_read(self.now, n);
            sent += n;
            self.turn();
        }
        sent
    }

    /// Ends the sending side.
    pub(crate) fn eof(&mut self) {
        if !self.conn.read_buf().is_empty() {
            self.conn.handle_read(self.now, 0);
        }
        self.turn();
    }

    /// What a driver does after something happened.
    pub(crate) fn turn(&mut self) {
        loop {
            while let Some((request, responder)) = self.conn.poll_request(self.now) {
                self.seen.push(Seen::from(&request));
                self.owned.push(matches!(request.body, Body::Owned(_)));
                if self.defer {
                    responder.defer();
                } else if let Some(reply) = (self.service)(request, responder) {
                    self.conn.respond(self.now, reply);
                }
            }
            if self.deaf || self.conn.write_buf().is_empty() {
                return;
            }
            self.drain();
        }
    }

    /// Takes all output.
    pub(crate) fn drain(&mut self) {
        while !self.conn.write_buf().is_empty() {
            let n = self.conn.write_buf().len();
            self.out.extend_from_slice(self.conn.write_buf());
            self.conn.handle_written(self.now, n);
        }
    }

    /// Lets time pass, and fires what is due on the way.
    pub(crate) fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.conn.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.conn.handle_timeout(self.now);
            self.turn();
        }
        self.now = end;
        self.conn.handle_timeout(end);
        self.turn();
    }

    pub(crate) fn answers(&self) -> Vec<Answer> {
        let bodiless: Vec<_> = self.seen.iter().map(|s| s.method == Method::Head).collect();
        answers(&self.out, &bodiless)
    }

    pub(crate) fn statuses(&self) -> Vec<u16> {
        self.answers().iter().map(|answer| answer.status).collect()
    }

    /// Whether the connection takes no more requests.
    pub(crate) fn is_over(&self) -> bool {
        self.conn.is_closed() || self.conn.wants_linger()
    }
}

/// GET and HEAD: the path is the value; PUT, DELETE: 200; others 405.
fn answer(request: Request<'_>, responder: Responder<'_>) -> Option<Reply> {
    match request.method {
        Method::Get | Method::Head => responder.value(Value::Inline(request.path)),
        Method::Put | Method::Delete => responder.status(Status::Ok),
        Method::Other => responder.status(Status::MethodNotAllowed),
    }
    None
}

/// Plays a script in one piece.
pub(crate) fn play(script: impl AsRef<[u8]>) -> Peer {
    let mut peer = Peer::new();
    peer.send(script);
    peer
}
