//! What a request allocates from its first byte to its answer: a GET nothing at all, a PUT nothing
//! but what it stores, and its copies only if somebody gets them.

use std::sync::Arc;

use allocation_counter::measure;
use zerocache_proto::cache::{Config, Unsharded};
use zerocache_proto::cluster::{Peer, View};
use zerocache_proto::http::{Limits, ServerConn};
use zerocache_proto::op::Ack;
use zerocache_proto::service::{Context, Outcome, Stage, call};
use zerocache_proto::{Instant, NodeId, Now, Region};

const NOW: Now = Now {
    mono: Instant::from_millis(1),
    unix_ms: 1_700_000_000_000,
};

struct Bench {
    conn: ServerConn,
    shards: Unsharded,
    view: View,
}

impl Bench {
    fn new() -> Self {
        let london = Region::new("london").expect("valid");
        let id = NodeId::from_bits(1);
        Self {
            conn: ServerConn::new(NOW.mono, Limits::default()),
            shards: Unsharded::new(Config::new(london.clone(), id)),
            view: View::empty(london, Some(id)),
        }
    }

    /// Serves all of `script`; how many bytes the answers have.
    fn turn(&mut self, script: &[u8]) -> usize {
        let mut answered = 0;
        let mut rest = script;
        while !rest.is_empty() {
            let room = self.conn.read_buf();
            let n = room.len().min(rest.len());
            room[..n].copy_from_slice(&rest[..n]);
            self.conn.handle_read(NOW.mono, n);
            rest = &rest[n..];
            while let Some((request, responder)) = self.conn.poll_request(NOW.mono) {
                let cx = Context {
                    now: NOW,
                    shards: &self.shards,
                    view: &self.view,
                    stage: Stage::Ready,
                    ack: Ack::None,
                    warming: false,
                };
                let outcome = call(cx, request, responder);
                assert!(matches!(
                    outcome,
                    Outcome::Answered | Outcome::Spread { .. }
                ));
            }
            while !self.conn.write_buf().is_empty() {
                let n = self.conn.write_buf().len();
                answered += n;
                self.conn.handle_written(NOW.mono, n);
            }
        }
        answered
    }

    /// Allocations of a turn once everything is warm, on average.
    fn cost(&mut self, script: &[u8]) -> u64 {
        self.turn(script);
        let cost = measure(|| {
            for _ in 0..100 {
                assert!(self.turn(script) > 0);
            }
        });
        cost.count_total / 100
    }
}

fn put(target: &str, value: &[u8]) -> Vec<u8> {
    let head = format!(
        "PUT {target} HTTP/1.1\r\nContent-Length: {}\r\n\r\n",
        value.len()
    );
    [head.as_bytes(), value].concat()
}

#[test]
fn a_get_allocates_nothing() {
    let mut bench = Bench::new();
    bench.turn(&put("/london/near", &[7; 100]));
    bench.turn(&put("/paris/far", &[7; 100]));
    bench.turn(&put("/london/big", &[7; 50_000]));
    for path in [
        "london/near",
        "paris/near",
        "london/far",
        "london/none",
        "rome/none",
        "london/big",
    ] {
        let script = format!("GET /{path} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(bench.cost(script.as_bytes()), 0, "{path}");
        assert_eq!(
            bench.cost(script.repeat(16).as_bytes()),
            0,
            "{path}, pipelined"
        );
    }
}

#[test]
fn a_put_alone_allocates_nothing_for_copies() {
    let mut bench = Bench::new();
    // Of the same length as what is there: it takes its place.
    assert_eq!(bench.cost(&put("/london/k?expiry=9", &[7; 100])), 0);
    assert_eq!(bench.cost(b"DELETE /london/k HTTP/1.1\r\n\r\n"), 0);
}

#[test]
fn a_put_with_peers_allocates_key_and_value_once_for_all_copies() {
    let mut bench = Bench::new();
    for id in 2..9 {
        bench.view.local.push(Arc::new(Peer {
            id: NodeId::from_bits(id),
            region: bench.view.own.clone(),
            addr: ([10, 0, 0, id as u8], 6789).into(),
            capable: true,
        }));
    }
    assert_eq!(bench.cost(&put("/london/k?expiry=9", &[7; 100])), 2);
    assert_eq!(bench.cost(&put("/london/k?recurse=0", &[7; 100])), 0);
    assert_eq!(bench.cost(b"DELETE /london/k HTTP/1.1\r\n\r\n"), 1);
}
