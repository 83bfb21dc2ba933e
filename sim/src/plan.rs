//! What a run is to be: a world, and what is done to it when.

use crate::source::Source;
use crate::swarm::{Discovery, Knobs, MS, SECOND};
use crate::transition::{Cut, Death, Hosts, Layer, Step, Transition, Way};

/// The most operations and faults of a run.
const MAX_STEPS: usize = 20_000;

/// A whole run before it happens: all that follows from a seed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// The seed it was drawn from, if it was.
    pub seed: Option<u64>,
    /// The world.
    pub knobs: Knobs,
    /// What is done to it, in order.
    pub steps: Vec<Step>,
}

impl Plan {
    /// The run that follows from `seed`.
    #[must_use]
    pub fn seed(seed: u64) -> Self {
        Self {
            seed: Some(seed),
            ..Self::draw(&mut Source::seed(seed))
        }
    }

    /// A run as that of `seed`, but of few hosts and half a minute: for tests without optimization.
    #[must_use]
    pub fn small(seed: u64) -> Self {
        let mut source = Source::seed(seed);
        let knobs = Knobs::draw(&mut source).small();
        Self {
            seed: Some(seed),
            ..Self::of(knobs, &mut source)
        }
    }

    /// A run as that of `seed`, but of so many nodes.
    #[must_use]
    pub fn sized(seed: u64, nodes: usize) -> Self {
        let mut source = Source::seed(seed);
        let knobs = Knobs::draw(&mut source).sized(nodes);
        Self {
            seed: Some(seed),
            ..Self::of(knobs, &mut source)
        }
    }

    /// The run that these choices make.
    #[must_use]
    pub fn draw(source: &mut Source<'_>) -> Self {
        let knobs = Knobs::draw(source);
        Self::of(knobs, source)
    }

    /// A run in such a world.
    #[must_use]
    pub fn of(knobs: Knobs, source: &mut Source<'_>) -> Self {
        let mut steps = Vec::new();
        let mut draft = Draft {
            knobs: &knobs,
            source,
            steps: &mut steps,
        };
        draft.founders();
        draft.faults();
        draft.operations();
        steps.sort_by_key(|step| step.at);
        steps.truncate(MAX_STEPS);
        Self {
            seed: None,
            knobs,
            steps,
        }
    }

    /// The node that static peers begin with: it is alive in the end.
    #[must_use]
    pub const fn seed_node(&self) -> usize {
        0
    }
}

struct Draft<'a, 'b> {
    knobs: &'a Knobs,
    source: &'a mut Source<'b>,
    steps: &'a mut Vec<Step>,
}

impl Draft<'_, '_> {
    fn push(&mut self, at: u64, what: Transition) {
        self.steps.push(Step { at, what });
    }

    fn node(&mut self) -> usize {
        self.source.below(self.knobs.servers.len() as u64) as usize
    }

    fn host(&mut self) -> usize {
        let all = self.knobs.servers.len() + self.knobs.clients.len();
        self.source.below(all as u64) as usize
    }

    fn founders(&mut self) {
        // Together, or one after the other.
        let spread = self.source.pick(&[0, 100 * MS, 2 * SECOND], 0);
        for node in 0..self.knobs.founders {
            let at = self.source.between(0, spread);
            self.push(at, Transition::Join { node });
        }
    }

    fn faults(&mut self) {
        let (begin, end) = self.knobs.faults;
        let weights = self.knobs.weights.list();
        if weights.iter().sum::<u64>() == 0 {
            return;
        }
        let mut at = begin;
        while self.steps.len() < MAX_STEPS / 4 && !self.source.is_over() {
            at += self.source.between(1, 2 * self.knobs.fault_ms) * MS;
            if at >= end {
                break;
            }
            let kind = self.source.weighted(&weights);
            self.fault(at, kind);
        }
    }

