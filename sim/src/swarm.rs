//! A swarm of different worlds: each seed draws its own size, network and mix of faults.

use zerocache_proto::op::Ack;

use crate::source::Source;

/// Nanoseconds in a millisecond.
pub(crate) const MS: u64 = 1_000_000;
/// Nanoseconds in a second.
pub(crate) const SECOND: u64 = 1_000 * MS;
/// The most regions of a run.
pub(crate) const MAX_REGIONS: usize = 5;

/// How the nodes of a run find each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Discovery {
    /// All are on one link, however far apart.
    OneLink,
    /// Each region is a link, and the links know each other by static peers.
    LinkEach,
    /// By static peers alone.
    Static,
}

/// How the delays of a path are distributed about their mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Law {
    /// They are all the same.
    Constant,
    /// Up to half more or less.
    Uniform,
    /// Half of it, and the rest exponentially: a long tail.
    Exponential,
}

/// How likely each kind of fault is, in proportion; 0 if this run has none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[expect(missing_docs, reason = "named after the transitions")]
pub struct Weights {
    pub join: u64,
    pub leave: u64,
    pub kill: u64,
    pub revive: u64,
    pub capacity: u64,
    pub pause: u64,
    pub partition: u64,
    pub clog: u64,
    pub slow: u64,
    pub link: u64,
    pub clock: u64,
    pub reset: u64,
    pub exhaust: u64,
    pub rogue: u64,
}

/// What one run is like.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Knobs {
    /// The seed of the noise: delays, losses, the nodes' own chance.
    pub noise: u64,
    /// Regions.
    pub regions: usize,
    /// The region of each node.
    pub servers: Vec<usize>,
    /// The region of each client.
    pub clients: Vec<usize>,
    /// Nodes that are there from the beginning.
    pub founders: usize,
    /// How they find each other.
    pub discovery: Discovery,
    /// Datagrams and segments lost, of a thousand.
    pub loss: u64,
    /// Datagrams that come twice, of a thousand.
    pub duplicates: u64,
    /// Datagrams that are overtaken, of a thousand.
    pub reorder: u64,
    /// Mean one-way delay between regions, in microseconds.
    pub delay_us: [[u64; MAX_REGIONS]; MAX_REGIONS],
    /// How the delays are distributed.
    pub law: Law,
    /// Bytes a second of each connection.
    pub bandwidth: u64,
    /// The longest segment of a connection, in bytes.
    pub segment: u64,
    /// Segments that reset their connection, of a million.
    pub resets: u64,
    /// How fast or slow clocks run at most, in millionths.
    pub drift_ppm: u64,
    /// How far wall clocks are off at most, in milliseconds.
    pub skew_ms: u64,
    /// Entries a node has room for.
    pub entries: usize,
    /// Different keys.
    pub keys: u32,
    /// The longest value, in bytes.
    pub size: u32,
    /// The longest life of a value, in seconds.
    pub ttl: u32,
    /// What a write's answer waits for.
    pub ack: Ack,
    /// When faults begin, and when they end, in nanoseconds.
    pub faults: (u64, u64),
    /// Mean time between two faults, in milliseconds.
    pub fault_ms: u64,
    /// Mean time between two operations, in milliseconds.
    pub op_ms: u64,
    /// The mix of faults.
    pub weights: Weights,
    /// What makes rare branches of the core frequent ones, if anything does.
    pub buggify: Option<u64>,
    /// Whether each node is held to the contract of machines at each turn.
    pub checked: bool,
}

