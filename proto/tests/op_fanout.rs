//! A write's spread: its shape, its deadlines, what the caller waits for.

mod checked;

use checked::Checked;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use zerocache_proto::cluster::{Peer, RegionView, View};
use zerocache_proto::op::{Ack, Copy, Fanout, FanoutEvent, Scope, Tally};
use zerocache_proto::{Duration, Failure, Instant, NodeId, Region, Rng};

const EVERYWHERE: Scope = Scope {
    local: true,
    remote: true,
};

fn region(name: &str) -> Region {
    Region::new(name).expect("a region")
}

fn peer(own: &str, n: u32, capable: bool) -> Arc<Peer> {
    Arc::new(Peer {
        id: NodeId::from_bits(n),
        region: region(own),
        addr: ([10, 0, 0, n as u8], 6789).into(),
        capable,
    })
}

/// Local nodes 1.., those of other regions 11.., 21.., ...; stock ones are listed.
fn view(local: u32, others: &[u32], stock: &[u32]) -> Arc<View> {
    let peers = |name: &str, first: u32, n: u32| -> Vec<Arc<Peer>> {
        (first + 1..=first + n)
            .map(|n| peer(name, n, !stock.contains(&n)))
            .collect()
    };
    let mut view = View::empty(region("london"), Some(NodeId::from_bits(99)));
    view.local = peers("london", 0, local);
    for (rank, n) in others.iter().enumerate() {
        let name = format!("region-{rank}");
        view.regions.push(RegionView {
            name: region(&name),
            latency: Duration::from_millis(10),
            peers: peers(&name, 10 * (rank as u32 + 1), *n),
        });
    }
    Arc::new(view)
}

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn start(view: &Arc<View>, scope: Scope, ack: Ack) -> Checked<Fanout> {
    Checked::new(Fanout::new(at(0), view.clone(), scope, ack, Rng::new(5)))
}

fn copies(fanout: &mut Checked<Fanout>, now: Instant) -> Vec<Copy> {
    std::iter::from_fn(|| fanout.poll_transmit(now)).collect()
}

fn events(fanout: &mut Checked<Fanout>) -> Vec<FanoutEvent> {
    std::iter::from_fn(|| fanout.poll_event()).collect()
}

fn to(copies: &[Copy]) -> Vec<(u32, bool)> {
    copies
        .iter()
        .map(|copy| (copy.peer.id.to_bits(), copy.recurse))
        .collect()
}

#[test]
fn copies_have_time_for_their_bytes_and_for_the_way() {
    let mut view = View::clone(&view(2, &[1, 1], &[]));
    view.regions[1].latency = Duration::from_millis(350);
    let view = Arc::new(view);
    let fanout = Fanout::new(at(0), view, EVERYWHERE, Ack::Region, Rng::new(5));
    let mut fanout = Checked::new(fanout.carrying(96 << 10));
    let sent = copies(&mut fanout, at(0));
    let deadlines: Vec<_> = sent.iter().map(|copy| copy.deadline).collect();
    assert_eq!(deadlines, [2_000, 2_000, 2_500, 2_900].map(at));
    // Whoever asked waits no longer for that.
    assert_eq!(fanout.poll_timeout(), Some(at(250)));
    fanout.handle_timeout(at(250));
    assert_eq!(events(&mut fanout), [FanoutEvent::Acked]);
    fanout.handle_timeout(at(2_000));
    assert_eq!(events(&mut fanout).len(), 2);
    assert_eq!(fanout.poll_timeout(), Some(at(2_500)));
}

#[test]
fn each_local_peer_and_one_node_of_each_other_region() {
    let view = view(3, &[1, 4], &[]);
    let mut fanout = start(&view, EVERYWHERE, Ack::Region);
    let sent = copies(&mut fanout, at(0));
    assert_eq!(
        to(&sent)[..4],
        [(1, false), (2, false), (3, false), (11, true)]
    );
    assert!((21..=24).contains(&sent[4].peer.id.to_bits()) && sent[4].recurse);
    assert_eq!(sent.len(), 5);
    assert_eq!(sent[0].deadline, at(500));
    assert_eq!(sent[4].deadline, at(1_000));
    let local = Scope {
        local: true,
        remote: false,
    };
    assert_eq!(
        copies(&mut start(&view, local, Ack::Region), at(0)).len(),
        3
    );
    let nowhere = Scope {
        local: false,
        remote: false,
    };
    let mut fanout = start(&view, nowhere, Ack::All);
    assert!(copies(&mut fanout, at(0)).is_empty());
    assert_eq!(events(&mut fanout), [FanoutEvent::Acked]);
    assert!(fanout.is_done());
}

