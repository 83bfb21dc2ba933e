//! The checks of the machines' contract bite: a toy that breaks a rule is caught, one that keeps all
//! is not. And an idle poll takes no longer where there is much to keep.

mod checked;

use std::fmt::Debug;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use checked::machines::clock;
use checked::{Checked, Machine};
use zerocache_proto::cluster::{self, Cluster, Me, Pong};
use zerocache_proto::mdns::{self, Mdns};
use zerocache_proto::node::{Config, Input, Node};
use zerocache_proto::op::{Change, Handoff, HandoffLimits};
use zerocache_proto::{Duration, Instant, NodeId, Region};

const PERIOD: Duration = Duration::from_millis(10);

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// The rule a toy breaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    None,
    /// Work is due before `poll_timeout` tells so.
    Hides,
    /// A fired timer stays.
    Stays,
    /// An early call puts the timer off.
    PutsOff,
    /// A repeated call does it all again.
    Repeats,
    /// A call that has nothing to do leaves a mark.
    Marks,
    /// A poll in vain brings something forth.
    Brews,
    /// A poll in vain moves the timer.
    Shifts,
    /// It speaks after its end.
    Haunts,
    /// A timer is set after its end.
    Lingers,
    /// Bytes wait after its end.
    Forgets,
    /// It comes back.
    Rises,
}

/// Says something each [`PERIOD`], three times, and then has ended.
#[derive(Debug)]
struct Toy {
    fault: Fault,
    next: Instant,
    said: u32,
    queued: u32,
    calls: u32,
    polls: u32,
}

impl Toy {
    fn over(&self) -> bool {
        self.said >= 3
    }
}

impl Machine for Toy {
    type Action = &'static str;
    type Event = std::convert::Infallible;

    fn due(&self) -> Option<Instant> {
        let late = match self.fault {
            Fault::Hides => Duration::from_millis(1),
            Fault::Shifts => Duration::from_millis(self.polls.into()),
            _ => Duration::ZERO,
        };
        let set = !self.over() || self.fault == Fault::Lingers;
        set.then_some(self.next + late)
    }

    fn fire(&mut self, now: Instant) {
        self.calls += 1;
        let again = self.fault == Fault::Repeats && self.said > 0;
        if now < self.next && !again {
            if self.fault == Fault::PutsOff {
                self.next = now + PERIOD;
            }
            return;
        }
        if self.over() {
            self.queued += u32::from(self.fault == Fault::Haunts);
            return;
        }
        self.said += 1;
        self.queued += 1;
        if self.fault != Fault::Stays {
            self.next = now + PERIOD;
        }
    }

    fn next_action(&mut self, _: Instant) -> Option<&'static str> {
        if self.queued == 0 {
            self.polls += 1;
            self.queued += u32::from(self.fault == Fault::Brews && self.polls % 2 == 1);
            return None;
        }
        self.queued -= 1;
        Some("tick")
    }

    fn next_event(&mut self) -> Option<Self::Event> {
        None
    }

    fn face(&self) -> String {
        let calls = (self.fault == Fault::Marks).then_some(self.calls);
        format!("{} {calls:?}", self.said)
    }

    fn unsent(&self) -> usize {
        usize::from(self.fault == Fault::Forgets)
    }

    fn is_over(&self) -> bool {
        let risen = self.fault == Fault::Rises && self.calls > 24;
        self.over() && !risen
    }
}

/// What a well-meaning driver gets out of it, or of what the checks accuse it.
fn play(fault: Fault) -> Result<usize, String> {
    let toy = Toy {
        fault,
        next: at(10),
        said: 0,
        queued: 0,
        calls: 0,
        polls: 0,
    };
    let mut toy = Checked::new(toy);
    let drive = AssertUnwindSafe(|| {
        let mut heard = 0;
        for now in (0..100).step_by(5) {
            toy.handle_timeout(at(now));
            while toy.action(at(now)).is_some() {
                heard += 1;
            }
        }
        heard
    });
    catch_unwind(drive).map_err(|panic| match panic.downcast::<String>() {
        Ok(formatted) => *formatted,
        Err(panic) => panic
            .downcast_ref::<&str>()
            .copied()
            .unwrap_or_default()
            .to_owned(),
    })
}

#[test]
fn a_machine_that_keeps_the_rules_passes() {
    assert_eq!(play(Fault::None), Ok(3));
}

#[test]
fn each_broken_rule_is_caught() {
    let cases = [
        (Fault::Hides, "early or repeated call"),
        (Fault::Stays, "a fired timer stays"),
        (Fault::PutsOff, "changes something"),
        (Fault::Repeats, "early or repeated call"),
        (Fault::Marks, "changes something"),
        (Fault::Brews, "an idle poll"),
        (Fault::Shifts, "an idle poll moves the timer"),
        (Fault::Haunts, "something comes out after the end"),
        (Fault::Lingers, "a timer is set after the end"),
        (Fault::Forgets, "bytes wait after the end"),
        (Fault::Rises, "the end is taken back"),
    ];
    for (fault, accusation) in cases {
        let found = play(fault).expect_err("caught");
        assert!(found.contains(accusation), "{fault:?}: {found}");
    }
}

