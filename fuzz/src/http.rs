//! `http_request` and `http_response`: however the bytes are cut, the outcome is the same.
//! `target_decode`: what one of our nodes asks for is what another one reads.

use std::net::SocketAddr;
use std::time::Duration;

use zerocache_proto::http::{
    ClientConn, ClientLimits, Error, Limits, Method, Options, Outgoing, Reply, Response,
    ServerConn, Status, Target,
};
use zerocache_proto::{Instant, NodeId, Region, Version};
use zerocache_store::Value;

use crate::script::Script;

/// Said on the way, or not, depending on what has arrived by then.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// How the last answer ends if the connection was refused.
const REFUSAL: &[u8] = b"Connection: close\r\nContent-Length: 0\r\n\r\n";

/// Small, so that inputs of a few kilobytes reach every one of them.
pub(crate) const LIMITS: Limits = Limits {
    max_head: 600,
    max_headers: 8,
    max_target: 200,
    max_body: 1_500,
    max_unsent: 700,
    max_copied: 100,
    read_buffer: 256,
    head_timeout: Duration::from_secs(10),
    body_timeout: Duration::from_secs(30),
    write_timeout: Duration::from_secs(10),
    idle_timeout: Duration::from_secs(60),
    release_after: Duration::from_secs(1),
    min_rate: 8 << 10,
    linger_timeout: Duration::from_secs(2),
    linger_bytes: 1 << 10,
};

/// What came of a stream of requests.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Served {
    pub(crate) requests: Vec<String>,
    answers: Vec<u8>,
    closed: bool,
}

/// A server connection and everything seen of it.
struct Server<'a> {
    conn: ServerConn,
    served: Served,
    now: Instant,
    script: Script<'a>,
}

impl Server<'_> {
    /// Lets it read `bytes` in pieces of at most `cut` bytes, then the end.
    fn run(mut self, bytes: &[u8], mut cut: impl FnMut() -> usize) -> Served {
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = self.conn.read_buf();
            if room.is_empty() {
                // It reads again only once something has happened, and nothing is left to.
                assert!(
                    self.conn.is_closed() || self.conn.poll_timeout().is_some(),
                    "stuck"
                );
                break;
            }
            let count = cut().clamp(1, room.len()).min(rest.len());
            room[..count].copy_from_slice(&rest[..count]);
            rest = &rest[count..];
            self.conn.handle_read(self.now, count);
            self.turn();
        }
        if !self.conn.read_buf().is_empty() {
            self.conn.handle_read(self.now, 0);
            self.turn();
        }
        self.served.closed = self.conn.is_closed();
        assert!(
            self.served.closed || self.conn.poll_timeout().is_some(),
            "waits for nothing"
        );
        self.served
    }

    /// Answers and writes until neither goes on.
    fn turn(&mut self) {
        loop {
            let answered = self.answer();
            let unsent = self.conn.write_buf().len();
            if unsent == 0 && !answered {
                return;
            }
            assert!(
                unsent <= LIMITS.max_unsent + 2 * LIMITS.max_body,
                "{unsent} bytes unsent"
            );
            let count = unsent.min(1 + usize::from(self.script.byte()));
            self.served
                .answers
                .extend_from_slice(&self.conn.write_buf()[..count]);
            if count > 0 {
                self.conn.handle_written(self.now, count);
            }
        }
    }

    /// Answers the next request, if there is one, in a way that depends on nothing but it.
    fn answer(&mut self) -> bool {
        let Some((request, responder)) = self.conn.poll_request(self.now) else {
            return false;
        };
        let method = request.method;
        assert!(
            request.path.len() <= LIMITS.max_target,
            "a path over the limit"
        );
        assert!(
            request.body.len() <= LIMITS.max_body,
            "a body over the limit"
        );
        let seen = format!(
            "{method:?} {:?} {:?} {:?} {:?} {:?}",
            request.path,
            request.query,
            &request.body[..],
            request.version,
            request.node
        );
        match (method, request.body.len() % 3) {
            (Method::Other, _) => responder.status(Status::MethodNotAllowed),
            (Method::Get, _) => responder.value(Value::Inline(request.path)),
            (_, 0) => responder.value(Value::Inline(&request.body)),
            (_, 1) => responder.status(Status::NotFound),
            _ => {
                let body = request.body.to_vec();
                responder.defer();
                assert!(
                    self.conn.poll_request(self.now).is_none(),
                    "a request out of turn"
                );
                self.conn.respond(self.now, Reply::Value(body.into()));
            }
        }
        self.served.requests.push(seen);
        true
    }
}

