//! What came of it: a table, what was injected, verdicts; or one JSON object.

use super::check::Held;
use super::times::Times;
use crate::output::table;
use serde_json::{Value, json};
use std::time::Duration;

/// Of one check.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) name: &'static str,
    /// `None`: could not be checked here.
    pub(super) holds: Option<bool>,
    pub(super) text: String,
}

/// Of one node.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) address: String,
    pub(super) region: String,
    /// Median of the middle third and of the last, in KiB, where its process lived for the whole time.
    pub(super) rss: Option<(u64, u64)>,
    pub(super) before: Held,
    pub(super) after: Held,
    pub(super) requests: u64,
    /// Copies to peers that failed.
    pub(super) failed: u64,
    pub(super) evictions: u64,
}

#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) lines: Vec<Line>,
    /// What was done to the nodes, and how often.
    pub(super) injected: Vec<(&'static str, usize)>,
    pub(super) recovery: Duration,
    pub(super) gets: Times,
    pub(super) writes: Times,
    pub(super) misses: u64,
    pub(super) errors: u64,
    pub(super) late: usize,
    pub(super) verdicts: Vec<Verdict>,
    pub(super) seconds: u64,
    pub(super) seed: u64,
    pub(super) runtime: &'static str,
}

const HEAD: [&str; 8] = [
    "NODE",
    "REGION",
    "RSS",
    "RSS LAST",
    "DESCRIPTORS",
    "CONNECTIONS",
    "REQUESTS",
    "COPIES FAILED",
];

impl Report {
    pub(super) fn holds(&self) -> bool {
        self.verdicts
            .iter()
            .all(|verdict| verdict.holds != Some(false))
    }

    pub(super) fn text(&self) -> String {
        let rows: Vec<_> = self.lines.iter().map(row).collect();
        let mut lines = vec![table(HEAD, &rows), String::new()];
        let injected = self
            .injected
            .iter()
            .map(|(name, times)| format!("{times} {name}"));
        lines.push(format!(
            "injected  {}",
            injected.collect::<Vec<_>>().join(", ")
        ));
        let Self {
            gets,
            writes,
            misses,
            errors,
            late,
            ..
        } = self;
        let ms = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1_000.0);
        lines.push(format!(
            "GET       {}; p50 {}, p99 {}, max {}; {misses} misses",
            gets.count(),
            ms(gets.quantile(500)),
            ms(gets.quantile(990)),
            ms(gets.max())
        ));
        lines.push(format!(
            "PUT, DEL  {}; p50 {}, p99 {}, max {}; {late} taken up late",
            writes.count(),
            ms(writes.quantile(500)),
            ms(writes.quantile(990)),
            ms(writes.max())
        ));
        lines.push(format!(
            "errors    {errors}; longest recovery {}",
            ms(self.recovery)
        ));
        lines.push(String::new());
        for Verdict { name, holds, text } in &self.verdicts {
            let word = match holds {
                Some(true) => "ok",
                Some(false) => "FAILED",
                None => "NOT CHECKED",
            };
            lines.push(format!("{word:<11}  {name}: {text}"));
        }
        lines.push(format!(
            "{} after {} s on {}, seed {}",
            if self.holds() { "all well" } else { "FAILED" },
            self.seconds,
            self.runtime,
            self.seed
        ));
        lines.join("\n")
    }

    pub(super) fn json(&self) -> Value {
        let times = |times: &Times| {
            let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
            json!({
                "count": times.count(), "p50_us": us(times.quantile(500)),
                "p99_us": us(times.quantile(990)), "max_us": us(times.max()),
            })
        };
        let injected = self
            .injected
            .iter()
            .map(|(name, times)| ((*name).to_owned(), json!(times)));
        let verdicts = self.verdicts.iter().map(
            |verdict| json!({ "check": verdict.name, "ok": verdict.holds, "text": verdict.text }),
        );
        json!({
            "ok": self.holds(), "seconds": self.seconds, "runtime": self.runtime, "seed": self.seed,
            "nodes": self.lines.iter().map(object).collect::<Vec<_>>(),
            "injected": serde_json::Map::from_iter(injected),
            "recovery_ms": u64::try_from(self.recovery.as_millis()).unwrap_or(u64::MAX),
            "get": times(&self.gets), "write": times(&self.writes),
            "misses": self.misses, "errors": self.errors, "late": self.late,
            "verdicts": verdicts.collect::<Vec<_>>(),
        })
    }
}

fn row(line: &Line) -> [String; HEAD.len()] {
    let none = || "-".to_owned();
    let mib = |kib: u64| format!("{:.1} MiB", kib as f64 / 1_024.0);
    let files = |held: Held| {
        held.usage
            .map_or_else(none, |usage| usage.descriptors.to_string())
    };
    let last = line.rss.map(|(_, last)| last);
    let last = last.or(line.after.usage.map(|usage| usage.rss_kib));
    [
        line.address.clone(),
        line.region.clone(),
        line.rss.map_or_else(none, |(middle, _)| mib(middle)),
        last.map_or_else(none, mib),
        format!("{} -> {}", files(line.before), files(line.after)),
        format!("{} -> {}", line.before.connections, line.after.connections),
        line.requests.to_string(),
        line.failed.to_string(),
    ]
}

fn object(line: &Line) -> Value {
    let files = |held: Held| held.usage.map(|usage| usage.descriptors);
    json!({
        "address": line.address, "region": line.region,
        "rss_middle_kib": line.rss.map(|(middle, _)| middle), "rss_last_kib": line.rss.map(|(_, last)| last),
        "descriptors_before": files(line.before), "descriptors": files(line.after),
        "connections_before": line.before.connections, "connections": line.after.connections,
        "requests": line.requests, "copies_failed": line.failed, "evictions": line.evictions,
    })
}
