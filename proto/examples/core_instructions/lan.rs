//! A node among others: who is there, and a write's way to all of them.

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;

use zerocache_proto::cluster::{Action, Cluster, Config, Peer, Pong, View};
use zerocache_proto::op::{Ack, Fanout, FanoutEvent, Scope};
use zerocache_proto::{Duration, Failure, Instant, Region, Rng};

const REGIONS: [&str; 8] = [
    "london", "paris", "oslo", "rome", "tokyo", "lima", "perth", "accra",
];
const NOW: Instant = Instant::from_millis(1);
/// Views of very many peers do not follow each other sooner.
const VIEW_SPACING: Duration = Duration::from_millis(10);

/// One of many nodes, in eight regions by turns.
pub(crate) fn peer(n: usize) -> Peer {
    let region = Region::new(REGIONS[n % REGIONS.len()]).expect("a name");
    Peer::at(region, addr(n))
}

fn addr(n: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, (n >> 8) as u8, n as u8], 6789))
}

/// One of many nodes of one region.
fn neighbour(addr: SocketAddr) -> Peer {
    Peer::at(Region::new(REGIONS[0]).expect("a name"), addr)
}

/// A peer leaves and is back: two views, one without it. `count` views in all.
pub(crate) fn views(count: usize, peers: usize) {
    let mut lan = Lan::new(peers);
    let before = lan.cluster.view().generation;
    for n in 0..count / 2 {
        for port in [0, 6789] {
            lan.now = lan.now + VIEW_SPACING;
            lan.hello(n % peers, port);
        }
    }
    let views = lan.cluster.view().generation - before;
    assert_eq!(views, count as u64);
}

/// Peers known say once more that they are there.
pub(crate) fn hellos(count: usize, peers: usize) {
    let mut lan = Lan::new(peers);
    for n in 0..count {
        lan.hello(n % peers, 6789);
    }
}

/// Writes to all peers, in one region, each answered by all.
pub(crate) fn fanouts(count: usize, peers: usize) {
    let region = Region::new(REGIONS[0]).expect("a name");
    let here = |n| Peer {
        region: region.clone(),
        ..peer(n)
    };
    let view = Arc::new(View::of(region.clone(), (0..peers).map(here)));
    let scope = Scope {
        local: true,
        remote: true,
    };
    let mut copies = Vec::with_capacity(peers);
    for _ in 0..count {
        let mut fanout = Fanout::new(NOW, view.clone(), scope, Ack::Region, Rng::new(1));
        copies.extend(std::iter::from_fn(|| fanout.poll_transmit(NOW)));
        assert_eq!(copies.len(), peers);
        for copy in copies.drain(..) {
            black_box(&copy.peer);
            fanout.handle_result(NOW, copy.id, Ok(200));
        }
        assert_eq!(fanout.poll_event(), Some(FanoutEvent::Acked));
        assert!(fanout.is_done());
    }
}

/// A node, and all others answering at once.
struct Lan {
    cluster: Cluster,
    now: Instant,
}

impl Lan {
    fn new(peers: usize) -> Self {
        let region = Region::new(REGIONS[0]).expect("a name");
        let config = Config::node(region, SocketAddr::from(([10, 1, 0, 1], 6789)));
        let mut lan = Self {
            cluster: Cluster::new(NOW, config, 1),
            now: NOW,
        };
        lan.cluster.announce(NOW);
        for n in 0..peers {
            lan.hello(n, 6789);
        }
        lan.now = NOW + VIEW_SPACING;
        lan.cluster.handle_timeout(lan.now);
        assert_eq!(lan.cluster.view().peers().count(), peers);
        lan
    }

    /// A peer says who it is, or with port 0 goodbye.
    fn hello(&mut self, n: usize, port: u16) {
        let peer = neighbour(addr(n));
        let hello = format!("{} {} {port}", peer.id, peer.region);
        self.cluster
            .handle_hello(self.now, peer.addr.ip(), hello.as_bytes());
        while let Some(action) = self.cluster.poll_action() {
            match action {
                Action::Ping { token, addr, .. } => {
                    let pong = Pong::new(Duration::from_millis(1), Some(neighbour(addr).id));
                    self.cluster.handle_pong(self.now, token, Ok(pong));
                }
                Action::Members { token, .. } => {
                    self.cluster
                        .handle_members(self.now, token, Err(Failure::Refused));
                }
                Action::Resolve { .. } | Action::Datagram(_) => {}
            }
        }
        while let Some(event) = self.cluster.poll_event() {
            black_box(event);
        }
    }
}