pub(crate) fn serve(bytes: &[u8], script: &[u8], cut: impl FnMut() -> usize) -> Served {
    let now = Instant::from_millis(1);
    let conn = ServerConn::new(now, LIMITS);
    let server = Server {
        conn,
        served: Served::default(),
        now,
        script: Script(script),
    };
    let mut served = server.run(bytes, cut);
    let mut answers = Vec::new();
    let mut rest = &served.answers[..];
    while let Some((first, others)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(CONTINUE) {
            rest = after;
        } else {
            answers.push(*first);
            rest = others;
        }
    }
    // Of several faults in one head, the first to arrive is the one that is told.
    if answers.ends_with(REFUSAL) {
        let line = answers.windows(7).rposition(|bytes| bytes == b"HTTP/1.");
        answers.truncate(line.expect("a status line"));
    }
    served.answers = answers;
    served
}

/// The first bytes say where the others are cut.
pub(crate) fn request(data: &[u8]) {
    let mut script = Script(data);
    let cuts = script.bytes();
    let bytes = script.0;
    let whole = serve(bytes, &[0xff; 64], || usize::MAX);
    assert_eq!(serve(bytes, &[], || 1), whole, "byte by byte");
    let mut at = Script(cuts);
    assert_eq!(
        serve(bytes, cuts, || usize::from(at.byte())),
        whole,
        "cut at random"
    );
}

/// What came of one exchange.
pub(crate) type Exchange = (Option<Result<Response, Error>>, bool);

pub(crate) fn exchange(
    bytes: &[u8],
    outgoing: Outgoing,
    mut cut: impl FnMut() -> usize,
) -> Exchange {
    let now = Instant::from_millis(1);
    let limits = ClientLimits {
        max_head: 600,
        max_headers: 8,
        max_body: 1_500,
        read_buffer: 256,
    };
    let mut conn = ClientConn::new(limits);
    conn.send(outgoing);
    while !conn.write_buf().is_empty() {
        let count = conn.write_buf().len();
        conn.handle_written(now, count);
    }
    let mut rest = bytes;
    let mut outcome = None;
    loop {
        let room = conn.read_buf();
        if room.is_empty() {
            break;
        }
        let count = cut().clamp(1, room.len()).min(rest.len());
        room[..count].copy_from_slice(&rest[..count]);
        rest = &rest[count..];
        // Nothing left: the peer has closed.
        conn.handle_read(now, count);
        if outcome.is_none() {
            outcome = conn.poll_response();
        }
        assert!(
            conn.poll_response().is_none(),
            "two responses to one request"
        );
    }
    if let Some(Ok(response)) = &outcome {
        assert!(response.status >= 200, "an interim response came through");
        assert!(
            response.body.len() <= limits.max_body,
            "a body over the limit"
        );
    }
    (outcome.or_else(|| conn.poll_response()), conn.is_reusable())
}

/// One request of three.
pub(crate) fn outgoing(how: u8) -> Outgoing {
    let host = SocketAddr::from(([10, 0, 0, 1], 6789));
    let region: Region = "london".parse().expect("a good region");
    let options = Options::default();
    match how % 3 {
        0 => Outgoing::get(host, &region, b"key", &options),
        1 => Outgoing::head(host, &region, b"key", &options),
        _ => Outgoing::put(host, &region, b"key", b"value"[..].into(), &options),
    }
}

