//! The figures of a simulation, and how they are shown.

use std::fmt::Write as _;

use super::plan::Deployment;
use super::traffic::Tally;

/// Some of a sample's order statistics, in nanoseconds; `None` of an empty one.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Quantiles {
    p50: Option<u64>,
    p99: Option<u64>,
    max: Option<u64>,
}

impl Quantiles {
    pub(super) fn of(sample: &mut [u64]) -> Self {
        sample.sort_unstable();
        let at = |percent: usize| {
            let rank = (sample.len() * percent).div_ceil(100);
            sample.get(rank.saturating_sub(1)).copied()
        };
        Self {
            p50: at(50),
            p99: at(99),
            max: at(100),
        }
    }
}

/// What was measured.
#[derive(Clone, Default, Debug)]
pub struct Report {
    pub(super) cold_region_us: Option<u64>,
    pub(super) cold_regions_us: Option<u64>,
    pub(super) cold_all_us: Option<u64>,
    pub(super) cold_tcp: Tally,
    pub(super) cold_mdns: Tally,
    pub(super) known: u64,
    pub(super) connections: u64,
    pub(super) idle_tcp: Tally,
    pub(super) idle_ping: Tally,
    pub(super) idle_members: Tally,
    pub(super) idle_sync: Tally,
    pub(super) idle_mdns: Tally,
    pub(super) idle_heard: u64,
    pub(super) idle_busiest: u64,
    pub(super) put: Tally,
    pub(super) ack: Quantiles,
    pub(super) get: Quantiles,
    pub(super) failed: u64,
    pub(super) missed: [u64; 2],
    pub(super) stale_region: Quantiles,
    pub(super) stale_all: Quantiles,
    pub(super) unfinished: u64,
    pub(super) join: Quantiles,
    pub(super) join_unaware: u64,
    pub(super) join_tcp: Tally,
    pub(super) join_mdns: Tally,
    pub(super) probe: Quantiles,
    pub(super) request: Quantiles,
    pub(super) unnoticed: u64,
    pub(super) heal_us: Option<u64>,
    pub(super) heal_values_us: Option<u64>,
    pub(super) heal_missing: u64,
    pub(super) simulated_us: u64,
    pub(super) events: u64,
}

/// What a figure counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// Things.
    Count,
    /// Bytes.
    Bytes,
    /// Microseconds of simulated time.
    Micros,
}

/// One figure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Figure {
    /// What it is a figure of.
    pub section: &'static str,
    /// Its name, for programs.
    pub name: &'static str,
    /// Its name, for people.
    pub text: &'static str,
    /// What it counts.
    pub unit: Unit,
    /// The figure; `None` if what it tells of did not happen.
    pub value: Option<u64>,
}

impl Report {
    /// The simulated time, in microseconds.
    #[must_use]
    pub const fn simulated_us(&self) -> u64 {
        self.simulated_us
    }

    /// All figures, in a fixed order.
    #[must_use]
    pub fn figures(&self) -> Vec<Figure> {
        let mut list = List(Vec::new(), "");
        self.convergence(&mut list);
        self.traffic(&mut list);
        self.requests(&mut list);
        self.faults(&mut list);
        list.section("the simulation");
        list.time("simulated_us", "simulated time", Some(self.simulated_us));
        list.count("events", "events", self.events);
        list.0
    }

    fn convergence(&self, list: &mut List) {
        list.section("cold start: all begin within a second");
        list.time(
            "cold_region_us",
            "each node routes to all of its region after",
            self.cold_region_us,
        );
        list.time(
            "cold_regions_us",
            "and to a node of each other region after",
            self.cold_regions_us,
        );
        list.time(
            "cold_all_us",
            "and to as many of each other region as it keeps after",
            self.cold_all_us,
        );
        list.tally(
            ("cold_tcp_messages", "requests and answers, a node"),
            ("cold_tcp_bytes", "bytes of them"),
            self.cold_tcp,
        );
        list.tally(
            ("cold_mdns_sent", "datagrams sent, a node"),
            ("cold_mdns_bytes", "bytes of them"),
            self.cold_mdns,
        );
        list.section("a node joins");
        list.times(
            ["join_p50_us", "join_p99_us", "join_max_us"],
            ["its region routes to it, it to all, p50", "p99", "max"],
            self.join,
        );
        list.count(
            "join_unaware",
            "nodes of its region that did not within a minute",
            self.join_unaware,
        );
        list.tally(
            ("join_tcp_messages", "requests and answers, from and to it"),
            ("join_tcp_bytes", "bytes of them"),
            self.join_tcp,
        );
        list.tally(
            ("join_mdns_sent", "datagrams sent meanwhile, by all"),
            ("join_mdns_bytes", "bytes of them"),
            self.join_mdns,
        );
    }

