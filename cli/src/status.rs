//! `status`: what every node says of itself.

use crate::args::Status;
use crate::finder;
use crate::link::Link;
use crate::output::{self, Code, Failure};
use bytesize::ByteSize;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::task::JoinSet;
use zerocache_proto::cluster::Peer;
use zerocache_proto::http::{Options, Outgoing};

const HEAD: [&str; 9] = [
    "ID", "REGION", "ADDRESS", "STAGE", "UPTIME", "LOCAL", "REMOTE", "HITS", "PEERS",
];

/// Asks every node that can be found, and shows their answers.
pub(crate) async fn run(args: Status, json: bool) -> Result<Code, Failure> {
    let nodes = finder::all(args.seat.region.as_ref(), &args.reach).await?;
    let mut asking = JoinSet::new();
    for (place, node) in nodes.iter().enumerate() {
        let peer = node.peer.clone();
        asking.spawn(async move { (place, ask(&peer).await) });
    }
    let mut answers = asking.join_all().await;
    answers.sort_by_key(|(place, _)| *place);
    let answers: Vec<_> = nodes
        .iter()
        .zip(answers)
        .map(|(node, (_, answer))| (&*node.peer, answer))
        .collect();
    if json {
        let nodes: Vec<Value> = answers
            .iter()
            .map(|(peer, answer)| object(peer, answer))
            .collect();
        output::print(&json!({ "nodes": nodes }).to_string())?;
    } else {
        let rows: Vec<_> = answers
            .iter()
            .map(|(peer, answer)| row(peer, answer))
            .collect();
        output::print(&output::table(HEAD, &rows))?;
    }
    let reached = answers.iter().any(|(_, answer)| answer.is_ok());
    Ok(if reached {
        Code::Done
    } else {
        Code::Unreachable
    })
}

/// The node's own account; of a stock node, which gives none, what its two counters say.
async fn ask(peer: &Peer) -> Result<Value, String> {
    let mut link = Link::new(peer.addr);
    if peer.capable {
        return page(&mut link, peer, "/status").await;
    }
    let local = page(&mut link, peer, "/local_cache_info").await?;
    let remote = page(&mut link, peer, "/remote_cache_info").await?;
    let cache = |info: Value| {
        json!({
            "hits": info["hits"], "misses": info["misses"],
            "entries": info["currsize"], "max_entries": info["maxsize"],
        })
    };
    Ok(json!({ "cache": { "local": cache(local), "remote": cache(remote) } }))
}

async fn page(link: &mut Link, peer: &Peer, path: &str) -> Result<Value, String> {
    let request = Outgoing::path(peer.addr, path, &Options::default());
    let response = link
        .exchange(request)
        .await
        .map_err(|error| format!("{path}: {error}"))?;
    if response.status != 200 {
        return Err(format!("{path}: status {}", response.status));
    }
    serde_json::from_slice(&response.body).map_err(|error| format!("{path}: {error}"))
}

fn object(peer: &Peer, answer: &Result<Value, String>) -> Value {
    let mut object = json!({
        "id": peer.id.to_string(),
        "region": peer.region.as_str(),
        "address": peer.addr.to_string(),
        "kind": if peer.capable { "zc" } else { "stock" },
    });
    match answer {
        Ok(status) => object["status"] = status.clone(),
        Err(error) => object["error"] = error.clone().into(),
    }
    object
}

fn row(peer: &Peer, answer: &Result<Value, String>) -> [String; HEAD.len()] {
    let [id, region, address] = [
        peer.id.to_string(),
        peer.region.to_string(),
        peer.addr.to_string(),
    ];
    let none = || "-".to_owned();
    let status = match answer {
        Ok(status) => status,
        Err(error) => {
            let stage = format!("no answer ({error})");
            return [
                id,
                region,
                address,
                stage,
                none(),
                none(),
                none(),
                none(),
                none(),
            ];
        }
    };
    let cache = &status["cache"];
    let stage = status["stage"].as_str().unwrap_or("stock").to_owned();
    let uptime = status["uptime"].as_u64();
    let uptime = uptime.map(|s| humantime::format_duration(Duration::from_secs(s)).to_string());
    let peers = status["peers"].as_array();
    let peers = peers.map(|peers| {
        let routable = peers.iter().filter(|peer| peer["routable"] == true).count();
        format!("{routable} of {}", peers.len())
    });
    [
        id,
        region,
        address,
        stage,
        uptime.unwrap_or_else(none),
        filled(&cache["local"]),
        filled(&cache["remote"]),
        hits(cache),
        peers.unwrap_or_else(none),
    ]
}

/// What a cache holds: entries, and bytes where they are told.
fn filled(cache: &Value) -> String {
    let entries = cache["entries"].as_u64().unwrap_or_default();
    match cache["bytes"].as_u64() {
        Some(bytes) => format!("{entries} ({})", ByteSize(bytes).display().iec()),
        None => entries.to_string(),
    }
}

/// How many of the reads found a value, in either cache. A read of the own region that finds
/// nothing in the first and something in the second cache counts as a miss of the first.
fn hits(cache: &Value) -> String {
    let count = |cache: &Value, name: &str| cache[name].as_u64().unwrap_or_default();
    let (local, remote) = (&cache["local"], &cache["remote"]);
    let hits = count(local, "hits") + count(remote, "hits");
    let reads = hits + count(remote, "misses");
    match hits
        .checked_mul(100)
        .and_then(|percent| percent.checked_div(reads))
    {
        Some(percent) => format!("{percent}% of {reads}"),
        None => "-".to_owned(),
    }
}
