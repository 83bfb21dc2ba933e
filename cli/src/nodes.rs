//! `nodes`: who is there.

use crate::args::Nodes;
use crate::finder;
use crate::output::{self, Code, Failure};
use serde_json::{Value, json};
use zerocache_proto::Duration;
use zerocache_proto::cluster::{PeerInfo, Source, State};

const HEAD: [&str; 7] = [
    "ID", "REGION", "ADDRESS", "KIND", "HEALTH", "RTT", "KNOWN BY",
];

/// Lists the nodes that can be found.
pub(crate) async fn run(args: Nodes, json: bool) -> Result<Code, Failure> {
    let nodes = finder::all(args.seat.region.as_ref(), &args.reach).await?;
    if json {
        let nodes: Vec<Value> = nodes.iter().map(object).collect();
        output::print(&json!({ "nodes": nodes }).to_string())?;
    } else {
        let rows: Vec<_> = nodes.iter().map(row).collect();
        output::print(&output::table(HEAD, &rows))?;
    }
    let reached = nodes.iter().any(|node| node.routable);
    Ok(if reached {
        Code::Done
    } else {
        Code::Unreachable
    })
}

fn row(node: &PeerInfo) -> [String; HEAD.len()] {
    let peer = &node.peer;
    [
        peer.id.to_string(),
        peer.region.to_string(),
        peer.addr.to_string(),
        kind(node).to_owned(),
        health(node.health).to_owned(),
        node.srtt.map_or_else(|| "-".to_owned(), millis),
        sources(node).join(", "),
    ]
}

fn object(node: &PeerInfo) -> Value {
    let peer = &node.peer;
    json!({
        "id": peer.id.to_string(),
        "region": peer.region.as_str(),
        "address": peer.addr.to_string(),
        "kind": kind(node),
        "routable": node.routable,
        "health": health(node.health),
        "rtt_ms": node.srtt.map(|rtt| rtt.as_secs_f64() * 1000.0),
        "sources": sources(node),
    })
}

/// Whose program a node runs, in a word.
fn kind(node: &PeerInfo) -> &'static str {
    if node.peer.capable { "zc" } else { "stock" }
}

/// What is thought of a node's health, in a word.
fn health(health: State) -> &'static str {
    match health {
        State::Unproven => "unproven",
        State::Healthy => "healthy",
        State::Suspect => "suspect",
        State::Out => "out",
    }
}

fn sources(node: &PeerInfo) -> Vec<&'static str> {
    let name = |source: &Source| match source {
        Source::Mdns => "mdns",
        Source::Static => "static",
        Source::Learned => "learned",
        Source::Hello => "hello",
    };
    node.sources.iter().map(name).collect()
}

/// A time in milliseconds, with as many digits as say something.
pub(crate) fn millis(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1000.0;
    match millis {
        0.0..1.0 => format!("{millis:.2} ms"),
        1.0..9.95 => format!("{millis:.1} ms"),
        _ => format!("{millis:.0} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_with_two_digits_that_count() {
        let told = |micros| millis(Duration::from_micros(micros));
        assert_eq!(
            [told(42), told(940), told(1_040)],
            ["0.04 ms", "0.94 ms", "1.0 ms"]
        );
        assert_eq!(
            [told(9_949), told(9_951), told(2_000_000)],
            ["9.9 ms", "10 ms", "2000 ms"]
        );
    }
}
