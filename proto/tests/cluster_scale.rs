//! What a node does with the number of its peers, counted in the memory it takes: in proportion, and a
//! request for a key nothing. `benches/instructions.sh` counts the same in instructions.

use std::net::SocketAddr;
use std::sync::Arc;

use allocation_counter::{AllocationInfo, measure};
use zerocache_proto::cluster::{Action, Cluster, Config, Peer, Pong, View};
use zerocache_proto::op::{Ack, Fanout, FanoutEvent, Scope};
use zerocache_proto::{Duration, Instant, Region, Rng};

const REGIONS: [&str; 8] = [
    "london", "paris", "oslo", "rome", "tokyo", "lima", "perth", "accra",
];
const NOW: Instant = Instant::from_millis(1);

fn region(n: usize) -> Region {
    Region::new(REGIONS[n % REGIONS.len()]).expect("a name")
}

fn peer(n: usize) -> Peer {
    let addr = SocketAddr::from(([10, 0, (n >> 8) as u8, n as u8], 6789));
    Peer::at(region(0), addr)
}

/// A peer says hello, or with port 0 goodbye; whoever is pinged answers.
fn hello(cluster: &mut Cluster, now: Instant, n: usize, port: u16) {
    let peer = peer(n);
    let text = format!("{} {} {port}", peer.id, peer.region);
    cluster.handle_hello(now, peer.addr.ip(), text.as_bytes());
    while let Some(action) = cluster.poll_action() {
        if let Action::Ping { token, addr, .. } = action {
            let pong = Pong::new(Duration::from_millis(1), Some(Peer::at(region(0), addr).id));
            cluster.handle_pong(now, token, Ok(pong));
        }
    }
    while cluster.poll_event().is_some() {}
}

/// A peer of so many leaves, and is back.
fn views(peers: usize) -> AllocationInfo {
    let me = SocketAddr::from(([10, 1, 0, 1], 6789));
    let mut cluster = Cluster::new(NOW, Config::node(region(0), me), 1);
    cluster.announce(NOW);
    for n in 0..peers {
        hello(&mut cluster, NOW, n, 6789);
    }
    // Views do not follow each other at once.
    let soon = |views| NOW + Duration::from_millis(10).saturating_mul(views);
    cluster.handle_timeout(soon(1));
    assert_eq!(cluster.view().peers().count(), peers);
    let before = cluster.view().generation;
    let spent = measure(|| {
        hello(&mut cluster, soon(2), 1, 0);
        hello(&mut cluster, soon(3), 1, 6789);
    });
    assert_eq!(cluster.view().generation, before + 2);
    assert_eq!(cluster.view().peers().count(), peers);
    spent
}

/// A write goes to all of so many peers, half of them here, and all answer.
fn copies(peers: usize) -> AllocationInfo {
    let here = |n| Peer {
        region: region(if n % 2 == 0 { 0 } else { n }),
        ..peer(n)
    };
    let view = Arc::new(View::of(region(0), (0..peers).map(here)));
    let scope = Scope {
        local: true,
        remote: true,
    };
    measure(|| {
        let mut fanout = Fanout::new(NOW, view.clone(), scope, Ack::All, Rng::new(1));
        let mut sent = Vec::with_capacity(peers);
        sent.extend(std::iter::from_fn(|| fanout.poll_transmit(NOW)));
        for copy in sent {
            fanout.handle_result(NOW, copy.id, Ok(200));
        }
        assert_eq!(fanout.poll_event(), Some(FanoutEvent::Acked));
        assert!(fanout.is_done());
    })
}

#[test]
fn what_a_peer_costs_does_not_grow_with_their_number() {
    for (what, cost) in [
        ("views", views as fn(usize) -> AllocationInfo),
        ("copies", copies),
    ] {
        let (some, many) = (cost(100), cost(1000));
        // Ten times the peers: ten times the cost, and half of that for good measure.
        assert!(
            some.bytes_total >= 100 && some.count_total > 0,
            "{what}: {some:?}"
        );
        assert!(
            many.bytes_total <= 15 * some.bytes_total,
            "{what}: {some:?}, {many:?}"
        );
        assert!(
            many.count_total <= 15 * some.count_total,
            "{what}: {some:?}, {many:?}"
        );
        assert!(
            many.bytes_max <= 15 * some.bytes_max,
            "{what}: {some:?}, {many:?}"
        );
    }
}
