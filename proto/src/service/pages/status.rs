//! `/status`: the node as JSON.

use alloc::string::String;

use super::json::Json;
use crate::Duration;
use crate::cache::{CacheStats, Stats};
use crate::service::{Facts, PeerFacts, RegionFacts};

/// The page. Times are in seconds or, where their name says so, milliseconds.
pub(super) fn status(facts: &Facts) -> String {
    let mut json = Json::default();
    json.object(|json| {
        match facts.id {
            Some(id) => json.key("id").string(id),
            None => json.key("id").null(),
        }
        json.key("region").string(&facts.region);
        json.key("version").string(facts.version);
        json.key("stage").string(facts.stage.as_str());
        json.key("uptime").number(facts.uptime.as_secs());
        json.key("addresses")
            .array(&facts.addresses, |json, addr| json.string(addr));
        json.key("cache")
            .object(|json| caches(json, &facts.cache, facts.shards));
        json.key("regions").array(&facts.regions, region);
        json.key("peers").array(&facts.peers, peer);
        json.key("connections").object(|json| {
            json.key("open").number(facts.connections.open);
            limit(json, "limit", facts.connections.limit);
            json.key("accepted").number(facts.connections.accepted);
            json.key("refused").number(facts.connections.refused);
            json.key("requests").number(facts.connections.requests);
            json.key("body_bytes").number(facts.connections.body_bytes);
        });
        json.key("queues").object(|json| {
            json.key("spreading").number(facts.queues.spreading);
            json.key("delivered").number(facts.queues.delivered);
            json.key("failed").number(facts.queues.failed);
            json.key("waiting").number(facts.queues.waiting);
            limit(json, "limit", facts.queues.limit);
            json.key("dropped").number(facts.queues.dropped);
        });
        json.key("sync").object(|json| {
            json.key("state").string(facts.sync.state.as_str());
            json.key("equal").number(facts.sync.equal);
            json.key("complete").number(facts.sync.complete);
            json.key("failed").number(facts.sync.failed);
            json.key("answers").number(facts.sync.answers);
            json.key("bytes").number(facts.sync.bytes);
            json.key("records").number(facts.sync.merged);
            json.key("lookups").number(facts.sync.lookups);
        });
    });
    json.finish()
}

fn caches(json: &mut Json, stats: &Stats, shards: usize) {
    json.key("shards").number(shards);
    json.key("local").object(|json| cache(json, &stats.local));
    json.key("remote").object(|json| cache(json, &stats.remote));
    json.key("tombstones").object(|json| {
        json.key("entries").number(stats.tombstones.entries);
        limit(json, "max_entries", stats.tombstones.max_entries);
        json.key("bytes").number(stats.tombstones.bytes);
        limit(json, "max_bytes", stats.tombstones.max_bytes);
        json.key("evictions").number(stats.tombstones.evictions);
    });
    json.key("puts").number(stats.puts);
    json.key("deletes").number(stats.deletes);
    json.key("stale").number(stats.stale);
    json.key("duplicates").number(stats.duplicates);
    json.key("refused_skew").number(stats.refused_skew);
    json.key("refused_size").number(stats.refused_size);
}

fn cache(json: &mut Json, stats: &CacheStats) {
    json.key("hits").number(stats.hits);
    json.key("misses").number(stats.misses);
    json.key("entries").number(stats.entries);
    limit(json, "max_entries", stats.max_entries);
    json.key("bytes").number(stats.bytes);
    limit(json, "max_bytes", stats.max_bytes);
    json.key("evictions").number(stats.evictions);
    json.key("expirations").number(stats.expirations);
}

/// Unlimited is `null`: the number would not survive a reader that keeps floats.
fn limit(json: &mut Json, name: &str, limit: u64) {
    match limit {
        u64::MAX => json.key(name).null(),
        limit => json.key(name).number(limit),
    }
}

fn region(json: &mut Json, region: &RegionFacts) {
    json.object(|json| {
        json.key("name").string(&region.name);
        millis(json, "latency_ms", region.latency);
        json.key("routable").number(region.routable);
    });
}

fn peer(json: &mut Json, peer: &PeerFacts) {
    json.object(|json| {
        json.key("id").string(peer.id);
        json.key("region").string(&peer.region);
        json.key("address").string(peer.addr);
        json.key("kind").string(peer.kind());
        json.key("routable").boolean(peer.routable);
        json.key("health").string(peer.health);
        millis(json, "rtt_ms", peer.rtt);
        json.key("sources")
            .array(&peer.sources, |json, source| json.string(source));
        json.key("queued").number(peer.queued);
    });
}

fn millis(json: &mut Json, name: &str, time: Option<Duration>) {
    match time {
        Some(time) => json.key(name).number(super::Millis(time)),
        None => json.key(name).null(),
    }
}
