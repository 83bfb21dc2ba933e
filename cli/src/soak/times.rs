//! How long things took: counts of times, each within 7 % of the truth, in memory that does not grow.

use std::time::Duration;

/// Steps between a power of two and the next.
const STEPS: u64 = 16;

#[derive(Clone, Debug)]
pub(super) struct Times {
    counts: Vec<u64>,
    max: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            counts: vec![0; place(u64::MAX) + 1],
            max: Duration::ZERO,
        }
    }
}

impl Times {
    pub(super) fn add(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.counts[place(micros)] += 1;
        self.max = self.max.max(time);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.max = self.max.max(other.max);
    }

    pub(super) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub(super) const fn max(&self) -> Duration {
        self.max
    }

    /// The time that so many of a thousand did not exceed.
    pub(super) fn quantile(&self, per_mille: u64) -> Duration {
        let wanted = (self.count() * per_mille).div_ceil(1_000);
        let mut seen = 0;
        let at = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        Duration::from_micros(most(at.unwrap_or(0))).min(self.max)
    }
}

fn place(micros: u64) -> usize {
    let power = micros.max(STEPS).ilog2() - STEPS.ilog2();
    (u64::from(power) * STEPS + (micros >> power)) as usize
}

/// The longest time of a place.
fn most(place: usize) -> u64 {
    let place = place as u64;
    let power = (place / STEPS).saturating_sub(1);
    ((place - power * STEPS + 1) << power) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_near_the_truth() {
        let mut times = Times::default();
        assert_eq!(times.quantile(990), Duration::ZERO);
        for micros in 1..=10_000 {
            times.add(Duration::from_micros(micros));
        }
        for (per_mille, micros) in [(500, 5_000.0), (990, 9_900.0), (1, 10.0)] {
            let found = times.quantile(per_mille).as_micros() as f64;
            assert!(
                (1.0..1.07).contains(&(found / micros)),
                "{found} for {micros}"
            );
        }
        assert_eq!(times.quantile(1_000), Duration::from_micros(10_000));
        let twice = times.clone();
        times.merge(&twice);
        assert_eq!(times.count(), 20_000);
    }
}
