//! What a simulated cluster is like.

use std::fmt;

use crate::swarm::Law;

/// The most nodes.
pub const MAX_NODES: usize = 20_000;
/// The most links, of all regions together.
pub const MAX_LINKS: usize = 250;
/// Nodes of a region, where the number of regions is not given.
const PER_REGION: usize = 250;

/// A cluster to be simulated, and what is asked of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Deployment {
    /// Nodes; they take turns in the regions.
    pub nodes: usize,
    /// Regions.
    pub regions: usize,
    /// Links of each region: nodes hear each other's multicasts on one link only.
    pub segments: usize,
    /// How many nodes all nodes are told, as static peers, where there are several links: the first
    /// of the first regions.
    pub seeds: usize,
    /// Datagrams and segments lost, of a thousand.
    pub loss: u64,
    /// Mean time one way on a link, in microseconds.
    pub lan_us: u64,
    /// Mean time one way between two links of a region, in microseconds.
    pub site_us: u64,
    /// Mean time one way between two regions, in microseconds.
    pub wan_us: u64,
    /// Pairs of regions that are another time apart.
    pub pairs: Vec<Pair>,
    /// How times are distributed about their mean.
    pub law: Law,
    /// Who is cut off, and for how long.
    pub partition: Partition,
    /// PUTs a minute, of all clients together.
    pub writes: u64,
    /// Bytes of each value.
    pub value_size: u32,
    /// Seconds without a request, and as many with them.
    pub seconds: u64,
    /// All chance follows from it.
    pub seed: u64,
}

impl Deployment {
    /// A cluster of that many nodes, and the defaults of all else.
    #[must_use]
    pub fn new(nodes: usize) -> Self {
        let nodes = nodes.clamp(1, MAX_NODES);
        Self {
            nodes,
            regions: Self::regions_for(nodes),
            segments: 1,
            seeds: 2,
            loss: 0,
            lan_us: 200,
            site_us: 1_000,
            wan_us: 40_000,
            pairs: Vec::new(),
            law: Law::Uniform,
            partition: Partition {
                seconds: Self::seconds_for(nodes).min(30),
                ..Partition::default()
            },
            writes: 60,
            value_size: 1_000,
            seconds: Self::seconds_for(nodes),
            seed: 1,
        }
    }

    /// One region for each 250 nodes, and three at least.
    #[must_use]
    pub fn regions_for(nodes: usize) -> usize {
        nodes
            .div_ceil(PER_REGION)
            .clamp(3, MAX_LINKS)
            .min(nodes.max(1))
    }

    /// A minute, and a sixth of one for very many nodes.
    #[must_use]
    pub const fn seconds_for(nodes: usize) -> u64 {
        if nodes > 500 { 10 } else { 60 }
    }

    /// What is wrong with it, if anything is.
    #[must_use]
    pub fn error(&self) -> Option<&'static str> {
        let checks = [
            (self.nodes == 0, "there is no cluster without nodes"),
            (self.nodes > MAX_NODES, "more than 20000 nodes"),
            (
                self.regions == 0 || self.segments == 0,
                "no region without a link",
            ),
            (self.regions > self.nodes, "more regions than nodes"),
            (
                self.regions.saturating_mul(self.segments) > MAX_LINKS,
                "more than 250 links",
            ),
            (self.loss > 500, "more than half of all is lost"),
            (self.writes > 60_000, "more than 60000 writes a minute"),
            (
                self.seconds == 0 || self.seconds > 3_600,
                "1 to 3600 seconds",
            ),
            (
                self.pairs
                    .iter()
                    .any(|pair| pair.regions.0.max(pair.regions.1) >= self.regions),
                "a latency between regions that are not there",
            ),
            (
                self.seeds == 0 && self.links() > 1,
                "several links, and no static peer to join them",
            ),
        ];
        checks
            .into_iter()
            .find_map(|(wrong, why)| wrong.then_some(why))
    }

    pub(super) const fn links(&self) -> usize {
        self.regions * self.segments
    }

    /// Mean time one way between two regions, in microseconds.
    pub(super) fn between(&self, one: usize, other: usize) -> u64 {
        let pair = (one.min(other), one.max(other));
        let of = self.pairs.iter().rev().find(|of| of.regions == pair);
        of.map_or(self.wan_us, |of| of.us)
    }
}

/// The distance of two regions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pair {
    /// Their numbers, the lower one first.
    pub regions: (usize, usize),
    /// Mean time one way, in microseconds.
    pub us: u64,
}

/// Who is cut off from all others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    /// Nobody.
    Nobody,
    /// One node.
    Node,
    /// All of the last region.
    Region,
    /// Each second node of each region.
    Half,
}

/// A partition: who is cut off, and for how long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Partition {
    /// Who.
    pub who: Who,
    /// For how many seconds.
    pub seconds: u64,
}

impl Default for Partition {
    /// A region, for half a minute.
    fn default() -> Self {
        Self {
            who: Who::Region,
            seconds: 30,
        }
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = match self.who {
            Who::Nobody => return f.write_str("none"),
            Who::Node => "node",
            Who::Region => "region",
            Who::Half => "half",
        };
        write!(f, "{who}:{}", self.seconds)
    }
}

impl std::str::FromStr for Partition {
    type Err = &'static str;

    /// Reads `none`, or `node`, `region` or `half`, with `:SECONDS` or without.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (who, seconds) = text.split_once(':').unwrap_or((text, "30"));
        let who = match who {
            "none" => Who::Nobody,
            "node" => Who::Node,
            "region" => Who::Region,
            "half" => Who::Half,
            _ => return Err("none, or node, region or half and :SECONDS"),
        };
        match seconds.parse() {
            Ok(seconds @ 1..=600) => Ok(Self { who, seconds }),
            _ => Err("a partition lasts for 1 to 600 seconds"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_read_as_they_are_shown() {
        for text in ["none", "region:30", "half:5", "node:600"] {
            let partition: Partition = text.parse().unwrap();
            assert_eq!(partition.to_string(), text);
        }
        assert_eq!("region".parse(), Ok(Partition::default()));
        for text in ["", "region:", "region:0", "all", "half:601"] {
            assert!(text.parse::<Partition>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        assert_eq!(Deployment::new(10).error(), None);
        let mut wrong = Deployment::new(10);
        wrong.regions = 11;
        assert!(wrong.error().is_some());
        let mut wrong = Deployment::new(10);
        wrong.seeds = 0;
        assert!(wrong.error().is_some());
    }

    #[test]
    fn a_pair_has_its_own_distance_either_way() {
        let mut plan = Deployment::new(10);
        plan.pairs = vec![Pair {
            regions: (0, 2),
            us: 7,
        }];
        assert_eq!((plan.between(2, 0), plan.between(0, 2)), (7, 7));
        assert_eq!(plan.between(0, 1), plan.wan_us);
    }
}
