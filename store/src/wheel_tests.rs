use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use std::vec;

use proptest::prelude::*;

use super::{LEVELS, Order, Wheel};
use crate::links::Links;

struct Bench {
    links: Links,
    wheel: Wheel,
    /// What is on the wheel: place and time.
    timed: BTreeMap<u32, u64>,
    links_made: usize,
    steps: usize,
}

impl Bench {
    fn new() -> Self {
        let mut links = Links::new();
        links.extend(1 << 10, 1 << 10);
        Self {
            links,
            wheel: Wheel::new(),
            timed: BTreeMap::new(),
            links_made: 0,
            steps: 0,
        }
    }

    fn link(&mut self, expires: u64) -> Option<u32> {
        if self.links.is_full() {
            return None;
        }
        let place = self.links.take(0, expires);
        self.wheel.link(&mut self.links, place);
        self.links_made += 1;
        if expires != u64::MAX {
            self.timed.insert(place, expires);
        }
        Some(place)
    }

    fn unlink(&mut self, place: u32) {
        if self.timed.remove(&place).is_some() {
            self.wheel.unlink(&mut self.links, place);
            self.links.give(place);
        }
    }

    fn renew(&mut self, place: u32, expires: u64) {
        if expires != u64::MAX && self.timed.contains_key(&place) {
            self.wheel.renew(&mut self.links, place, expires);
            self.links_made += 1;
            self.timed.insert(place, expires);
        }
    }

    /// Pops all that is due, and checks it to be all, in order if that is asked for.
    fn pop_all(&mut self, now: u64, order: Order) -> Vec<u64> {
        let mut popped = Vec::new();
        loop {
            let mut budget = usize::MAX;
            let place = self.wheel.pop(&mut self.links, now, order, &mut budget);
            self.steps += usize::MAX - budget;
            let Some(place) = place else { break };
            let expires = self.timed.remove(&place);
            popped.extend(expires);
            assert!(expires.is_some_and(|expires| expires <= now));
            self.links.give(place);
        }
        assert!(self.timed.values().all(|&expires| expires > now));
        if order == Order::Sorted {
            assert!(popped.is_sorted());
        }
        popped
    }

    fn check(&self, now: u64) {
        let due = self.timed.values().filter(|&&expires| expires <= now);
        assert_eq!(self.wheel.count_due(&self.links, now), due.count());
        let first = self.timed.values().min();
        if let Some(&first) = first {
            assert!(self.wheel.next_turn().is_some_and(|turn| turn <= first));
        }
        // An entry moves down a level at a time, so the work is bounded by what was put on.
        assert!(self.steps <= self.links_made * LEVELS);
    }
}

#[test]
fn every_distance_is_kept_to_the_millisecond() {
    for bits in 0..64 {
        for start in [0, 1, 63, 64, 1_700_000_000_000, u64::MAX >> 1] {
            let mut bench = Bench::new();
            bench.pop_all(start, Order::Sorted);
            let at = (1_u64 << bits).saturating_add(start).min(u64::MAX - 1);
            bench.link(at);
            assert_eq!(bench.pop_all(at - 1, Order::Sorted), []);
            assert_eq!(bench.pop_all(at, Order::Sorted), [at]);
            assert_eq!(
                bench.wheel.pop(&mut bench.links, at, Order::Any, &mut 1),
                None
            );
            assert_eq!(bench.wheel.next_turn(), None);
        }
    }
}

#[test]
fn the_end_of_time_is_no_time_and_the_last_millisecond_is_one() {
    let mut bench = Bench::new();
    bench.link(u64::MAX);
    assert_eq!(bench.wheel.next_turn(), None);
    bench.link(u64::MAX - 1);
    bench.link(0);
    assert_eq!(bench.pop_all(u64::MAX - 2, Order::Sorted), [0]);
    assert_eq!(bench.pop_all(u64::MAX, Order::Sorted), [u64::MAX - 1]);
    // Nothing is later than now: what comes still is due at once, and found.
    bench.link(5);
    assert_eq!(bench.pop_all(u64::MAX, Order::Sorted), [5]);
}

#[test]
fn a_clock_that_went_back_keeps_entries_until_it_has_caught_up() {
    let mut bench = Bench::new();
    bench.link(1_000_000);
    bench.pop_all(900_000, Order::Sorted);
    bench.link(500);
    assert_eq!(bench.pop_all(900_000, Order::Sorted), [500]);
    assert_eq!(bench.pop_all(1_000_000, Order::Sorted), [1_000_000]);
}

#[test]
fn a_budget_bounds_the_entries_looked_at_and_the_rest_comes_later() {
    let mut bench = Bench::new();
    // All in one slot of a high level, due over a while.
    for i in 0..100 {
        bench.link((1 << 20) + i * 1_000);
    }
    let now = (1 << 20) + 50_000;
    let mut popped = 0;
    for _ in 0..1_000 {
        let mut budget = 3;
        while let Some(place) = bench
            .wheel
            .pop(&mut bench.links, now, Order::Any, &mut budget)
        {
            bench.timed.remove(&place);
            bench.links.give(place);
            popped += 1;
        }
        bench.check(now);
    }
    assert_eq!(popped, 51);
    assert_eq!(bench.pop_all(now, Order::Any), vec![]);
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Link(u64),
    Renew(u32, u64),
    Unlink(u32),
    Advance(u64),
    Pop(bool),
}

fn op() -> impl Strategy<Value = Op> {
    let time = || {
        prop_oneof![
            0_u64..200,
            (0_u32..63, 0_u64..3).prop_map(|(bits, by)| (1_u64 << bits).saturating_sub(by)),
            any::<u64>(),
        ]
    };
    prop_oneof![
        6 => time().prop_map(Op::Link),
        4 => (1_u32..40, time()).prop_map(|(place, time)| Op::Renew(place, time)),
        2 => (1_u32..40).prop_map(Op::Unlink),
        2 => (0_u32..60, 0_u64..3).prop_map(|(bits, by)| Op::Advance((1 << bits) - by.min(1))),
        2 => any::<bool>().prop_map(Op::Pop),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pops_what_is_due_and_nothing_else(ops in prop::collection::vec(op(), 1..200)) {
        let mut bench = Bench::new();
        let mut now = 0_u64;
        for op in ops {
            match op {
                Op::Link(ahead) => {
                    bench.link(now.saturating_add(ahead));
                }
                Op::Renew(place, ahead) => bench.renew(place, now.saturating_add(ahead)),
                Op::Unlink(place) => bench.unlink(place),
                Op::Advance(by) => now = now.saturating_add(by),
                Op::Pop(sorted) => {
                    bench.pop_all(now, if sorted { Order::Sorted } else { Order::Any });
                }
            }
            bench.check(now);
        }
    }
}
