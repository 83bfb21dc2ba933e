//! The comparison.

use crate::cases::{self, KEY};
use crate::differences::{CLOSING, LOOSER, STRICTER, explain};
use crate::mutate::Mutants;
use crate::{Message, ours, theirs};
use std::collections::BTreeMap;

/// Follows every script: whoever takes it as a request stands where the other one stands.
const NEXT: &[u8] = b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n";

/// How often each difference was met, and what is on no list.
#[derive(Default)]
struct Report {
    met: BTreeMap<&'static str, usize>,
    unexplained: Vec<String>,
}

impl Report {
    /// Notes how the two differ over a script, if they do.
    fn compare(&mut self, script: &[u8]) {
        let bytes = [script, NEXT].concat();
        let ours = ours::read(&bytes, false);
        let ours: Vec<_> = ours.into_iter().map(|(message, _)| message).collect();
        let theirs = theirs::read(&bytes);
        if ours == theirs {
            return;
        }
        match why(&bytes, &ours, &theirs) {
            Some(name) => *self.met.entry(name).or_default() += 1,
            None => self.unexplained.push(format!(
                "{}: here {ours:?}, there {theirs:?}",
                bytes.escape_ascii()
            )),
        }
    }

    fn fail_if_unexplained(&self) {
        let (few, met) = (self.unexplained.iter().take(10), &self.met);
        let few: Vec<_> = few.collect();
        assert!(
            few.is_empty(),
            "on no list: {few:#?} of {} beside {met:#?}",
            self.unexplained.len()
        );
    }
}

/// Which difference of the lists it is. That both take a request and read another one is on none.
fn why(bytes: &[u8], ours: &[Message], theirs: &[Message]) -> Option<&'static str> {
    let same = ours.iter().zip(theirs).take_while(|(a, b)| a == b).count();
    let list = match (ours.get(same), theirs.get(same)) {
        (None, _) => STRICTER,
        (_, None) => LOOSER,
        _ => return None,
    };
    let ends = ours::read(bytes, true);
    // Where a request begins.
    let start = |which: usize| which.checked_sub(1).map_or(0, |last| ends[last].1);
    let (before, start) = (start(same.saturating_sub(1)), start(same));
    explain(list, &bytes[start..]).or_else(|| explain(CLOSING, &bytes[before..start]))
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |number| number.parse().unwrap())
}

#[test]
fn the_case_table_is_read_as_hyper_reads_it() {
    let mut report = Report::default();
    for case in &cases::all() {
        report.compare(&case.bytes(KEY));
    }
    report.fail_if_unexplained();
    // A list that is longer than need be would hide what is new.
    for difference in STRICTER.iter().chain(LOOSER).chain(CLOSING) {
        let name = difference.name;
        assert!(report.met.contains_key(name), "never met: {name}");
    }
}

#[test]
fn changes_of_it_are_read_as_hyper_reads_them() {
    let count = number("DIFFERENTIAL_MUTATIONS", 10_000) as usize;
    let mutants = Mutants::new(&cases::all(), 400, number("DIFFERENTIAL_SEED", 9112));
    let mut report = Report::default();
    for script in mutants.take(count) {
        report.compare(&script);
    }
    report.fail_if_unexplained();
    let differ: usize = report.met.values().sum();
    assert!(differ < count / 2, "{differ} of {count}: {:#?}", report.met);
}
