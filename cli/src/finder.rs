//! A client for one command: started, and given a bounded time to find nodes.

use crate::args::{Discovery, Reach};
use crate::output::{Code, Failure};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};
use zerocache_proto::Region;
use zerocache_proto::cluster::PeerInfo;
use zerocache_proto::http::ClientLimits;
use zerocache_tokio::{Client, StartError};

/// How long after the first node of another region one of the own may still be found.
const GRACE: Duration = Duration::from_millis(200);
/// How long after the start it may by multicast, right after another command: responders repeat a
/// record no sooner than a second after they last sent it to all (RFC 6762 §6), some ignore the same
/// query for as long, and answers take up to 120 ms beyond.
const GRACE_BY_MDNS: Duration = Duration::from_millis(1_300);
/// How long nothing new must be heard before a list of nodes counts as whole.
const QUIET: Duration = Duration::from_millis(400);
/// The largest value taken from a node, which may have been told to take larger ones than usual.
const MAX_VALUE: usize = 1 << 30;
/// How often the list is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A client of `region` that has found somebody to ask, of its own region if there is any.
pub(crate) async fn find(region: &Region, reach: &Reach) -> Result<Client, Failure> {
    let client = connect(region.as_str(), &reach.discovery)?;
    let began = Instant::now();
    let deadline = began + reach.wait;
    match timeout_at(deadline, client.ready()).await {
        Ok(ready) => ready?,
        Err(_) => return Err(nobody(reach)),
    }
    let grace = whole_at_the_earliest(reach, began)
        .max(Instant::now() + GRACE)
        .min(deadline);
    let local = |node: &PeerInfo| node.routable && node.peer.region == *region;
    while !client.nodes().iter().any(local) && Instant::now() < grace {
        sleep(LOOK_EVERY).await;
    }
    Ok(client)
}

/// Every node that can be found: waits until the list has come to rest, within `--wait`. They come
/// in the order in which a client of `region` prefers theirs, or by the names of theirs.
pub(crate) async fn all(region: Option<&Region>, reach: &Reach) -> Result<Vec<PeerInfo>, Failure> {
    // Else of no region: it only looks.
    let client = connect(region.map_or("*", Region::as_str), &reach.discovery)?;
    let began = Instant::now();
    let deadline = began + reach.wait;
    let whole = whole_at_the_earliest(reach, began);
    let mut seen = Vec::new();
    let mut since = began;
    while Instant::now() < deadline {
        let mut now: Vec<_> = client
            .nodes()
            .iter()
            .map(|node| (node.peer.id, node.routable))
            .collect();
        now.sort_unstable();
        if now != seen {
            (seen, since) = (now, Instant::now());
        } else if !seen.is_empty() && Instant::now() >= whole.max(since + QUIET) {
            break;
        }
        sleep(LOOK_EVERY).await;
    }
    let mut nodes = client.nodes();
    client.shutdown().await;
    if nodes.is_empty() {
        return Err(nobody(reach));
    }
    sort(&mut nodes, region);
    Ok(nodes)
}

/// The own region first, then those with the quickest answers, ties and no preference by name; by
/// address within a region.
fn sort(nodes: &mut [PeerInfo], own: Option<&Region>) {
    let mut times: BTreeMap<Region, Vec<Duration>> = BTreeMap::new();
    for node in nodes.iter().filter(|node| own.is_some() && node.routable) {
        times
            .entry(node.peer.region.clone())
            .or_default()
            .extend(node.srtt);
    }
    let mean = |region: &Region| {
        let times = times.get(region).filter(|times| !times.is_empty())?;
        Some(times.iter().sum::<Duration>() / u32::try_from(times.len()).ok()?)
    };
    let rank = |region: &Region| match own {
        Some(own) if own == region => Duration::ZERO,
        Some(_) => mean(region).unwrap_or(Duration::MAX),
        None => Duration::ZERO,
    };
    nodes.sort_by_cached_key(|PeerInfo { peer, .. }| {
        (rank(&peer.region), peer.region.clone(), peer.addr, peer.id)
    });
}

/// Before this, a node that is there may not have been heard.
fn whole_at_the_earliest(reach: &Reach, began: Instant) -> Instant {
    if reach.discovery.no_mdns {
        began
    } else {
        began + GRACE_BY_MDNS
    }
}

fn connect(region: &str, discovery: &Discovery) -> Result<Client, Failure> {
    let limits = ClientLimits {
        max_body: MAX_VALUE,
        ..ClientLimits::default()
    };
    let mut builder = Client::builder(region)
        .mdns(!discovery.no_mdns)
        .ttl_255(discovery.mdns_ttl_255)
        .limits(limits);
    for peer in &discovery.peer {
        builder = builder.peer(peer.clone());
    }
    for name in &discovery.interface {
        builder = builder.interface(name);
    }
    for range in &discovery.allow_peers {
        builder = builder.allow_peers(*range);
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use zerocache_proto::NodeId;
    use zerocache_proto::cluster::{Peer, State};

    fn node(id: u32, region: &str, millis: u64) -> PeerInfo {
        let peer = Peer {
            id: NodeId::from_bits(id),
            region: Region::new(region).unwrap(),
            addr: ([10, 0, 0, 1], 6789).into(),
            capable: true,
        };
        let (health, routable) = (State::Healthy, true);
        let srtt = Some(Duration::from_millis(millis));
        PeerInfo {
            peer: Arc::new(peer),
            health,
            routable,
            srtt,
            sources: Vec::new(),
        }
    }

    #[test]
    fn nodes_are_listed_as_a_client_prefers_them_or_by_name() {
        let mut nodes = [
            node(3, "tokyo", 9),
            node(1, "london", 90),
            node(2, "paris", 10),
        ];
        let order = |nodes: &[PeerInfo]| {
            nodes
                .iter()
                .map(|n| n.peer.id.to_bits())
                .collect::<Vec<_>>()
        };
        sort(&mut nodes, None);
        assert_eq!(order(&nodes), [1, 2, 3]);
        sort(&mut nodes, Some(&Region::new("london").unwrap()));
        assert_eq!(order(&nodes), [1, 3, 2]);
    }
}
