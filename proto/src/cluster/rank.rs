//! How near the regions are: smoothed round-trip times, and the order they give.

use super::peer::Entry;
use super::view::RegionView;
use crate::{Duration, Region};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// A round-trip time, smoothed as RFC 6298 §2 does: the first sample as it is, then an eighth of each.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Smoothed(Option<Duration>);

impl Smoothed {
    pub(super) fn add(&mut self, sample: Duration) {
        self.0 = Some(match self.0 {
            None => sample,
            Some(srtt) => srtt.saturating_sub(srtt / 8).saturating_add(sample / 8),
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
            let latency = sum.total / u32::try_from(sum.entries.len()).unwrap_or(1).max(1);
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
        old.name == new.name && old.latency.abs_diff(new.latency) <= old.latency / 8
    };
    old.len() != new.len() || !old.iter().zip(new).all(alike)
}