#[test]
fn a_region_is_entered_by_one_of_ours_if_there_is_one() {
    let view = view(0, &[4, 2], &[11, 12, 14, 21, 22]);
    for seed in 0..50 {
        let mut fanout = Checked::new(Fanout::new(
            at(0),
            view.clone(),
            EVERYWHERE,
            Ack::None,
            Rng::new(seed),
        ));
        let sent = to(&copies(&mut fanout, at(0)));
        assert_eq!(sent[0], (13, true));
        assert!([(21, true), (22, true)].contains(&sent[1]));
    }
}

#[test]
fn the_caller_waits_as_it_asked_to() {
    let view = view(2, &[1], &[]);
    // None: not at all.
    assert_eq!(
        events(&mut start(&view, EVERYWHERE, Ack::None)),
        [FanoutEvent::Acked]
    );
    // Region: for the local ones, however they end.
    let mut fanout = start(&view, EVERYWHERE, Ack::Region);
    let sent = copies(&mut fanout, at(0));
    fanout.handle_result(at(3), sent[0].id, Ok(200));
    assert_eq!(events(&mut fanout), []);
    fanout.handle_result(at(4), sent[1].id, Err(Failure::Refused));
    let lost = FanoutEvent::Undelivered {
        peer: sent[1].peer.clone(),
        recurse: false,
    };
    assert_eq!(events(&mut fanout), [FanoutEvent::Acked, lost]);
    assert!(!fanout.is_done());
    fanout.handle_result(at(90), sent[2].id, Ok(200));
    assert!(fanout.is_done());
    // All: for the others too.
    let mut fanout = start(&view, EVERYWHERE, Ack::All);
    let sent = copies(&mut fanout, at(0));
    fanout.handle_result(at(3), sent[0].id, Ok(200));
    fanout.handle_result(at(3), sent[1].id, Ok(200));
    assert_eq!(events(&mut fanout), []);
    fanout.handle_result(at(90), sent[2].id, Ok(200));
    assert_eq!(events(&mut fanout), [FanoutEvent::Acked]);
    assert_eq!(
        fanout.tally(),
        Tally {
            delivered: 3,
            ..Tally::default()
        }
    );
}

#[test]
fn but_never_longer_than_it_may() {
    for (ack, patience) in [(Ack::Region, 250), (Ack::All, 400)] {
        let mut fanout = start(&view(2, &[1], &[]), EVERYWHERE, ack);
        copies(&mut fanout, at(0));
        assert_eq!(fanout.poll_timeout(), Some(at(patience)));
        fanout.handle_timeout(at(patience - 1));
        assert_eq!(events(&mut fanout), []);
        fanout.handle_timeout(at(patience));
        assert_eq!(events(&mut fanout), [FanoutEvent::Acked]);
        fanout.handle_timeout(at(patience));
        assert_eq!(
            (events(&mut fanout), fanout.poll_timeout()),
            (vec![], Some(at(500)))
        );
        // The spread goes on behind it.
        fanout.handle_timeout(at(500));
        assert_eq!(events(&mut fanout).len(), 2);
        assert!(!fanout.is_done());
        fanout.handle_timeout(at(1_000));
        assert_eq!(events(&mut fanout).len(), 1);
        assert!(fanout.is_done());
        assert_eq!(fanout.poll_timeout(), None);
    }
}

#[test]
fn a_region_that_fails_is_tried_through_other_nodes() {
    let view = view(0, &[5], &[14, 15]);
    let mut fanout = start(&view, EVERYWHERE, Ack::Region);
    assert_eq!(
        events(&mut fanout),
        [FanoutEvent::Acked],
        "nobody local to wait for"
    );
    let mut tried = Vec::new();
    for failure in [Ok(503), Err(Failure::Reset), Err(Failure::TimedOut)] {
        let sent = copies(&mut fanout, at(10));
        assert_eq!(sent.len(), 1);
        tried.push(sent[0].peer.id.to_bits());
        fanout.handle_result(at(20), sent[0].id, failure);
    }
    tried.sort_unstable();
    assert_eq!(tried, [11, 12, 13], "ours first, nobody twice");
    assert!(copies(&mut fanout, at(30)).is_empty());
    assert!(matches!(
        &events(&mut fanout)[..],
        [FanoutEvent::Undelivered { recurse: true, .. }]
    ));
    assert_eq!(fanout.tally().undelivered, 1);
}

