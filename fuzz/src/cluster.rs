//! `cluster`: the machine of membership among strangers. Whatever they answer, announce, and say of each
//! other, nobody gets into a view whose address has not answered a ping, and nothing grows without end.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use arbitrary::{Arbitrary, Result, Unstructured};
use zerocache_proto::cluster::{
    Action, Cluster, Config, Event, MAX_MEMBERS, MAX_PEERS, MAX_PINGS, MAX_POLLS, MAX_REGIONS,
    Outcome, Peer, Pong, View,
};
use zerocache_proto::mdns::{Datagram, Interface};
use zerocache_proto::{Failure, Instant, NodeId, Region};

use crate::checked::Checked;

const STEPS: usize = 200;
/// Nothing that happens once makes it ask for more.
const MOST_ACTIONS: usize = 4_000;
/// However many timers fall due in half a second, no more than this.
const MOST_TURNS: usize = 4_000;

/// What may happen.
#[derive(Arbitrary, Debug)]
enum Step<'a> {
    Milliseconds(u16),
    Seconds(u8),
    /// All that was asked is answered as it should be, after so long.
    Obey {
        ms: u8,
    },
    /// One thing that was asked is answered, be it with an answer to something else.
    Answer {
        which: u8,
        answer: Answer<'a>,
    },
    /// Something that was never asked.
    Stray {
        token: u64,
        answer: Answer<'a>,
    },
    Hello {
        from: Peer,
        goodbye: bool,
    },
    Mumble {
        from: IpAddr,
        hello: &'a [u8],
    },
    Outcome {
        id: NodeId,
        outcome: Outcome,
    },
    Datagram(Datagram<'a>),
    /// A stock node of this host announces itself.
    Announcement {
        host: u8,
    },
    Interface(Interface),
    InterfaceDown(u8),
    Announce,
    Leave,
}

#[derive(Arbitrary, Debug)]
enum Answer<'a> {
    Pong(std::result::Result<Pong, Failure>),
    Members(std::result::Result<Listed<'a>, Failure>),
    Resolved(Vec<SocketAddr>),
}

/// A members body.
#[derive(Arbitrary, Debug)]
enum Listed<'a> {
    Text(&'a [u8]),
    Few {
        first: Peer,
        others: Vec<Peer>,
    },
    Crowd {
        first: Peer,
        from: u16,
        count: u16,
        regions: u8,
    },
}

impl Listed<'_> {
    fn body(&self) -> Vec<u8> {
        let mut body = String::new();
        match self {
            Self::Text(text) => return text.to_vec(),
            Self::Few { first, others } => {
                line(&mut body, first);
                others.iter().for_each(|peer| line(&mut body, peer));
            }
            Self::Crowd {
                first,
                from,
                count,
                regions,
            } => {
                line(&mut body, first);
                for n in 0..u32::from(count % 2_000) {
                    let number = u32::from(*from) + n;
                    let region = number % (1 + u32::from(*regions));
                    let addr = Ipv4Addr::from(0x0a01_0000 + number);
                    let _ = writeln!(body, "{number:08x} region-{region} {addr}:6789 zc");
                }
            }
        }
        body.into_bytes()
    }
}

fn line(body: &mut String, peer: &Peer) {
    let kind = if peer.capable { "zc" } else { "stock" };
    let _ = writeln!(body, "{} {} {} {kind}", peer.id, peer.region, peer.addr);
}

/// What the machine waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Ping(SocketAddr),
    Members(SocketAddr),
    Resolve,
}

struct World {
    cluster: Checked<Cluster>,
    now: Instant,
    /// By token, with the time it counts as failed.
    asked: BTreeMap<u64, (Asked, Option<Instant>)>,
    last_token: u64,
    /// Addresses that have answered a ping.
    proven: BTreeSet<SocketAddr>,
    left: bool,
}

/// One world and what happens in it.
pub(crate) fn run(data: &[u8]) {
    // Bytes that make no world are none.
    let _ = play(Unstructured::new(data));
}

fn play(mut u: Unstructured<'_>) -> Result<()> {
    let mut world = World::new(u.arbitrary()?);
    let mut steps = 0;
    while !u.is_empty() && steps < STEPS {
        steps += 1;
        let Ok(step) = u.arbitrary() else {
            break;
        };
        world.step(step);
    }
    world.end();
    Ok(())
}

