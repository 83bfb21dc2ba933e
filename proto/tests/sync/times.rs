//! When rounds are held, and with whom.

use std::sync::Arc;

use zerocache_proto::cluster::{Peer, RegionView, View};
use zerocache_proto::sync::{Ended, Schedule, State, Tally, Verdict};
use zerocache_proto::{Duration, Failure, Instant, NodeId, Region};

const SECOND: Duration = Duration::from_secs(1);

fn region(name: &str) -> Region {
    Region::new(name).expect("a name")
}

fn peer(id: u32, name: &str, capable: bool) -> Arc<Peer> {
    Arc::new(Peer {
        id: NodeId::from_bits(id),
        region: region(name),
        addr: "10.0.0.9:6789".parse().expect("an address"),
        capable,
    })
}

/// A view of london with these local peers and other regions, nearest first; ids from 100 on are stock
/// nodes.
fn view(local: &[u32], regions: &[(&str, &[u32])]) -> Arc<View> {
    let peers = |ids: &[u32], name: &str| ids.iter().map(|id| peer(*id, name, *id < 100)).collect();
    let mut view = View::empty(region("london"), Some(NodeId::from_bits(0)));
    view.local = peers(local, "london");
    view.regions = regions
        .iter()
        .map(|(name, ids)| RegionView {
            name: region(name),
            latency: SECOND,
            peers: peers(ids, name),
        })
        .collect();
    Arc::new(view)
}

fn ended(verdict: Verdict, settled: bool, merged: u64) -> Ended {
    let tally = Tally {
        merged,
        ..Tally::default()
    };
    Ended {
        verdict,
        settled,
        tally,
    }
}

struct World {
    schedule: Schedule,
    now: Instant,
}

impl World {
    fn new(view: Arc<View>, seed: u64) -> Self {
        Self {
            schedule: Schedule::new(view, seed),
            now: Instant::from_millis(1000),
        }
    }

    fn ready(view: Arc<View>, seed: u64) -> Self {
        let mut world = Self::new(view, seed);
        world.schedule.handle_ready(world.now);
        world
    }

    /// Whom it asks next, and how long that takes; none within ten minutes.
    fn next(&mut self) -> Option<(u32, Duration)> {
        let begun = self.now;
        while let Some(at) = self.schedule.poll_timeout() {
            self.now = self.now.max(at);
            let took = self.now.saturating_since(begun);
            if took > 600 * SECOND {
                break;
            }
            if let Some(peer) = self.schedule.poll_start(self.now) {
                return Some((peer.id.to_bits(), took));
            }
        }
        None
    }

    fn end(&mut self, verdict: Verdict, settled: bool) {
        self.schedule
            .handle_ended(self.now, &ended(verdict, settled, 1));
    }

    fn state(&self) -> State {
        self.schedule.state()
    }
}

#[test]
fn one_that_begins_asks_at_once_and_at_home() {
    for seed in 0..50 {
        let mut world = World::new(view(&[100, 1, 2], &[("paris", &[3])]), seed);
        assert_eq!(
            (world.next(), world.state()),
            (None, State::Cold),
            "not before it is ready"
        );
        world.schedule.handle_ready(world.now);
        let (id, wait) = world.next().expect("at once");
        assert!((1..=2).contains(&id) && wait <= SECOND, "{id} {wait:?}");
        assert_eq!(world.state(), State::Warming);
        assert_eq!(world.next(), None, "one at a time");
        world.end(Verdict::Complete, true);
        assert_eq!(world.state(), State::Synced);
        let (_, wait) = world.next().expect("now and then");
        assert!(wait >= 30 * SECOND && wait <= 90 * SECOND, "{wait:?}");
    }
}

#[test]
fn with_nobody_at_home_it_asks_the_nearest_of_ours() {
    for seed in 0..20 {
        let others: [(&str, &[u32]); 3] = [("paris", &[100]), ("tokyo", &[101, 5]), ("lima", &[6])];
        let mut world = World::ready(view(&[102], &others), seed);
        assert_eq!(world.next().map(|(id, _)| id), Some(5));
    }
}