impl Knobs {
    /// Draws a world.
    #[must_use]
    pub fn draw(source: &mut Source<'_>) -> Self {
        let noise = source.bits();
        let regions = source.between(1, MAX_REGIONS as u64) as usize;
        let large = source.chance(20);
        let servers = if large { 64 } else { source.between(3, 15) };
        let crowd = !large && source.chance(300);
        let clients = source.between(1, if crowd { 30 } else { 5 });
        let spread = |count: u64, source: &mut Source<'_>| -> Vec<usize> {
            let region = |_| source.below(regions as u64) as usize;
            (0..count).map(region).collect()
        };
        let servers = spread(servers, source);
        let clients = spread(clients, source);
        let founders = source.between(1, servers.len() as u64) as usize;
        let discovery = source.pick(
            &[Discovery::OneLink, Discovery::LinkEach, Discovery::Static],
            Discovery::OneLink,
        );
        let some = |source: &mut Source<'_>, on: u64, most: u64| {
            if source.chance(on) {
                source.between(1, most)
            } else {
                0
            }
        };
        let size = source.pick(&[64, 1_000, 20_000, 100_000], 64);
        let rate = source.pick(&[125_000_000, 12_500_000, 1_250_000, 125_000], 12_500_000);
        let begin = 10 * SECOND;
        let lasts = source.between(30, if large { 60 } else { 300 });
        Self {
            noise,
            regions,
            founders,
            discovery,
            loss: some(source, 500, 300),
            duplicates: some(source, 300, 200),
            reorder: some(source, 300, 500),
            delay_us: delays(source),
            law: source.pick(
                &[Law::Constant, Law::Uniform, Law::Exponential],
                Law::Constant,
            ),
            segment: source.pick(&[65_536, 1_460, 1_460, 100, 1], 1_460),
            resets: some(source, 150, 2_000),
            drift_ppm: source.pick(&[0, 0, 100, 100, 50_000], 0),
            skew_ms: source.pick(&[0, 5, 50, 500, 8_000], 0),
            entries: source.pick(&[1 << 20, 1 << 20, 64, 8], 1 << 20),
            keys: source.pick(&[1, 8, 40, 200], 8),
            // The largest value takes half a second: a client has that much to write it.
            bandwidth: rate.max(2 * u64::from(size)),
            size,
            ttl: source.pick(&[3_600, 600, 30, 5], 3_600),
            ack: source.pick(
                &[Ack::Region, Ack::Region, Ack::All, Ack::None],
                Ack::Region,
            ),
            faults: (begin, begin + lasts * SECOND),
            fault_ms: source.pick(&[1_000, 3_000, 10_000, 30_000], 3_000),
            op_ms: source.pick(&[50, 200, 1_000, 5_000], 1_000),
            weights: Weights::draw(source),
            // Half of the runs know the core as it is.
            buggify: source.chance(500).then(|| source.bits()),
            checked: false,
            servers,
            clients,
        }
    }

    /// The same with so many nodes.
    #[must_use]
    pub fn sized(mut self, nodes: usize) -> Self {
        let regions = self.regions;
        self.servers = (0..nodes.max(1)).map(|node| node % regions).collect();
        self.founders = self.founders.min(self.servers.len());
        self
    }

    /// The same with few hosts, and faults for half a minute.
    #[must_use]
    pub fn small(mut self) -> Self {
        self.servers.truncate(6);
        self.clients.truncate(2);
        self.founders = self.founders.min(self.servers.len());
        self.fault_ms = self.fault_ms.min(3_000);
        let (begin, end) = self.faults;
        self.faults.1 = end.min(begin + 30 * SECOND);
        self
    }
}

impl Weights {
    fn draw(source: &mut Source<'_>) -> Self {
        // Each kind is there in about half of the runs, and more or less often.
        let mut weight = || {
            if source.chance(500) {
                source.between(1, 10)
            } else {
                0
            }
        };
        Self {
            join: weight(),
            leave: weight(),
            kill: weight(),
            revive: weight(),
            capacity: weight() / 4,
            pause: weight(),
            partition: weight(),
            clog: weight(),
            slow: weight(),
            link: weight(),
            clock: weight() / 2,
            reset: weight(),
            exhaust: weight(),
            rogue: weight(),
        }
    }

    /// In the order of the fields.
    #[must_use]
    pub const fn list(&self) -> [u64; 14] {
        [
            self.join,
            self.leave,
            self.kill,
            self.revive,
            self.capacity,
            self.pause,
            self.partition,
            self.clog,
            self.slow,
            self.link,
            self.clock,
            self.reset,
            self.exhaust,
            self.rogue,
        ]
    }
}

/// One-way delays, in microseconds: near within a region, anything up to 150 ms between two.
fn delays(source: &mut Source<'_>) -> [[u64; MAX_REGIONS]; MAX_REGIONS] {
    let most = source.pick(&[10_000, 40_000, 100_000, 150_000], 40_000);
    let mut delays = [[0; MAX_REGIONS]; MAX_REGIONS];
    let pairs = (0..MAX_REGIONS).flat_map(|from| (0..=from).map(move |to| (from, to)));
    for (from, to) in pairs {
        if from == to {
            delays[from][to] = source.between(30, 1_000);
        } else {
            let there = source.between(200, most);
            // Some ways back are not the way there.
            let back = if source.chance(200) {
                source.between(200, most)
            } else {
                there
            };
            delays[from][to] = there;
            delays[to][from] = back;
        }
    }
    delays
}