impl World {
    fn new(config: Config) -> Self {
        let now = Instant::from_millis(1);
        let mut cluster = Checked::new(Cluster::new(now, config, 1));
        cluster.handle_interface(now, interface());
        let mut world = Self {
            cluster,
            now,
            asked: BTreeMap::new(),
            last_token: 0,
            proven: BTreeSet::new(),
            left: false,
        };
        world.obey();
        world
    }

    fn step(&mut self, step: Step<'_>) {
        let now = self.now;
        match step {
            Step::Milliseconds(ms) => self.pass(Duration::from_millis(ms.into())),
            Step::Seconds(seconds) => self.pass(Duration::from_secs(seconds.into())),
            Step::Obey { ms } => self.answer_all(Duration::from_millis(ms.into())),
            Step::Answer { which, answer } => {
                let place = usize::from(which) % self.asked.len().max(1);
                if let Some(token) = self.asked.keys().nth(place).copied() {
                    self.answer(token, answer);
                }
            }
            Step::Stray { token, answer } => {
                if !self.asked.contains_key(&token) {
                    self.answer(token, answer);
                }
            }
            Step::Hello { from, goodbye } => {
                let port = if goodbye { 0 } else { from.addr.port() };
                let hello = format!("{} {} {port}", from.id, from.region);
                let ip = from.addr.ip();
                self.cluster.handle_hello(now, ip, hello.as_bytes());
            }
            Step::Mumble { from, hello } => self.cluster.handle_hello(now, from, hello),
            Step::Outcome { id, outcome } => {
                let news = self.cluster.handle_outcome(now, id, outcome);
                assert!(news || self.cluster.poll_event().is_none(), "untold news");
            }
            Step::Datagram(datagram) => self.cluster.handle_datagram(now, datagram),
            Step::Announcement { host } => {
                let host = Ipv4Addr::new(10, 0, 0, host);
                let datagram = Datagram {
                    interface: 1,
                    source: SocketAddr::from((host, 5353)),
                    multicast: true,
                    payload: &crate::node::announcement(host),
                };
                self.cluster.handle_datagram(now, datagram);
            }
            Step::Interface(interface) => self.cluster.handle_interface(now, interface),
            Step::InterfaceDown(index) => self.cluster.handle_interface_down(now, index.into()),
            Step::Announce => self.cluster.announce(now),
            Step::Leave => self.leave(),
        }
        self.obey();
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.cluster.handle_timeout(self.now);
    }

    fn leave(&mut self) {
        if !self.left {
            // What was asked for is of no interest any more.
            self.asked.clear();
            self.left = true;
        }
        self.cluster.leave(self.now);
    }

    fn answer(&mut self, token: u64, answer: Answer<'_>) {
        let asked = self.asked.remove(&token);
        let now = self.now;
        match answer {
            Answer::Pong(pong) => {
                if let (Some((Asked::Ping(addr), _)), Ok(_)) = (asked, pong) {
                    self.proven.insert(addr);
                }
                self.cluster.handle_pong(now, token, pong);
            }
            Answer::Members(listed) => {
                let body = listed.map(|listed| listed.body());
                let body = body.as_deref().map_err(|failure| *failure);
                self.cluster.handle_members(now, token, body);
            }
            Answer::Resolved(addrs) => self.cluster.handle_resolved(now, token, &addrs),
        }
    }

    /// Everybody is who they are thought to be, and knows nobody else.
    fn answer_all(&mut self, rtt: Duration) {
        self.now = self.now + rtt;
        for (token, (asked, _)) in std::mem::take(&mut self.asked) {
            let known = |addr| self.cluster.peers().find(|info| info.peer.addr == addr);
            match asked {
                Asked::Ping(addr) => {
                    let node = known(addr).map(|info| info.peer.id);
                    self.proven.insert(addr);
                    self.cluster
                        .handle_pong(self.now, token, Ok(Pong::new(rtt, node)));
                }
                Asked::Members(addr) => {
                    let region: Region = "london".parse().expect("a good region");
                    let stranger = Peer::at(region, addr);
                    let mut body = String::new();
                    match known(addr) {
                        Some(info) => line(&mut body, &info.peer),
                        None => line(&mut body, &stranger),
                    }
                    self.cluster
                        .handle_members(self.now, token, Ok(body.as_bytes()));
                }
                Asked::Resolve => {
                    let addr = SocketAddr::from(([10, 0, 0, 9], 6789));
                    self.cluster.handle_resolved(self.now, token, &[addr]);
                }
            }
        }
    }