    fn fault(&mut self, at: u64, kind: usize) {
        let node = self.node();
        match kind {
            0 => self.push(at, Transition::Join { node }),
            1 => self.push(at, Transition::Leave { node }),
            2 => {
                let death = self
                    .source
                    .pick(&[Death::Process, Death::Power], Death::Process);
                self.push(at, Transition::Kill { node, death });
            }
            3 => {
                let fresh = self.source.chance(300);
                self.push(at, Transition::Revive { node, fresh });
            }
            4 => {
                let entries = self.source.pick(&[8, 64, 1 << 20], 64);
                self.push(at, Transition::Capacity { node, entries });
            }
            5 => {
                let ms = self.source.pick(&[100, 400, 1_500, 5_000, 30_000], 400);
                self.push(at, Transition::Pause { node, ms });
            }
            6 => self.partition(at),
            7 => self.swizzle(at),
            8 => self.slow(at),
            9 => {
                let host = self.host();
                let back = at + self.source.between(1, 30_000) * MS;
                self.push(at, Transition::LinkDown { host });
                self.push(back, Transition::LinkUp { host });
            }
            10 => {
                let host = self.host();
                let most = self.source.pick(&[1_000, 9_000, 60_000, 3_600_000], 1_000);
                let skew_ms = self.source.between(0, 2 * most) as i64 - most as i64;
                self.push(at, Transition::ClockStep { host, skew_ms });
            }
            11 => {
                let host = self.host();
                self.push(at, Transition::Reset { host });
            }
            12 => {
                let ms = self.source.between(100, 10_000);
                self.push(at, Transition::Exhaust { node, ms });
            }
            _ => {
                let (host, lie) = (self.host(), self.source.bits());
                self.push(at, Transition::Rogue { host, lie });
            }
        }
    }

    fn partition(&mut self, at: u64) {
        let hosts = self.knobs.servers.len() + self.knobs.clients.len();
        let all = self.knobs.servers.iter().chain(&self.knobs.clients);
        let hosts = match self.source.below(3) {
            0 => Hosts::one(self.host()),
            1 => {
                let region = self.source.below(self.knobs.regions as u64) as usize;
                let of = all.enumerate().filter(|(_, own)| **own == region);
                of.fold(Hosts::default(), |set, (host, _)| set.with(host))
            }
            _ => {
                let bits = u128::from(self.source.bits()) << 64 | u128::from(self.source.bits());
                Hosts(bits & ((1 << hosts) - 1))
            }
        };
        let cut = Cut {
            hosts,
            way: self
                .source
                .pick(&[Way::Both, Way::Both, Way::Out, Way::In], Way::Both),
            layer: self.source.pick(
                &[Layer::All, Layer::All, Layer::Multicast, Layer::Tcp],
                Layer::All,
            ),
        };
        let longest = self.source.pick(&[1_000, 10_000, 60_000, 240_000], 10_000);
        let heals = at + self.source.between(100, longest) * MS;
        self.push(at, Transition::Partition { cut });
        self.push(heals, Transition::Heal);
    }

    /// Some hosts are cut off one by one and come back in another order.
    fn swizzle(&mut self, at: u64) {
        let count = self.source.between(1, 5);
        for _ in 0..count {
            let host = self.host();
            let begin = at + self.source.between(0, 5_000) * MS;
            let end = begin + self.source.between(1, 10_000) * MS;
            self.push(begin, Transition::Clog { host });
            self.push(end, Transition::Unclog { host });
        }
    }

    fn slow(&mut self, at: u64) {
        let host = self.host();
        let bytes_per_second = self.source.pick(&[1, 100, 5_000, 100_000], 5_000);
        let end = at + self.source.between(500, 30_000) * MS;
        self.push(
            at,
            Transition::Slow {
                host,
                bytes_per_second,
            },
        );
        let bytes_per_second = 0;
        self.push(
            end,
            Transition::Slow {
                host,
                bytes_per_second,
            },
        );
    }

    fn operations(&mut self) {
        let (begin, end) = self.knobs.faults;
        let mix = [
            self.source.between(1, 10),
            self.source.between(1, 10),
            self.source.below(4),
        ];
        let mut at = begin / 2;
        while self.steps.len() < MAX_STEPS && !self.source.is_over() {
            at += self.source.between(1, 2 * self.knobs.op_ms) * MS;
            if at >= end {
                break;
            }
            let client = self.source.below(self.knobs.clients.len() as u64) as usize;
            let key = self.source.below(self.knobs.keys.into()) as u32;
            let what = match self.source.weighted(&mix) {
                0 => Transition::Get { client, key },
                1 => Transition::Put {
                    client,
                    key,
                    size: self.source.between(0, self.knobs.size.into()) as u32,
                    ttl: self.source.between(1, self.knobs.ttl.into()) as u32,
                },
                _ => Transition::Delete { client, key },
            };
            self.push(at, what);
        }
    }
}

impl Discovery {
    /// Whether nodes are told of each other by configuration.
    #[must_use]
    pub const fn is_told(self) -> bool {
        matches!(self, Self::LinkEach | Self::Static)
    }

    /// Whether there is multicast.
    #[must_use]
    pub const fn is_heard(self) -> bool {
        matches!(self, Self::OneLink | Self::LinkEach)
    }
}