#[test]
fn what_a_peer_answers_is_not_always_worth_another_try() {
    let view = view(6, &[], &[4, 5, 6]);
    let mut fanout = start(&view, EVERYWHERE, Ack::Region);
    let sent = copies(&mut fanout, at(0));
    // Ours: too large, nothing to delete, overloaded. Stock: it has it, or never will.
    for (copy, status) in sent.iter().zip([413, 404, 503, 500, 400, 404]) {
        fanout.handle_result(at(1), copy.id, Ok(status));
    }
    let lost = FanoutEvent::Undelivered {
        peer: sent[2].peer.clone(),
        recurse: false,
    };
    assert_eq!(events(&mut fanout), [FanoutEvent::Acked, lost]);
    let tally = Tally {
        delivered: 2,
        refused: 3,
        undelivered: 1,
        pending: 0,
    };
    assert_eq!(fanout.tally(), tally);
    // Reports nobody waits for.
    fanout.handle_result(at(2), sent[0].id, Ok(200));
    fanout.handle_result(at(2), 4_000, Ok(200));
    assert_eq!(fanout.tally(), tally);
}

proptest! {
    #[test]
    fn every_copy_comes_to_one_end(
        local in 0_u32..6,
        others in prop::collection::vec(0_u32..4, 0..4),
        stock in prop::collection::vec(1_u32..40, 0..6),
        ack in 0_usize..3,
        steps in prop::collection::vec((0_u16..12, 0_u16..7, 0_u64..300), 0..60),
    ) {
        let ack = [Ack::None, Ack::Region, Ack::All][ack];
        let view = view(local, &others, &stock);
        let mut fanout = start(&view, EVERYWHERE, ack);
        let mut now = at(0);
        let (mut acks, mut lost) = (0, 0);
        let mut sent: BTreeMap<u32, usize> = BTreeMap::new();
        let mut steps = steps.into_iter();
        while !fanout.is_done() {
            for copy in copies(&mut fanout, now) {
                *sent.entry(copy.peer.id.to_bits()).or_default() += 1;
                prop_assert_eq!(copy.recurse, copy.peer.region != view.own);
            }
            for event in events(&mut fanout) {
                match event {
                    FanoutEvent::Acked => acks += 1,
                    FanoutEvent::Undelivered { .. } => lost += 1,
                }
            }
            let Some(due) = fanout.poll_timeout() else {
                prop_assert!(fanout.is_done());
                break;
            };
            match steps.next() {
                Some((id, status, wait)) => {
                    now = now + Duration::from_millis(wait);
                    match status {
                        0 => fanout.handle_result(now, id, Err(Failure::Reset)),
                        status => fanout.handle_result(now, id, Ok(100 * status)),
                    }
                }
                None => now = now.max(due),
            }
            fanout.handle_timeout(now);
        }
        for event in events(&mut fanout) {
            match event {
                FanoutEvent::Acked => acks += 1,
                FanoutEvent::Undelivered { .. } => lost += 1,
            }
        }
        let regions = others.iter().filter(|n| **n > 0).count();
        let tally = fanout.tally();
        prop_assert_eq!(acks, 1);
        prop_assert_eq!(usize::from(tally.undelivered), lost);
        let ends = tally.delivered + tally.refused + tally.undelivered;
        prop_assert_eq!(usize::from(ends), local as usize + regions);
        prop_assert!(sent.values().all(|times| *times == 1));
        let remote = sent.keys().filter(|id| **id > 10).count();
        prop_assert!(remote <= regions * Fanout::REMOTE_ATTEMPTS);
    }
}

#[test]
fn who_is_out_of_routing_gets_no_copy_and_is_noted() {
    let view = View {
        absent: vec![peer("london", 77, true)],
        ..View::clone(&view(1, &[], &[]))
    };
    let view = Arc::new(view);
    let mut fanout = start(&view, EVERYWHERE, Ack::Region);
    assert_eq!(to(&copies(&mut fanout, at(0))), [(1, false)]);
    let missed = FanoutEvent::Undelivered {
        peer: view.absent[0].clone(),
        recurse: false,
    };
    assert_eq!(events(&mut fanout), std::slice::from_ref(&missed));
    fanout.handle_result(at(1), 0, Ok(200));
    assert_eq!(
        events(&mut fanout),
        [FanoutEvent::Acked],
        "nobody waits for it"
    );
    assert!(fanout.is_done());
    // With nobody else there, too.
    let alone = Arc::new(View {
        local: Vec::new(),
        ..View::clone(&view)
    });
    let mut fanout = start(&alone, EVERYWHERE, Ack::Region);
    assert!(events(&mut fanout).contains(&missed) && fanout.is_done());
    // What is kept to this node is kept.
    let nowhere = Scope {
        local: false,
        remote: false,
    };
    assert!(!events(&mut start(&view, nowhere, Ack::Region)).contains(&missed));
}
