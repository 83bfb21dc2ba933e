//! A node alone behind a connection: the service, its cache, no peers.

use std::rc::Rc;

use bytes::Bytes;
use zerocache_proto::cache::{Config, Shards, Unsharded};
use zerocache_proto::cluster::View;
use zerocache_proto::http::{ContentType, Reply, Status};
use zerocache_proto::op::Ack;
use zerocache_proto::service::{Context, Outcome, Stage, call};
use zerocache_proto::{Instant, NodeId, Now, Region};

use crate::support::Peer;

/// A connection to a node of london, and its cache.
pub(crate) struct Node {
    pub(crate) peer: Peer,
    shards: Rc<Unsharded>,
}

impl Node {
    pub(crate) fn new() -> Self {
        let (london, id) = (Region::new("london").unwrap(), NodeId::from_bits(1));
        let shards = Rc::new(Unsharded::new(Config::new(london.clone(), id)));
        let view = View::empty(london, Some(id));
        let now = Now {
            mono: Instant::ORIGIN,
            unix_ms: 1_700_000_000_000,
        };
        let mut peer = Peer::new();
        let held = shards.clone();
        peer.service = Box::new(move |request, responder| {
            let cx = Context {
                now,
                shards: &*held,
                view: &view,
                stage: Stage::Ready,
                ack: Ack::Region,
                warming: false,
            };
            match call(cx, request, responder) {
                Outcome::Answered => None,
                // All else that a node without peers has left to do is to draw a page.
                _ => Some(Reply::Page(
                    Status::Ok,
                    ContentType::Text,
                    Bytes::from_static(b"page"),
                )),
            }
        });
        Self { peer, shards }
    }

    /// Sends the bytes in pieces of that size, as far as they are taken.
    pub(crate) fn sent(bytes: &[u8], size: usize) -> Self {
        let mut node = Self::new();
        for piece in bytes.chunks(size) {
            if node.peer.send(piece) < piece.len() {
                break;
            }
        }
        node
    }

    /// Final answers so far: statuses and bodies.
    pub(crate) fn answers(&self) -> Vec<(u16, Vec<u8>)> {
        let answers = self.peer.answers().into_iter();
        let last = answers.filter(|answer| answer.status >= 200);
        last.map(|answer| (answer.status, answer.body)).collect()
    }

    /// How many values are held.
    pub(crate) fn stored(&self) -> u64 {
        let mut stored = 0;
        self.shards.for_each(|shard| {
            let stats = shard.stats(Now {
                mono: Instant::ORIGIN,
                unix_ms: 1_700_000_000_000,
            });
            stored += stats.local.entries + stats.remote.entries;
        });
        stored
    }
}