    fn traffic(&self, list: &mut List) {
        list.section("idle, a node and minute");
        list.count("known_peers", "peers it routes to", self.known);
        list.count(
            "connections",
            "connections it has, both ways",
            self.connections,
        );
        list.tally(
            ("idle_tcp_messages", "requests and answers"),
            ("idle_tcp_bytes", "bytes of them"),
            self.idle_tcp,
        );
        list.tally(
            ("idle_ping_messages", "pings and answers"),
            ("idle_ping_bytes", "bytes of them"),
            self.idle_ping,
        );
        list.tally(
            ("idle_members_messages", "lists of members"),
            ("idle_members_bytes", "bytes of them"),
            self.idle_members,
        );
        list.tally(
            ("idle_sync_messages", "comparing"),
            ("idle_sync_bytes", "bytes of it"),
            self.idle_sync,
        );
        list.bytes(
            "idle_busiest_bytes",
            "TCP bytes in and out of the busiest node",
            self.idle_busiest,
        );
        list.tally(
            ("idle_mdns_sent", "datagrams sent"),
            ("idle_mdns_bytes", "bytes of them"),
            self.idle_mdns,
        );
        list.count("idle_mdns_heard", "datagrams heard", self.idle_heard);
    }

    fn requests(&self, list: &mut List) {
        list.section("PUT and GET");
        list.tally(
            ("put_messages", "requests and answers, a PUT"),
            ("put_bytes", "bytes of them"),
            self.put,
        );
        list.times(
            ["put_p50_us", "put_p99_us", "put_max_us"],
            ["PUT acknowledged after, p50", "p99", "max"],
            self.ack,
        );
        list.count("put_failed", "PUTs not stored", self.failed);
        list.times(
            ["get_p50_us", "get_p99_us", "get_max_us"],
            ["GET answered after, p50", "p99", "max"],
            self.get,
        );
        list.count(
            "get_missed",
            "GETs in its region, at once, that found nothing",
            self.missed[0],
        );
        list.count(
            "get_missed_far",
            "GETs anywhere, at the next PUT, that found nothing",
            self.missed[1],
        );
        list.times(
            [
                "stale_region_p50_us",
                "stale_region_p99_us",
                "stale_region_max_us",
            ],
            [
                "acknowledged until all of its region have it, p50",
                "p99",
                "max",
            ],
            self.stale_region,
        );
        list.times(
            ["stale_all_p50_us", "stale_all_p99_us", "stale_all_max_us"],
            ["acknowledged until all nodes have it, p50", "p99", "max"],
            self.stale_all,
        );
        list.count(
            "put_unfinished",
            "PUTs that some node has not after two minutes",
            self.unfinished,
        );
    }

    fn faults(&self, list: &mut List) {
        list.section("a node dies, its connections hang");
        list.times(
            ["probe_p50_us", "probe_p99_us", "probe_max_us"],
            ["no more routed to, nothing asked, p50", "p99", "max"],
            self.probe,
        );
        list.times(
            ["request_p50_us", "request_p99_us", "request_max_us"],
            ["no more routed to after the first copy, p50", "p99", "max"],
            self.request,
        );
        list.count(
            "unnoticed",
            "who did not notice within two minutes",
            self.unnoticed,
        );
        list.section("after a partition");
        list.time(
            "heal_us",
            "each routes to its region and each other one after",
            self.heal_us,
        );
        list.time(
            "heal_values_us",
            "all have what was written meanwhile after",
            self.heal_values_us,
        );
        list.count(
            "heal_missing",
            "writes that some have not after two minutes more",
            self.heal_missing,
        );
    }
}

type Name = (&'static str, &'static str);