#[test]
fn one_alone_is_synced_after_a_while_and_asks_the_first_that_comes() {
    for stock in [&[][..], &[100]] {
        let mut world = World::ready(view(stock, &[]), 1);
        assert_eq!(world.state(), State::Cold);
        assert_eq!(world.next(), None);
        assert_eq!(world.state(), State::Synced);
        world.schedule.handle_view(world.now, view(&[1], &[]));
        let (id, wait) = world.next().expect("at once");
        assert!(id == 1 && wait <= SECOND);
    }
}

#[test]
fn nodes_that_have_just_begun_are_not_relied_on() {
    let mut world = World::ready(view(&[1, 2], &[("paris", &[3])]), 7);
    let (first, _) = world.next().expect("one");
    world.end(Verdict::Equal, false);
    assert_eq!(world.state(), State::Warming);
    let (second, wait) = world.next().expect("the other");
    assert!(first != second && wait <= 2 * SECOND);
    world.end(Verdict::Equal, false);
    // Nobody knows more: so they all begin.
    assert_eq!(world.state(), State::Synced);
}

#[test]
fn a_failure_is_followed_by_another_peer_and_a_growing_pause() {
    let mut world = World::ready(view(&[1, 2], &[]), 3);
    let (first, _) = world.next().expect("one");
    world.end(Verdict::Failed(Failure::Reset), false);
    let (second, wait) = world.next().expect("the other");
    assert!(first != second && wait <= 2 * SECOND, "{wait:?}");
    let mut last = Duration::ZERO;
    for _ in 0..10 {
        world.end(Verdict::Failed(Failure::TimedOut), false);
        assert_eq!(world.state(), State::Warming);
        (_, last) = world.next().expect("again");
        assert!(last <= 90 * SECOND);
    }
    assert!(last >= 30 * SECOND, "{last:?}");
}

#[test]
fn what_a_bound_has_cut_is_gone_on_with() {
    let mut world = World::ready(view(&[1], &[]), 3);
    for _ in 0..3 {
        let (_, wait) = world.next().expect("again");
        assert!(wait <= 2 * SECOND);
        world.end(Verdict::Partial, true);
        assert_eq!(world.state(), State::Warming);
    }
    world.next();
    world.end(Verdict::Complete, true);
    assert_eq!(world.state(), State::Synced);
}

#[test]
fn every_fifth_is_one_of_another_region() {
    let mut world = World::ready(
        view(&[1, 2, 100], &[("paris", &[3]), ("tokyo", &[4, 101])]),
        5,
    );
    world.next();
    world.end(Verdict::Equal, true);
    let mut asked = Vec::new();
    for _ in 0..200 {
        let (id, wait) = world.next().expect("now and then");
        assert!(wait >= 30 * SECOND && wait <= 90 * SECOND);
        asked.push(id);
        world.end(Verdict::Equal, true);
    }
    for (n, id) in asked.iter().enumerate() {
        assert_eq!((3..=4).contains(id), (n + 1) % 5 == 0, "{n} {id}");
    }
    for id in 1..=4 {
        let times = asked.iter().filter(|asked| **asked == id).count();
        assert!(times >= 8, "{id}: {times}");
    }
    // Alone at home, it is always one of another region; alone in the world, nobody.
    world
        .schedule
        .handle_view(world.now, view(&[100], &[("paris", &[3])]));
    assert_eq!(world.next().map(|(id, _)| id), Some(3));
    world.end(Verdict::Equal, true);
    world
        .schedule
        .handle_view(world.now, view(&[100], &[("paris", &[101])]));
    assert_eq!(world.next(), None);
}

#[test]
fn one_that_was_away_is_asked_when_it_is_back() {
    let all = view(&[1, 2], &[("paris", &[3, 4])]);
    let mut world = World::ready(all.clone(), 5);
    world.next();
    world.end(Verdict::Equal, true);
    // All of them: it may have been this node that was cut off.
    for id in 1..=4 {
        world.schedule.handle_down(NodeId::from_bits(id));
    }
    world.schedule.handle_view(world.now, view(&[], &[]));
    world.now = world.now + 20 * SECOND;
    world.schedule.handle_view(world.now, all.clone());
    for peer in all.peers() {
        world.schedule.handle_up(world.now, peer);
    }
    let mut asked = Vec::new();
    for _ in 0..3 {
        let (id, wait) = world.next().expect("soon");
        assert!(wait <= 3 * SECOND, "{wait:?}");
        asked.push(id);
        world.end(Verdict::Complete, true);
    }
    // One of paris stands for the others there.
    assert_eq!(asked, [1, 2, 3]);
    let (_, wait) = world.next().expect("now and then");
    assert!(wait >= 30 * SECOND);
}

