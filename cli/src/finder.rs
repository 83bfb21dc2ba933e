//! A client for one command: started, and given a bounded time to find nodes.

use crate::args::{Discovery, Reach};
use crate::output::{Code, Failure};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};
use zerocache_proto::Region;
use zerocache_proto::cluster::PeerInfo;
use zerocache_tokio::{Client, StartError};

/// How long a node of the own region may come after the first one of another.
const GRACE: Duration = Duration::from_millis(200);
/// How long nothing new must be heard before a list of nodes counts as whole: stock nodes answer a
/// first query within 120 ms, a response lost is asked for again after a second.
const QUIET: Duration = Duration::from_millis(400);
/// How often the list is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A client of `region` that has found somebody to ask, of its own region if there is any.
pub(crate) async fn find(region: &Region, reach: &Reach) -> Result<Client, Failure> {
    let client = connect(region.as_str(), &reach.discovery)?;
    let deadline = Instant::now() + reach.wait;
    match timeout_at(deadline, client.ready()).await {
        Ok(ready) => ready?,
        Err(_) => return Err(nobody(reach)),
    }
    let grace = deadline.min(Instant::now() + GRACE);
    let local = |node: &PeerInfo| node.routable && node.peer.region == *region;
    while !client.nodes().iter().any(local) && Instant::now() < grace {
        sleep(LOOK_EVERY).await;
    }
    Ok(client)
}

/// Every node that can be found: waits until the list has come to rest, within `--wait`.
pub(crate) async fn all(reach: &Reach) -> Result<Vec<PeerInfo>, Failure> {
    // Of no region: it only looks.
    let client = connect("*", &reach.discovery)?;
    let deadline = Instant::now() + reach.wait;
    let mut seen = Vec::new();
    let mut since = Instant::now();
    while Instant::now() < deadline {
        let mut now: Vec<_> = client
            .nodes()
            .iter()
            .map(|node| (node.peer.id, node.routable))
            .collect();
        now.sort_unstable();
        if now != seen {
            (seen, since) = (now, Instant::now());
        } else if !seen.is_empty() && since.elapsed() >= QUIET {
            break;
        }
        sleep(LOOK_EVERY).await;
    }
    let mut nodes = client.nodes();
    client.shutdown().await;
    if nodes.is_empty() {
        return Err(nobody(reach));
    }
    nodes.sort_by(|a, b| {
        (&a.peer.region, a.peer.addr, a.peer.id).cmp(&(&b.peer.region, b.peer.addr, b.peer.id))
    });
    Ok(nodes)
}

fn connect(region: &str, discovery: &Discovery) -> Result<Client, Failure> {
    let mut builder = Client::builder(region).mdns(!discovery.no_mdns);
    for peer in &discovery.peer {
        builder = builder.peer(peer.clone());
    }
    for name in &discovery.interface {
        builder = builder.interface(name);
    }
    builder.connect().map_err(|error| {
        let usage = matches!(error, StartError::Region(_));
        Failure::new(
            if usage {
                Code::Usage
            } else {
                Code::Unreachable
            },
            error,
        )
    })
}

/// Nobody was found, and where it was looked for.
fn nobody(reach: &Reach) -> Failure {
    let mut places = Vec::new();
    if !reach.discovery.no_mdns {
        places.push(match &*reach.discovery.interface {
            [] => "mDNS on every ordinary interface".to_owned(),
            names => format!("mDNS on {}", names.join(", ")),
        });
    }
    places.extend(reach.discovery.peer.iter().map(ToString::to_string));
    let places = match &*places {
        [] => "nowhere to look: --no-mdns without --peer".to_owned(),
        places => format!("asked {}", places.join(", ")),
    };
    let wait = humantime::format_duration(reach.wait);
    Failure::new(
        Code::Unreachable,
        format_args!("no node found within {wait} ({places})"),
    )
}
