//! `/metrics`: the node in Prometheus' text format, version 0.0.4.

use alloc::string::String;
use core::fmt::{Display, Write};

use super::Seconds;
use crate::cache::{CacheStats, Stats};
use crate::service::{Facts, Stage};
use crate::sync::{State, SyncFacts};

/// The page.
pub(super) fn metrics(facts: &Facts) -> String {
    let mut page = Page::default();
    page.gauge("zerocache_info", "The node: always 1.");
    let id = facts
        .id
        .map_or_else(String::new, |id| alloc::format!("{id}"));
    let labels = [
        ("id", id.as_str()),
        ("region", facts.region.as_str()),
        ("version", facts.version),
    ];
    page.sample(&labels, 1);
    page.gauge(
        "zerocache_uptime_seconds",
        "How long the node has been running.",
    );
    page.sample(&[], Seconds(facts.uptime));
    page.gauge(
        "zerocache_ready",
        "Whether the node is announced and not leaving.",
    );
    page.sample(&[], u8::from(facts.stage == Stage::Ready));
    caches(&mut page, &facts.cache);
    writes(&mut page, &facts.cache);
    peers(&mut page, facts);
    traffic(&mut page, facts);
    sync(&mut page, &facts.sync);
    page.text
}

fn caches(page: &mut Page, stats: &Stats) {
    let both = |page: &mut Page, value: fn(&CacheStats) -> u64| {
        page.sample(&[("cache", "local")], value(&stats.local));
        page.sample(&[("cache", "remote")], value(&stats.remote));
    };
    page.counter("zerocache_hits_total", "Look-ups answered.");
    both(page, |cache| cache.hits);
    page.counter("zerocache_misses_total", "Look-ups not answered.");
    both(page, |cache| cache.misses);
    page.counter(
        "zerocache_evictions_total",
        "Live records dropped for want of room.",
    );
    both(page, |cache| cache.evictions);
    page.sample(&[("cache", "tombstones")], stats.tombstones.evictions);
    page.counter(
        "zerocache_expirations_total",
        "Records removed after their life.",
    );
    both(page, |cache| cache.expirations);
    page.gauge("zerocache_entries", "Live records held.");
    both(page, |cache| cache.entries);
    page.sample(&[("cache", "tombstones")], stats.tombstones.entries);
    page.gauge("zerocache_entries_limit", "The most records held.");
    both(page, |cache| cache.max_entries);
    page.sample(&[("cache", "tombstones")], stats.tombstones.max_entries);
    page.gauge(
        "zerocache_bytes",
        "Bytes held: keys, values and their overhead.",
    );
    both(page, |cache| cache.bytes);
    page.sample(&[("cache", "tombstones")], stats.tombstones.bytes);
    page.gauge("zerocache_bytes_limit", "The most bytes held.");
    both(page, |cache| cache.max_bytes);
    page.sample(&[("cache", "tombstones")], stats.tombstones.max_bytes);
}

fn writes(page: &mut Page, stats: &Stats) {
    page.counter("zerocache_writes_total", "Writes applied, own and copied.");
    page.sample(&[("kind", "put")], stats.puts);
    page.sample(&[("kind", "delete")], stats.deletes);
    page.counter(
        "zerocache_writes_ignored_total",
        "Copies that changed nothing.",
    );
    page.sample(&[("reason", "stale")], stats.stale);
    page.sample(&[("reason", "duplicate")], stats.duplicates);
    page.counter("zerocache_writes_refused_total", "Writes refused.");
    page.sample(&[("reason", "clock_skew")], stats.refused_skew);
    page.sample(&[("reason", "too_large")], stats.refused_size);
}