    /// Takes what it wants and tells.
    fn obey(&mut self) {
        let mut actions = 0;
        while let Some(action) = self.cluster.poll_action() {
            actions += 1;
            assert!(actions < MOST_ACTIONS, "asks for too much");
            let (token, asked, deadline) = match action {
                Action::Datagram(_) => continue,
                Action::Ping {
                    token,
                    addr,
                    deadline,
                    ..
                } => (token, Asked::Ping(addr), Some(deadline)),
                Action::Members {
                    token,
                    addr,
                    deadline,
                    ..
                } => (token, Asked::Members(addr), Some(deadline)),
                Action::Resolve { token, .. } => (token, Asked::Resolve, None),
            };
            assert!(token > self.last_token, "a token is used twice");
            self.last_token = token;
            self.asked.insert(token, (asked, deadline));
        }
        while let Some(event) = self.cluster.poll_event() {
            assert!(!self.left, "{event:?} after leaving");
            if let Event::ViewChanged(view) = event {
                self.sound(&view);
            }
        }
        self.bounded();
    }

    fn bounded(&self) {
        let of = |want: fn(&Asked) -> bool| {
            let live = self.asked.values().filter(|(asked, deadline)| {
                want(asked) && deadline.is_some_and(|deadline| deadline > self.now)
            });
            live.count()
        };
        assert!(of(|asked| matches!(asked, Asked::Ping(_))) <= MAX_PINGS);
        // Goodbyes are asked as members are, and are not among the polls.
        let most = if self.left { MAX_PINGS } else { MAX_POLLS };
        assert!(of(|asked| matches!(asked, Asked::Members(_))) <= most);
        let ids: Vec<NodeId> = self.cluster.peers().map(|info| info.peer.id).collect();
        assert!(ids.len() <= MAX_PEERS, "{} peers", ids.len());
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "disorder");
        let regions = self.cluster.peers().map(|info| info.peer.region.clone());
        let regions: BTreeSet<Region> = regions.collect();
        assert!(regions.len() <= MAX_REGIONS, "{} regions", regions.len());
        let members = self.cluster.members();
        assert!(members.lines().count() <= MAX_MEMBERS);
        self.sound(&self.cluster.view());
    }

    /// Whether a view is one of peers that have answered, each in its place.
    fn sound(&self, view: &View) {
        assert_eq!(view.me, self.cluster.id());
        let mut ids = BTreeSet::from_iter(view.me);
        for peer in view.local.iter().chain(&view.absent) {
            assert_eq!(peer.region, view.own);
            assert!(ids.insert(peer.id), "{peer:?} twice");
        }
        let mut names = BTreeSet::from([&view.own]);
        for region in &view.regions {
            assert!(names.insert(&region.name), "{:?} twice", region.name);
            assert!(!region.peers.is_empty(), "an empty region");
            for peer in &region.peers {
                assert_eq!(peer.region, region.name);
                assert!(ids.insert(peer.id), "{peer:?} twice");
            }
        }
        for peer in view.peers() {
            assert!(
                self.proven.contains(&peer.addr),
                "{peer:?} has never answered"
            );
        }
    }

    /// Whoever leaves is gone within half a second, whatever the others do.
    fn end(&mut self) {
        self.leave();
        self.obey();
        let until = self.now + Duration::from_secs(1);
        for turn in 0.. {
            assert!(turn < MOST_TURNS, "busy without end");
            let Some(due) = self.cluster.poll_timeout().filter(|due| *due <= until) else {
                break;
            };
            self.now = self.now.max(due);
            self.cluster.handle_timeout(self.now);
            self.obey();
        }
        assert!(self.cluster.is_left(), "does not leave");
    }
}

fn interface() -> Interface {
    Interface {
        index: 1,
        addresses: vec![(Ipv4Addr::new(10, 0, 0, 1), 24)],
        loopback: false,
    }
}