struct List(Vec<Figure>, &'static str);

impl List {
    const fn section(&mut self, section: &'static str) {
        self.1 = section;
    }

    fn add(&mut self, (name, text): Name, unit: Unit, value: Option<u64>) {
        self.0.push(Figure {
            section: self.1,
            name,
            text,
            unit,
            value,
        });
    }

    fn count(&mut self, name: &'static str, text: &'static str, value: u64) {
        self.add((name, text), Unit::Count, Some(value));
    }

    fn bytes(&mut self, name: &'static str, text: &'static str, value: u64) {
        self.add((name, text), Unit::Bytes, Some(value));
    }

    fn time(&mut self, name: &'static str, text: &'static str, value: Option<u64>) {
        self.add((name, text), Unit::Micros, value);
    }

    fn tally(&mut self, messages: Name, bytes: Name, tally: Tally) {
        self.add(messages, Unit::Count, Some(tally.messages));
        self.add(bytes, Unit::Bytes, Some(tally.bytes));
    }

    fn times(&mut self, names: [&'static str; 3], texts: [&'static str; 3], of: Quantiles) {
        for ((name, text), nanos) in names.into_iter().zip(texts).zip([of.p50, of.p99, of.max]) {
            self.add((name, text), Unit::Micros, nanos.map(|nanos| nanos / 1_000));
        }
    }
}

impl Figure {
    /// The figure as people read it.
    #[must_use]
    pub fn shown(&self) -> String {
        let Some(value) = self.value else {
            return "-".to_owned();
        };
        match self.unit {
            Unit::Count => value.to_string(),
            Unit::Bytes => scaled(value, 1_000, ["B", "kB", "MB", "GB"]),
            Unit::Micros if value < 60_000_000 => scaled(value, 1_000, ["us", "ms", "s", "s"]),
            Unit::Micros => format!("{} s", value / 1_000_000),
        }
    }
}

/// Three digits, and the unit they are of.
fn scaled(value: u64, step: u64, units: [&str; 4]) -> String {
    let (mut whole, mut rest, mut at) = (value, 0, 0);
    while whole >= step && at < 3 {
        (rest, whole, at) = (whole % step, whole / step, at + 1);
    }
    let unit = units[at];
    match (at, whole) {
        (0, _) | (_, 100..) => format!("{whole} {unit}"),
        (_, 10..) => format!("{whole}.{} {unit}", rest / 100),
        _ => format!("{whole}.{:02} {unit}", rest / 10),
    }
}

/// A table in Markdown: a row for each figure, a column for each cluster.
#[must_use]
pub fn table(runs: &[(Deployment, Report)]) -> String {
    let mut out = String::from("| |");
    for (plan, _) in runs {
        let (nodes, regions) = (plan.nodes, plan.regions);
        let _ = write!(out, " {nodes} nodes, {regions} regions |");
    }
    out.push_str("\n|---|");
    out.push_str(&"---:|".repeat(runs.len()));
    let columns: Vec<Vec<Figure>> = runs.iter().map(|(_, report)| report.figures()).collect();
    let rows = columns.first().map_or(0, Vec::len);
    let mut section = "";
    for row in 0..rows {
        let figure = columns[0][row];
        if figure.section != section {
            section = figure.section;
            let _ = write!(out, "\n| **{section}** |{}", " |".repeat(runs.len()));
        }
        let _ = write!(out, "\n| {} |", figure.text);
        for column in &columns {
            let _ = write!(out, " {} |", column[row].shown());
        }
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_shown_with_three_digits() {
        let shown = |unit, value| {
            let (section, name, text) = ("", "", "");
            Figure {
                section,
                name,
                text,
                unit,
                value: Some(value),
            }
            .shown()
        };
        assert_eq!(shown(Unit::Micros, 999), "999 us");
        assert_eq!(shown(Unit::Micros, 1_049), "1.04 ms");
        assert_eq!(shown(Unit::Micros, 59_999_999), "59.9 s");
        assert_eq!(shown(Unit::Micros, 61_000_000), "61 s");
        assert_eq!(shown(Unit::Bytes, 123_456), "123 kB");
        assert_eq!(shown(Unit::Count, 123_456), "123456");
    }

    #[test]
    fn quantiles_are_of_the_nearest_rank() {
        let of = Quantiles::of(&mut (1..=100).rev().collect::<Vec<_>>());
        assert_eq!((of.p50, of.p99, of.max), (Some(50), Some(99), Some(100)));
        assert_eq!(Quantiles::of(&mut []).max, None);
    }
}