/// The least time of many rounds of idle polls: what else the host does only ever adds to it.
fn idle<M: Machine>(machine: &mut M, now: Instant) -> f64 {
    while machine.next_action(now).is_some() || machine.next_event().is_some() {}
    let round = |machine: &mut M| {
        let begun = stopwatch();
        for _ in 0..200 {
            assert!(black_box(machine.next_action(now)).is_none());
            assert!(black_box(machine.next_event()).is_none());
            black_box(machine.due());
        }
        begun.elapsed().as_secs_f64()
    };
    (0..50).map(|_| round(machine)).fold(f64::MAX, f64::min)
}

#[expect(
    clippy::disallowed_types,
    reason = "the test, not the core, looks at a clock"
)]
fn stopwatch() -> std::time::Instant {
    std::time::Instant::now()
}

/// Idle polls of machines that keep 8 and 1,000 things; a scan would take a hundred times as long.
fn takes_as_long<M: Machine>(build: impl Fn(u32) -> M, now: Instant) -> bool {
    let (mut few, mut many) = (build(8), build(1_000));
    idle(&mut many, now) < 12.0 * idle(&mut few, now)
}

fn me() -> Me {
    Me {
        id: NodeId::from_bits(0xffff_0000),
        addr: Some(SocketAddr::from(([10, 0, 99, 99], 6789))),
        port: 6789,
    }
}

fn cluster_config() -> cluster::Config {
    cluster::Config {
        region: Region::new("london").expect("a region"),
        me: Some(me()),
        peers: Vec::new(),
        mdns: None,
    }
}

/// A cluster with as many peers, all of them pinged and up.
fn cluster(peers: u32) -> Cluster {
    let mut cluster = Cluster::new(at(0), cluster_config(), 1);
    for n in 1..=peers {
        let from = IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 | n));
        let id = NodeId::from_bits(n);
        cluster.handle_hello(at(0), from, format!("{id} london 6789").as_bytes());
        while let Some(action) = cluster.poll_action() {
            if let cluster::Action::Ping { token, .. } = action {
                let pong = Pong::new(Duration::from_millis(1), Some(id));
                cluster.handle_pong(at(0), token, Ok(pong));
            }
        }
    }
    cluster
}

fn handoff(peers: u32) -> Handoff {
    let limits = HandoffLimits {
        peers: 1_000,
        ..HandoffLimits::default()
    };
    let mut handoff = Handoff::new(limits, 1);
    let key: Arc<[u8]> = b"key"[..].into();
    for n in 0..peers {
        handoff.push(at(0), NodeId::from_bits(n), &key, Change::Put, false);
    }
    handoff
}

fn node(connections: u32) -> Node {
    let mut node = Node::new(clock(at(0)), Config::new(cluster_config(), 1));
    for conn in 0..u64::from(connections) {
        let from = SocketAddr::from(([10, 0, 0, 1], 50_000));
        node.handle(clock(at(0)), Input::Accepted { conn, from });
    }
    node
}

/// A browser that has heard the announcements of as many nodes.
fn mdns(nodes: u32) -> Mdns {
    let interface = |n: u32| mdns::Interface {
        index: 1,
        addresses: vec![(Ipv4Addr::from_bits(0x0a00_0000 | n), 8)],
        loopback: false,
    };
    let mut browser = Mdns::new(at(0), mdns::Config::default(), 1);
    browser.handle_interface(at(0), interface(0xff_0000));
    for n in 1..=nodes {
        let service = mdns::Service {
            id: NodeId::from_bits(n),
            region: Region::new("london").expect("a region"),
            port: 6789,
            address: None,
        };
        let config = mdns::Config {
            service: Some(service),
            ..mdns::Config::default()
        };
        let mut node = Mdns::new(at(0), config, n.into());
        node.handle_interface(at(0), interface(n));
        node.announce(at(0));
        while let Some(due) = node.poll_timeout().filter(|due| *due < at(1_000)) {
            node.handle_timeout(due);
        }
        while let Some(transmit) = node.poll_transmit() {
            let datagram = mdns::Datagram {
                interface: 1,
                source: SocketAddr::from((Ipv4Addr::from_bits(0x0a00_0000 | n), 5353)),
                multicast: true,
                payload: &transmit.payload,
            };
            browser.handle_datagram(at(1_000), datagram);
        }
    }
    let seen = std::iter::from_fn(|| browser.poll_event())
        .filter(|event| matches!(event, mdns::Event::Seen(_)));
    assert!(seen.count() as u32 >= nodes);
    browser
}

#[test]
fn an_idle_poll_takes_no_longer_where_much_is_kept() {
    assert!(takes_as_long(cluster, at(0)));
    assert!(takes_as_long(handoff, at(0)));
    assert!(takes_as_long(mdns, at(1_000)));
    assert!(takes_as_long(node, at(0)));
}

/// Looks through all it keeps.
#[derive(Debug)]
struct Scan(Vec<Instant>);

impl Machine for Scan {
    type Action = std::convert::Infallible;
    type Event = std::convert::Infallible;

    fn due(&self) -> Option<Instant> {
        self.0.iter().copied().min()
    }
    fn fire(&mut self, _: Instant) {}
    fn next_action(&mut self, _: Instant) -> Option<Self::Action> {
        None
    }
    fn next_event(&mut self) -> Option<Self::Event> {
        None
    }
    fn face(&self) -> String {
        String::new()
    }
}

#[test]
fn and_one_that_scans_is_caught() {
    let scan = |n: u32| Scan((0..n).map(|n| at(n.into())).collect());
    assert!(!takes_as_long(scan, at(0)));
}
