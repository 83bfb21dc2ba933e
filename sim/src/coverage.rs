//! What happened at least sometimes: a run in which no peer is ever put out proves nothing.

use std::collections::BTreeMap;

/// How often each thing happened in one run; or, of many runs, in how many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage(BTreeMap<&'static str, u64>);

impl Coverage {
    /// It happened.
    pub fn saw(&mut self, what: &'static str) {
        self.add(what, 1);
    }

    /// It happened that many times.
    pub fn add(&mut self, what: &'static str, times: u64) {
        if times > 0 {
            *self.0.entry(what).or_default() += times;
        }
    }

    /// How often it happened.
    #[must_use]
    pub fn count(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or_default()
    }

    /// All that happened, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.0.iter().map(|(what, count)| (*what, *count))
    }

    /// Counts a run into the number of runs that saw each thing, and how often all together.
    pub fn tally(&mut self, run: &Self, times: &mut Self) {
        for (what, count) in run.iter() {
            self.saw(what);
            times.add(what, count);
        }
    }
}