/// The first byte says what was asked for; then as for requests.
pub(crate) fn response(data: &[u8]) {
    let mut script = Script(data);
    let how = script.byte();
    let cuts = script.bytes();
    let bytes = script.0;
    let whole = exchange(bytes, outgoing(how), || usize::MAX);
    assert!(whole.0.is_some(), "neither a response nor an error");
    assert_eq!(exchange(bytes, outgoing(how), || 1), whole, "byte by byte");
    let mut at = Script(cuts);
    assert_eq!(
        exchange(bytes, outgoing(how), || usize::from(at.byte())),
        whole,
        "cut at random"
    );
}

/// Raw targets first, then a round trip of a key, a region, an expiry.
pub(crate) fn target(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == b'?');
    let path = parts.next().unwrap_or_default();
    if let Ok(target) = Target::parse(path, parts.next()) {
        assert!(
            target
                .expiry()
                .is_none_or(|expiry| (1..=Target::MAX_EXPIRY).contains(&expiry))
        );
        if let Ok(Some(name)) = target.key() {
            assert!((1..=Target::MAX_KEY).contains(&name.key.len()));
            let segments: Vec<Vec<u8>> = naive(path);
            assert_eq!(
                segments,
                [name.region, name.key],
                "another reading of {path:?}"
            );
        }
    }
    round_trip(Script(data));
}

/// The segments, as a straightforward reader sees them.
fn naive(path: &[u8]) -> Vec<Vec<u8>> {
    let segments = path
        .split(|byte| *byte == b'/')
        .filter(|segment| !segment.is_empty());
    let decoded = segments.map(|segment| {
        let mut bytes = Vec::new();
        let mut at = 0;
        while at < segment.len() {
            if segment[at] == b'%' {
                let digits = std::str::from_utf8(&segment[at + 1..at + 3]).expect("two digits");
                bytes.push(u8::from_str_radix(digits, 16).expect("hexadecimal"));
                at += 3;
            } else {
                bytes.push(segment[at]);
                at += 1;
            }
        }
        bytes
    });
    decoded.collect()
}

fn round_trip(mut script: Script<'_>) {
    let now = Instant::from_millis(1);
    let host = SocketAddr::from(([10, 0, 0, 1], 6789));
    let local = script.byte() & 1 == 1;
    let expiry = u32::from(script.number()) << script.below(10);
    let name = usize::from(script.byte()).min(script.0.len());
    let (name, key) = script.0.split_at(name);
    let Some(region) = std::str::from_utf8(name)
        .ok()
        .and_then(|name| Region::new(name).ok())
    else {
        return;
    };
    if key.is_empty() || key.len() > Target::MAX_KEY {
        return;
    }
    let version = Some(Version {
        clock: 1,
        node: NodeId::from_bits(3),
    });
    let options = Options {
        expiry: Some(expiry),
        local,
        version,
        ..Options::default()
    };
    let outgoing = Outgoing::put(host, &region, key, b"body"[..].into(), &options);
    let sent = [outgoing.head_bytes(), &outgoing.body()[..]].concat();
    let limits = Limits {
        max_target: 1 << 15,
        max_head: 1 << 16,
        ..Limits::default()
    };
    let mut conn = ServerConn::new(now, limits);
    let mut rest = &sent[..];
    while !rest.is_empty() {
        let room = conn.read_buf();
        assert!(!room.is_empty(), "our own request is refused");
        let count = room.len().min(rest.len());
        room[..count].copy_from_slice(&rest[..count]);
        rest = &rest[count..];
        conn.handle_read(now, count);
        if !rest.is_empty() {
            assert!(conn.poll_request(now).is_none());
        }
    }
    let (request, responder) = conn.poll_request(now).expect("our own request is read");
    assert_eq!(
        (request.method, &request.body[..]),
        (Method::Put, &b"body"[..])
    );
    assert_eq!(request.version, version);
    let target = Target::parse(request.path, request.query).expect("our own target is read");
    let read = target.key().expect("a short key").expect("a key");
    assert_eq!((read.region, read.key), (region.as_str().as_bytes(), key));
    assert_eq!(target.expiry(), Some(expiry.clamp(1, Target::MAX_EXPIRY)));
    assert_eq!(target.recurse(), !local);
    responder.status(Status::Ok);
}