fn peers(page: &mut Page, facts: &Facts) {
    if !facts.peers.is_empty() {
        page.gauge(
            "zerocache_peer_up",
            "Whether requests and copies are sent to a peer.",
        );
        for peer in &facts.peers {
            let id = alloc::format!("{}", peer.id);
            let labels = [
                ("peer", id.as_str()),
                ("region", peer.region.as_str()),
                ("kind", peer.kind()),
            ];
            page.sample(&labels, u8::from(peer.routable));
        }
    }
    if facts.peers.iter().any(|peer| peer.rtt.is_some()) {
        page.gauge(
            "zerocache_peer_rtt_seconds",
            "A peer's smoothed round-trip time.",
        );
        for peer in &facts.peers {
            let id = alloc::format!("{}", peer.id);
            if let Some(rtt) = peer.rtt {
                let labels = [("peer", id.as_str()), ("region", peer.region.as_str())];
                page.sample(&labels, Seconds(rtt));
            }
        }
    }
    if !facts.regions.is_empty() {
        page.gauge(
            "zerocache_region_rank",
            "A region's place by latency: 1 is asked first.",
        );
        for (rank, region) in facts.regions.iter().enumerate() {
            page.sample(&[("region", region.name.as_str())], rank.saturating_add(1));
        }
    }
}

fn traffic(page: &mut Page, facts: &Facts) {
    let (connections, queues) = (&facts.connections, &facts.queues);
    page.gauge("zerocache_connections", "Connections open.");
    page.sample(&[], connections.open);
    page.gauge("zerocache_connections_limit", "The most connections open.");
    page.sample(&[], connections.limit);
    page.counter(
        "zerocache_connections_accepted_total",
        "Connections accepted.",
    );
    page.sample(&[], connections.accepted);
    page.counter(
        "zerocache_connections_refused_total",
        "Connections turned away.",
    );
    page.sample(&[], connections.refused);
    page.counter("zerocache_requests_total", "Requests answered.");
    page.sample(&[], connections.requests);
    page.gauge(
        "zerocache_body_bytes",
        "Bytes of memory that request bodies in flight take.",
    );
    page.sample(&[], connections.body_bytes);
    page.gauge("zerocache_spreading", "Writes being copied to peers now.");
    page.sample(&[], queues.spreading);
    page.counter(
        "zerocache_copies_total",
        "Copies sent to peers, by how that went.",
    );
    page.sample(&[("result", "delivered")], queues.delivered);
    page.sample(&[("result", "failed")], queues.failed);
    page.gauge("zerocache_waiting", "Keys waiting for a peer to come back.");
    page.sample(&[], queues.waiting);
    page.gauge("zerocache_waiting_limit", "The most keys waiting.");
    page.sample(&[], queues.limit);
    page.counter(
        "zerocache_waiting_dropped_total",
        "Keys no longer waited with.",
    );
    page.sample(&[], queues.dropped);
}

fn sync(page: &mut Page, facts: &SyncFacts) {
    page.gauge(
        "zerocache_synced",
        "Whether the node has fetched what others hold.",
    );
    page.sample(&[], u8::from(facts.state == State::Synced));
    page.counter(
        "zerocache_sync_rounds_total",
        "Comparisons with a peer, by how they ended.",
    );
    page.sample(&[("result", "equal")], facts.equal);
    page.sample(&[("result", "complete")], facts.complete);
    page.sample(&[("result", "failed")], facts.failed);
    page.counter("zerocache_sync_bytes_total", "Bytes read in comparing.");
    page.sample(&[], facts.bytes);
    page.counter(
        "zerocache_sync_records_total",
        "Records taken over in comparing.",
    );
    page.sample(&[], facts.merged);
    page.counter(
        "zerocache_sync_lookups_total",
        "Keys looked up at another node, this one not being synced.",
    );
    page.sample(&[], facts.lookups);
}

/// A page in the making: families one after the other, each with its samples behind it.
#[derive(Default)]
struct Page {
    text: String,
    family: &'static str,
}

impl Page {
    fn counter(&mut self, name: &'static str, help: &str) {
        self.open(name, "counter", help);
    }

    fn gauge(&mut self, name: &'static str, help: &str) {
        self.open(name, "gauge", help);
    }

    fn open(&mut self, name: &'static str, kind: &str, help: &str) {
        self.family = name;
        // Writing to a string can not fail.
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.text.push_str(self.family);
        for (n, (name, value)) in labels.iter().enumerate() {
            let _ = write!(self.text, "{}{name}=\"", if n == 0 { '{' } else { ',' });
            for c in value.chars() {
                match c {
                    '\\' => self.text.push_str("\\\\"),
                    '"' => self.text.push_str("\\\""),
                    '\n' => self.text.push_str("\\n"),
                    c => self.text.push(c),
                }
            }
            self.text.push('"');
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }
}
