//! Durations in buckets of equal relative width.

use std::time::Duration;

/// Buckets to a power of two: a quantile is at most 1.6 % off.
const FINE: u32 = 6;

pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self {
            counts: vec![0; 64 << FINE],
            total: 0,
        }
    }

    pub(crate) fn record(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.counts[bucket(nanos)] += 1;
        self.total += 1;
    }

    /// The time, in microseconds, that a `share` of the recorded ones do not exceed.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let rank = (self.total as f64 * share).ceil() as u64;
        let mut seen = 0;
        let reached = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        reached.map_or(0.0, |bucket| upper(bucket) / 1e3)
    }
}

fn bucket(nanos: u64) -> usize {
    let shift = (63 - FINE).saturating_sub((nanos | 1 << FINE).leading_zeros());
    (((shift as u64) << FINE) + (nanos >> shift)) as usize
}

/// The largest value of a bucket.
fn upper(bucket: usize) -> f64 {
    let shift = (bucket >> FINE).saturating_sub(1);
    let first = bucket - (shift << FINE);
    ((first + 1) as f64) * (1u64 << shift) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_close_to_what_was_recorded() {
        let mut histogram = Histogram::new();
        for nanos in 1..=100_000 {
            histogram.record(Duration::from_nanos(nanos));
        }
        for (share, micros) in [(0.5, 50.0), (0.99, 99.0), (0.0005, 0.05)] {
            let found = histogram.quantile(share);
            assert!((micros..micros * 1.04).contains(&found), "{share}: {found}");
        }
    }
}
