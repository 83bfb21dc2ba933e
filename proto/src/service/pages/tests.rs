use super::*;
use crate::cache::{CacheStats, Stats};
use crate::service::{ConnectionFacts, PeerFacts, RegionFacts, Stage};
use crate::{NodeId, Region};
use std::collections::BTreeSet;
use std::vec;

/// A node whose names try to break out of every page's syntax.
fn facts() -> Facts {
    let evil = Region::new("\"><script>&'\\").unwrap();
    Facts {
        id: Some(NodeId::from_bits(0xa1)),
        uptime: Duration::from_micros(90_061_500_000),
        stage: Stage::Ready,
        addresses: vec!["10.0.0.1:6789".parse().unwrap()],
        cache: Stats {
            local: CacheStats {
                hits: 3,
                max_bytes: u64::MAX,
                ..CacheStats::default()
            },
            ..Stats::default()
        },
        regions: vec![RegionFacts {
            name: evil.clone(),
            latency: Some(Duration::from_micros(12_345)),
            routable: 1,
        }],
        peers: vec![
            PeerFacts {
                id: NodeId::from_bits(0xb2),
                region: evil,
                addr: "10.0.0.2:6789".parse().unwrap(),
                capable: true,
                routable: true,
                health: "up",
                rtt: Some(Duration::from_micros(12_345)),
                sources: vec!["mdns", "static"],
                queued: 0,
            },
            PeerFacts {
                id: NodeId::from_bits(0xc3),
                region: Region::new("london").unwrap(),
                addr: "10.0.0.3:6789".parse().unwrap(),
                capable: false,
                routable: false,
                health: "down",
                rtt: None,
                sources: vec!["mdns"],
                queued: 7,
            },
        ],
        connections: ConnectionFacts {
            open: 1,
            limit: 4096,
            ..ConnectionFacts::default()
        },
        ..Facts::new(Region::new("london").unwrap())
    }
}

#[test]
fn status_is_json_with_everything_in_it() {
    let page = Page::Status.render(&facts());
    let version = env!("CARGO_PKG_VERSION");
    let head = std::format!(
        r#"{{"id": "000000a1", "region": "london", "version": "{version}", "stage": "ready", "uptime": 90061, "addresses": ["10.0.0.1:6789"], "cache": {{"shards": 1, "local": {{"hits": 3, "#
    );
    assert!(page.starts_with(&head), "{page}");
    for part in [
        r#""max_bytes": null, "#,
        r#""regions": [{"name": "\"><script>&'\\", "latency_ms": 12.345, "routable": 1}]"#,
        r#"{"id": "000000b2", "region": "\"><script>&'\\", "address": "10.0.0.2:6789", "kind": "zc", "routable": true, "health": "up", "rtt_ms": 12.345, "sources": ["mdns", "static"], "queued": 0}"#,
        r#"{"id": "000000c3", "region": "london", "address": "10.0.0.3:6789", "kind": "stock", "routable": false, "health": "down", "rtt_ms": null, "sources": ["mdns"], "queued": 7}"#,
        r#""connections": {"open": 1, "limit": 4096, "accepted": 0, "#,
    ] {
        assert!(page.contains(part), "{part} not in {page}");
    }
    let (open, close) = (
        page.matches(['{', '[']).count(),
        page.matches(['}', ']']).count(),
    );
    assert_eq!(open, close);
}

#[test]
fn every_metric_has_help_and_type_once_and_samples_of_its_own_name() {
    let page = Page::Metrics.render(&facts());
    assert!(page.ends_with('\n'));
    let mut families = BTreeSet::new();
    let mut samples = BTreeSet::new();
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        let (name, help) = line
            .strip_prefix("# HELP ")
            .unwrap()
            .split_once(' ')
            .unwrap();
        assert!(!help.is_empty());
        assert!(families.insert(name), "{name} twice");
        let kind = lines.next().unwrap().strip_prefix("# TYPE ").unwrap();
        let (typed, kind) = kind.split_once(' ').unwrap();
        assert_eq!(typed, name);
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name} {kind}");
        let mut some = false;
        while let Some(sample) = lines.next_if(|line| !line.starts_with('#')) {
            let (series, value) = sample.rsplit_once(' ').unwrap();
            let family = series.split('{').next().unwrap();
            assert_eq!(family, name);
            assert!(value.parse::<f64>().is_ok(), "{sample}");
            assert!(samples.insert(series), "{series} twice");
            some = true;
        }
        assert!(some, "{name} has no sample");
    }
    for sample in [
        r#"zerocache_hits_total{cache="local"} 3"#,
        r#"zerocache_uptime_seconds 90061.500000"#,
        r#"zerocache_ready 1"#,
        r#"zerocache_peer_up{peer="000000b2",region="\"><script>&'\\",kind="zc"} 1"#,
        r#"zerocache_peer_rtt_seconds{peer="000000b2",region="\"><script>&'\\"} 0.012345"#,
    ] {
        assert!(
            page.lines().any(|line| line == sample),
            "{sample} not in {page}"
        );
    }
}

#[test]
fn the_page_for_people_is_escaped_and_loads_nothing() {
    let page = Page::Index.render(&facts());
    assert!(
        page.contains("&quot;&gt;&lt;script&gt;&amp;&#39;\\"),
        "{page}"
    );
    for evil in [
        "<script", "src=", "http://", "https://", "url(", "@import", "<link",
    ] {
        assert!(!page.contains(evil), "{evil} in {page}");
    }
    assert!(page.contains("up 1 d 01:01:01"), "{page}");
    assert!(page.contains("unlimited") && page.contains("12.345 ms"));
    for tag in ["table", "tr", "td", "th", "h1", "h2", "p", "code", "b", "a"] {
        let opened = page.matches(&std::format!("<{tag}>")).count()
            + page.matches(&std::format!("<{tag} ")).count();
        assert_eq!(
            opened,
            page.matches(&std::format!("</{tag}>")).count(),
            "{tag}"
        );
    }
}

#[test]
fn a_node_that_has_just_begun_has_all_its_pages() {
    let facts = Facts::new(Region::new("london").unwrap());
    assert!(Page::Status.render(&facts).starts_with("{\"id\": null, "));
    assert!(Page::Metrics.render(&facts).contains("zerocache_ready 0\n"));
    assert!(Page::Index.render(&facts).contains("None seen."));
}
