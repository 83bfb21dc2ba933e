//! A node without sockets: raw requests in, raw answers out.

use std::sync::Arc;

use zerocache_proto::cache::{Bounds, Config, Shards, State, Unsharded};
use zerocache_proto::cluster::{Peer, RegionView, View};
use zerocache_proto::http::{Limits, ServerConn};
use zerocache_proto::op::Ack;
use zerocache_proto::service::{Context, Outcome, Stage, call};
use zerocache_proto::{Duration, Instant, NodeId, Now, Region};

/// A node of london, with its cache and the peers it sees.
pub(crate) struct Bench {
    pub(crate) now: Now,
    pub(crate) shards: Unsharded,
    pub(crate) view: View,
    pub(crate) stage: Stage,
    pub(crate) ack: Ack,
    pub(crate) warming: bool,
}

pub(crate) fn region(name: &str) -> Region {
    Region::new(name).expect("a valid name")
}

pub(crate) fn peer(id: u32, name: &str, capable: bool) -> Arc<Peer> {
    let addr = std::net::SocketAddr::from(([10, 0, 0, id as u8], 6789));
    Arc::new(Peer {
        id: NodeId::from_bits(id),
        region: region(name),
        addr,
        capable,
    })
}

impl Bench {
    /// A node that is alone.
    pub(crate) fn new() -> Self {
        let mut config = Config::new(region("london"), NodeId::from_bits(1));
        let stock = |entries| Bounds {
            entries,
            weight: u64::MAX,
        };
        (config.local, config.remote) = (stock(1024), stock(4096));
        config.max_value = 100_000;
        Self {
            now: Now {
                mono: Instant::from_millis(1_000),
                unix_ms: 1_700_000_000_000,
            },
            shards: Unsharded::new(config),
            view: View::empty(region("london"), Some(NodeId::from_bits(1))),
            stage: Stage::Ready,
            ack: Ack::Region,
            warming: false,
        }
    }

    /// A node with a peer of its own region and one of another.
    pub(crate) fn with_peers() -> Self {
        let mut bench = Self::new();
        bench.view.local = vec![peer(2, "london", true)];
        bench.view.regions = vec![RegionView {
            name: region("paris"),
            latency: Duration::from_millis(10),
            peers: vec![peer(3, "paris", true)],
        }];
        bench
    }

    pub(crate) fn wait(&mut self, time: Duration) {
        self.now.mono = self.now.mono + time;
        self.now.unix_ms += time.as_millis() as u64;
    }

    /// Sends one request's bytes over a connection of its own.
    pub(crate) fn raw(&self, request: &[u8]) -> (Outcome, Answer) {
        let mut conn = ServerConn::new(self.now.mono, Limits::default());
        let mut rest = request;
        let mut outcome = None;
        while outcome.is_none() && !rest.is_empty() {
            let buf = conn.read_buf();
            let n = buf.len().min(rest.len());
            if n == 0 {
                break;
            }
            buf[..n].copy_from_slice(&rest[..n]);
            rest = &rest[n..];
            conn.handle_read(self.now.mono, n);
            if let Some((request, responder)) = conn.poll_request(self.now.mono) {
                let cx = Context {
                    now: self.now,
                    shards: &self.shards,
                    view: &self.view,
                    stage: self.stage,
                    ack: self.ack,
                    warming: self.warming,
                };
                outcome = Some(call(cx, request, responder));
            }
        }
        let mut bytes = Vec::new();
        while !conn.write_buf().is_empty() {
            let n = conn.write_buf().len();
            bytes.extend_from_slice(conn.write_buf());
            conn.handle_written(self.now.mono, n);
        }
        (outcome.unwrap_or(Outcome::Answered), Answer::read(&bytes))
    }

    /// Sends `METHOD target` with further head lines and a body.
    pub(crate) fn send(&self, line: &str, fields: &str, body: &[u8]) -> (Outcome, Answer) {
        let mut bytes = format!("{line} HTTP/1.1\r\n{fields}").into_bytes();
        if !body.is_empty() || line.starts_with("PUT") {
            bytes.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(body);
        self.raw(&bytes)
    }

    /// The answer's status and body; fails if something is left to do.
    pub(crate) fn ask(&self, line: &str) -> (u16, String) {
        let (outcome, answer) = self.send(line, "", b"");
        assert!(matches!(outcome, Outcome::Answered), "{line}: {outcome:?}");
        (answer.status, String::from_utf8(answer.body).expect("text"))
    }

    pub(crate) fn put(&self, target: &str, value: &str) -> u16 {
        let (_, answer) = self.send(&format!("PUT {target}"), "", value.as_bytes());
        answer.status
    }

    /// The value held under `key` and its remaining life.
    pub(crate) fn held(&self, key: &[u8]) -> Option<(Vec<u8>, Duration)> {
        let hash = self.shards.hash(key);
        self.shards.with(hash, |shard| {
            let record = shard.record(self.now, hash, key)?;
            let remaining = record.expires.saturating_since(self.now.mono);
            match record.state {
                State::Value(value) => Some((value.to_vec(), remaining)),
                State::Tombstone => None,
            }
        })
    }
}

/// An answer, taken apart. Status 0: none was given.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    fn read(bytes: &[u8]) -> Self {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            assert!(bytes.is_empty(), "half a head");
            return Self {
                status: 0,
                head: String::new(),
                body: Vec::new(),
            };
        };
        let head = String::from_utf8(bytes[..end].to_vec()).expect("a textual head");
        Self {
            status: head[9..12].parse().expect("a status"),
            head,
            body: bytes[end + 4..].to_vec(),
        }
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}
