//! Requests to a node, from bytes to bytes.

use zerocache_proto::cache::{Config, Unsharded};
use zerocache_proto::cluster::View;
use zerocache_proto::http::{HttpDate, Limits, Options, Outgoing, ServerConn};
use zerocache_proto::op::Ack;
use zerocache_proto::service::{self, Context, Outcome, Stage};
use zerocache_proto::{Duration, Instant, NodeId, Now, Region, Version};

use crate::lan;

/// Keys in the cache: more than one cache line's worth, less than evicts.
const KEYS: usize = 1000;
const VALUE: &[u8; 128] = &[b'v'; 128];
const UNIX_MS: u64 = 1_700_000_000_000;
/// What python-requests says beside `Host`.
const REQUESTS: &[u8] = b"User-Agent: python-requests/2.32.3\r\nAccept-Encoding: gzip, deflate\r\n\
    Accept: */*\r\nConnection: keep-alive\r\n\r\n";

/// Exchanges until `count` requests are answered.
pub(crate) fn exchange(requests: &[Vec<u8>], count: usize, peers: usize) {
    let mut node = Node::new(peers);
    for i in 0..KEYS {
        node.exchange(&put(i));
    }
    let mut requests = requests.iter().cycle();
    let mut answered = 0;
    while answered < count {
        answered += requests.next().map_or(0, |request| node.exchange(request));
    }
}

/// What one round sends, a read each.
pub(crate) fn requests(operation: &str) -> Option<Vec<Vec<u8>>> {
    let each = |line: fn(usize) -> Vec<u8>| Some((0..KEYS).map(line).collect());
    match operation {
        "get" => each(|i| get(&format!("key-{i:05}"))),
        "get_requests" => each(|i| {
            let mut request = get(&format!("key-{i:05}"));
            request.truncate(request.len() - 2);
            request.extend_from_slice(REQUESTS);
            request
        }),
        "miss" => each(|i| get(&format!("none-{i:05}"))),
        "put" => each(put),
        // Each newer than the one before.
        "put_copy" => Some((0..20 * KEYS).map(copy).collect()),
        "delete" => each(delete),
        "put_delete" => Some((0..KEYS).flat_map(|i| [put(i), delete(i)]).collect()),
        "pipe16" => {
            let gets: Vec<_> = (0..KEYS / 16 * 16)
                .map(|i| get(&format!("key-{i:05}")))
                .collect();
            Some(gets.chunks(16).map(|chunk| chunk.concat()).collect())
        }
        _ => None,
    }
}

fn get(key: &str) -> Vec<u8> {
    format!("GET /london/{key} HTTP/1.1\r\nHost: 127.0.0.1:6789\r\n\r\n").into()
}

fn put(i: usize) -> Vec<u8> {
    let line = format!("PUT /london/key-{i:05}?expiry=3600&recurse=0 HTTP/1.1\r\n");
    let mut request = line.into_bytes();
    request.extend_from_slice(b"Host: 127.0.0.1:6789\r\nContent-Length: 128\r\n\r\n");
    request.extend_from_slice(VALUE);
    request
}

/// What another node sends.
fn copy(n: usize) -> Vec<u8> {
    let version = Version {
        clock: UNIX_MS << 16 | (n as u64),
        node: NodeId::from_bits(2),
    };
    let region = Region::new("london").expect("a name");
    let options = Options {
        expiry: Some(3600),
        local: true,
        version: Some(version),
        ..Options::default()
    };
    let key = format!("key-{:05}", n % KEYS);
    let host = ([127, 0, 0, 1], 6789).into();
    let value = VALUE[..].into();
    let request = Outgoing::put(host, &region, key.as_bytes(), value, &options);
    [request.head_bytes(), request.body()].concat()
}

fn delete(i: usize) -> Vec<u8> {
    format!("DELETE /london/key-{i:05}?recurse=0 HTTP/1.1\r\nHost: 127.0.0.1:6789\r\n\r\n").into()
}

/// A node of one connection and one shard.
struct Node {
    http: ServerConn,
    shards: Unsharded,
    view: View,
    now: Now,
}

impl Node {
    fn new(peers: usize) -> Self {
        let (region, id) = (Region::new("london").expect("a name"), NodeId::from_bits(1));
        let mut http = ServerConn::new(Instant::ORIGIN, Limits::default());
        http.set_date(HttpDate::from_unix_seconds(UNIX_MS / 1000));
        Self {
            http,
            shards: Unsharded::new(Config {
                seed: 1,
                ..Config::new(region.clone(), id)
            }),
            view: View::of(region, (0..peers).map(lan::peer)),
            now: Now {
                mono: Instant::ORIGIN,
                unix_ms: UNIX_MS,
            },
        }
    }

    /// Takes what one read brought in, and has all answers written at once; returns how many.
    fn exchange(&mut self, bytes: &[u8]) -> usize {
        self.now.mono = self.now.mono + Duration::from_micros(10);
        self.http.read_buf()[..bytes.len()].copy_from_slice(bytes);
        self.http.handle_read(self.now.mono, bytes.len());
        let mut answered = 0;
        while let Some((request, responder)) = self.http.poll_request(self.now.mono) {
            let context = Context {
                now: self.now,
                shards: &self.shards,
                view: &self.view,
                stage: Stage::Ready,
                ack: Ack::Region,
                warming: false,
            };
            assert!(matches!(
                service::call(context, request, responder),
                Outcome::Answered
            ));
            answered += 1;
        }
        let written = self.http.write_buf().len();
        self.http.handle_written(self.now.mono, written);
        answered
    }
}
