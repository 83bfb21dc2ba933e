//! How near the regions are: smoothed round-trip times, and the order they give.

use super::peer::Entry;
use super::view::RegionView;
use crate::{Duration, Region};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// A round-trip time, smoothed as RFC 6298 §2 does: the first sample as it is, then an eighth of each;
/// but half of one that is less than half as long, so that a peer that was slow for a while is not
/// ranked far away for a minute after.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Smoothed(Option<Duration>);

impl Smoothed {
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "no time divided by 2 or 8 overflows"
    )]
    pub(super) fn add(&mut self, sample: Duration) {
        self.0 = Some(match self.0 {
            None => sample,
            Some(srtt) => {
                let part = if sample < srtt / 2 { 2 } else { 8 };
                srtt.saturating_sub(srtt / part)
                    .saturating_add(sample / part)
            }
        });
    }

    pub(super) const fn value(self) -> Option<Duration> {
        self.0
    }
}

/// The regions of `routable`, which come in the order of discovery: the nearest first, by the mean of
/// their nodes' times, ties by name; those with no node that is known to answer last.
pub(super) fn rank<'a>(routable: impl Iterator<Item = &'a Entry>) -> Vec<RegionView> {
    struct Sum<'a> {
        total: Duration,
        live: bool,
        entries: Vec<&'a Entry>,
    }
    let mut sums: BTreeMap<&Region, Sum<'a>> = BTreeMap::new();
    for entry in routable {
        let fresh = || Sum {
            total: Duration::ZERO,
            live: false,
            entries: Vec::new(),
        };
        let sum = sums.entry(&entry.peer.region).or_insert_with(fresh);
        sum.total = sum
            .total
            .saturating_add(entry.srtt.value().unwrap_or_default());
        sum.live |= !entry.health.overdue();
        sum.entries.push(entry);
    }
    let mut ranked: Vec<(bool, RegionView)> = sums
        .into_iter()
        .map(|(name, sum)| {
            let known = u32::try_from(sum.entries.len()).unwrap_or(u32::MAX);
            let latency = sum.total.checked_div(known).unwrap_or_default();
            let peers = sum
                .entries
                .iter()
                .map(|entry| Arc::clone(&entry.peer))
                .collect();
            (
                !sum.live,
                RegionView {
                    name: name.clone(),
                    latency,
                    peers,
                },
            )
        })
        .collect();
    // Stable, and the map was in the order of the names.
    ranked.sort_by_key(|(silent, region)| (*silent, region.latency));
    ranked.into_iter().map(|(_, region)| region).collect()
}

/// Whether the order of the regions has changed, or a latency by more than an eighth.
pub(super) fn differ(old: &[RegionView], new: &[RegionView]) -> bool {
    let alike = |(old, new): (&RegionView, &RegionView)| {
        old.name == new.name && old.latency.abs_diff(new.latency).saturating_mul(8) <= old.latency
    };
    old.len() != new.len() || !old.iter().zip(new).all(alike)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(samples: &[u64]) -> Option<u64> {
        let mut smoothed = Smoothed::default();
        for ms in samples {
            smoothed.add(Duration::from_millis(*ms));
        }
        smoothed
            .value()
            .and_then(|rtt| u64::try_from(rtt.as_micros()).ok())
    }

    #[test]
    fn one_long_time_weighs_little_and_is_soon_forgotten() {
        assert_eq!(after(&[]), None);
        assert_eq!(after(&[40]), Some(40_000));
        assert_eq!(after(&[40, 500]), Some(97_500));
        assert_eq!(after(&[40, 500, 40]), Some(68_750));
        assert_eq!(after(&[80, 64]), Some(78_000));
        // Six tries that came to nothing, and four that did not.
        let failed = [40, 500, 500, 500, 500, 500, 500];
        assert!(after(&failed) > Some(290_000));
        assert!(after(&[&failed[..], &[40; 4]].concat()) < Some(80_000));
    }
}
