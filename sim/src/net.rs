//! Who reaches whom, and how long it takes.

use zerocache_proto::Rng;

use crate::swarm::{Knobs, Law};
use crate::transition::{Cut, Hosts, Layer, Way};

/// The state of the network between all hosts.
#[derive(Debug)]
pub(crate) struct Net {
    cuts: Vec<Cut>,
    /// Hosts cut off by themselves, whatever the cuts.
    pub(crate) clogged: Hosts,
    /// Hosts whose interface is lost.
    pub(crate) unlinked: Hosts,
    /// Bytes a second of each slow host.
    pub(crate) slow: Vec<u64>,
    /// Datagrams and segments lost, of a thousand.
    pub(crate) loss: u64,
    pub(crate) duplicates: u64,
    pub(crate) reorder: u64,
    pub(crate) resets: u64,
}

impl Net {
    pub(crate) fn new(knobs: &Knobs, hosts: usize) -> Self {
        Self {
            cuts: Vec::new(),
            clogged: Hosts::default(),
            unlinked: Hosts::default(),
            slow: vec![0; hosts],
            loss: knobs.loss,
            duplicates: knobs.duplicates,
            reorder: knobs.reorder,
            resets: knobs.resets,
        }
    }

    pub(crate) fn cut(&mut self, cut: Cut) {
        self.cuts.push(cut);
    }

    pub(crate) fn heal(&mut self) {
        self.cuts.clear();
    }

    /// Whether nothing keeps any two hosts apart.
    pub(crate) fn is_whole(&self) -> bool {
        self.cuts.is_empty() && self.clogged.0 == 0 && self.unlinked.0 == 0
    }

    /// Whether nothing gets from one host to the other on that layer.
    pub(crate) fn blocks(&self, from: usize, to: usize, layer: Layer) -> bool {
        let lone = Hosts(self.clogged.0 | self.unlinked.0);
        if from != to && (lone.has(from) || lone.has(to)) {
            return true;
        }
        self.cuts.iter().any(|cut| {
            let crosses = match (cut.hosts.has(from), cut.hosts.has(to)) {
                (true, false) => cut.way != Way::In,
                (false, true) => cut.way != Way::Out,
                _ => false,
            };
            crosses && (cut.layer == Layer::All || cut.layer == layer)
        })
    }

    /// The rate of a connection between two hosts, in bytes a second.
    pub(crate) fn rate(&self, knobs: &Knobs, from: usize, to: usize) -> u64 {
        let slow = [self.slow[from], self.slow[to]];
        let slowest = slow.into_iter().filter(|rate| *rate > 0).min();
        slowest
            .unwrap_or(knobs.bandwidth)
            .min(knobs.bandwidth)
            .max(1)
    }
}

/// A delay of `mean_us` microseconds on average, in nanoseconds.
pub(crate) fn delay(law: Law, mean_us: u64, rng: &mut Rng) -> u64 {
    let mean = mean_us * 1_000;
    match law {
        Law::Constant => mean,
        Law::Uniform => mean / 2 + rng.below(mean as usize + 1) as u64,
        Law::Exponential => mean / 2 + exponential(mean / 2, rng),
    }
}

/// Exponentially distributed about `mean`, nearly, and without floating point, which need not be the
/// same everywhere: the leading zeros of a random number, with a linear part between two of them.
fn exponential(mean: u64, rng: &mut Rng) -> u64 {
    let bits = rng.next_u64() | 1;
    let zeros = u64::from(bits.leading_zeros());
    // How far the rest is from the next power of two, in 256ths.
    let rest = bits.checked_shl(zeros as u32 + 1).unwrap_or(0) >> 56;
    let halvings = zeros * 256 + (256 - rest);
    // ln 2 is 177/256.
    mean * halvings / 256 * 177 / 256
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_have_the_mean_they_should() {
        for law in [Law::Constant, Law::Uniform, Law::Exponential] {
            let mut rng = Rng::new(1);
            let n = 20_000;
            let sum: u64 = (0..n).map(|_| delay(law, 10_000, &mut rng)).sum();
            let mean = sum / n / 1000;
            assert!((9_500..10_700).contains(&mean), "{law:?}: {mean} us");
        }
    }

    #[test]
    fn a_cut_keeps_apart_who_is_in_it_from_who_is_not() {
        let mut net = Net::new(&crate::Plan::seed(1).knobs, 4);
        let hosts = Hosts::one(0).with(1);
        let (way, layer) = (Way::Out, Layer::Tcp);
        net.cut(Cut { hosts, way, layer });
        assert!(net.blocks(0, 2, Layer::Tcp));
        assert!(!net.blocks(2, 0, Layer::Tcp), "the other way");
        assert!(!net.blocks(0, 1, Layer::Tcp), "within");
        assert!(!net.blocks(0, 2, Layer::Multicast), "another layer");
        net.heal();
        assert!(net.is_whole());
    }
}