#[test]
fn one_that_leaves_begins_no_more() {
    let mut world = World::ready(view(&[1], &[]), 5);
    world.next();
    world.schedule.leave();
    world.end(Verdict::Equal, true);
    world.schedule.handle_down(NodeId::from_bits(1));
    world
        .schedule
        .handle_up(world.now, &peer(1, "london", true));
    assert_eq!(world.schedule.poll_timeout(), None);
}

#[test]
fn one_that_has_missed_writes_is_asked_as_soon_as_it_is_there() {
    for seed in 0..50 {
        let mut world = World::ready(view(&[1, 2, 3], &[("paris", &[4])]), seed);
        world.next();
        world.end(Verdict::Equal, true);
        world.schedule.handle_owing(world.now, NodeId::from_bits(4));
        let (asked, waits) = world.next().expect("a round");
        assert!(asked == 4 && waits <= 2 * SECOND, "{asked} after {waits:?}");
        let me = NodeId::from_bits(0);
        assert_eq!(world.schedule.owes(NodeId::from_bits(4)), Some(me));
        // In vain: another one has its turn, then that one again.
        world.end(Verdict::Failed(Failure::TimedOut), false);
        let (asked, _) = world.next().expect("a round");
        assert_ne!(asked, 4);
        world.end(Verdict::Equal, true);
        let (asked, waits) = world.next().expect("a round");
        assert!(asked == 4 && waits <= 3 * SECOND, "{asked} after {waits:?}");
        world.end(Verdict::Complete, true);
        assert_eq!(world.schedule.owes(NodeId::from_bits(4)), None);
        let (_, waits) = world.next().expect("a round");
        assert!(waits >= 30 * SECOND, "{waits:?}");
        // It is not there; then it is.
        world.end(Verdict::Equal, true);
        world.schedule.handle_owed(world.now, NodeId::from_bits(9));
        let back = view(&[1, 2, 3, 9], &[]);
        world.schedule.handle_view(world.now, back);
        world
            .schedule
            .handle_up(world.now, &peer(9, "london", true));
        let (asked, waits) = world.next().expect("a round");
        assert!(asked == 9 && waits <= 2 * SECOND, "{asked} after {waits:?}");
    }
}

#[test]
fn one_that_had_written_before_it_compared_tells_those_it_knows_and_meets() {
    for seed in 0..50 {
        let mut world = World::ready(view(&[1, 2], &[("paris", &[3, 100])]), seed);
        world.next();
        world.schedule.handle_written();
        world.end(Verdict::Complete, true);
        let owes = |world: &World, id| world.schedule.owes(NodeId::from_bits(id)).is_some();
        assert!([1, 2, 3].iter().all(|id| owes(&world, *id)) && !owes(&world, 100));
        for _ in 0..3 {
            let (asked, waits) = world.next().expect("a round");
            assert!(
                owes(&world, asked) && waits <= 3 * SECOND,
                "{asked}, {waits:?}"
            );
            world.end(Verdict::Equal, true);
            assert!(!owes(&world, asked));
        }
        // One it meets soon afterwards, and one it meets later.
        let met = peer(4, "london", true);
        world.schedule.handle_up(world.now, &met);
        assert!(owes(&world, 4));
        let later = world.now + 60 * SECOND;
        world.schedule.handle_up(later, &peer(5, "london", true));
        assert!(!owes(&world, 5));
    }
    // Who begins with nothing owes nothing.
    let mut world = World::ready(view(&[1, 2], &[]), 1);
    world.next();
    world.end(Verdict::Complete, true);
    world.schedule.handle_written();
    world
        .schedule
        .handle_up(world.now, &peer(4, "london", true));
    assert_eq!(world.schedule.owes(NodeId::from_bits(4)), None);
}
