//! The demo's nodes and clients, and what can be seen of them.

use super::trace::Trace;
use super::wan::{Map, Place, Wan};
use crate::link::Link;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;
use tokio::task::JoinSet;
use tokio::time::sleep;
use zerocache_driver::{Client, Node};
use zerocache_proto::cluster::{PeerInfo, StaticPeer};
use zerocache_proto::http::{Options, Outgoing};
use zerocache_proto::{Duration, NodeId, Region};
use zerocache_tokio::Tokio;

pub(super) const REGIONS: [&str; 3] = ["london", "paris", "tokyo"];
pub(super) const LONDON: Place = Place(0);
pub(super) const TOKYO: Place = Place(2);
pub(super) const NODES_A_REGION: usize = 3;
pub(super) const NODES: usize = REGIONS.len() * NODES_A_REGION;

/// Round trips between the regions, in milliseconds.
pub(super) const DISTANCES: &[&[u64]] = &[&[0, 10, 100], &[10, 0, 180], &[100, 180, 0]];

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A runtime at one place of the demo's map.
pub(super) type Here = Wan<Tokio>;

/// A node of the demo, running or not.
pub(super) struct Site {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) id: NodeId,
    pub(super) addr: SocketAddr,
    pub(super) node: Option<Node<Here>>,
}

pub(super) struct World {
    runtime: Tokio,
    map: Arc<Map>,
    pub(super) sites: Vec<Site>,
    /// Of london; everything it does is in `trace`.
    pub(super) client: Client<Here>,
    pub(super) trace: Arc<Trace>,
    /// Of tokyo.
    pub(super) far_client: Client<Here>,
}

impl World {
    /// Starts all nodes, each told of the first one alone, and two clients.
    pub(super) fn start(runtime: Tokio) -> Result<Self, String> {
        let map = Map::new(DISTANCES);
        let mut sites: Vec<Site> = Vec::new();
        for number in 1..=NODES_A_REGION {
            for (place, region) in REGIONS.iter().enumerate() {
                let place = Place(place);
                let here = Wan::new(runtime.clone(), map.clone(), place);
                let first = sites.first().map(|first| first.addr);
                let node = start_node(here, region, 0, first)?;
                let (id, addr) = (node.id(), node.addr());
                let name = format!("{region}-{number}");
                sites.push(Site {
                    name,
                    place,
                    id,
                    addr,
                    node: Some(node),
                });
            }
        }
        sites.sort_by_key(|site| site.place);
        let first = sites.first().map(|first| first.addr).ok_or("no node")?;
        let trace = Arc::new(Trace::default());
        let client = |place: Place, here: Here| {
            Client::<Here>::builder(REGIONS.get(place.0).copied().unwrap_or_default())
                .mdns(false)
                .peer(static_peer(first))
                .connect_on(here)
                .map_err(|error| error.to_string())
        };
        let here = |place| Wan::new(runtime.clone(), map.clone(), place);
        let near = client(LONDON, here(LONDON).traced(trace.clone()))?;
        let far_client = client(TOKYO, here(TOKYO))?;
        Ok(Self {
            runtime,
            map,
            sites,
            client: near,
            trace,
            far_client,
        })
    }

    /// Starts a node again that has been stopped, at its old address.
    pub(super) fn start_again(&mut self, name: &str) -> Result<NodeId, String> {
        let first = self.sites.first().map(|first| first.addr);
        let (runtime, map) = (self.runtime.clone(), self.map.clone());
        let site = self.site_mut(name)?;
        let region = REGIONS.get(site.place.0).copied().unwrap_or_default();
        let here = Wan::new(runtime, map, site.place);
        let node = start_node(here, region, site.addr.port(), first)?;
        let id = node.id();
        site.node = Some(node);
        Ok(id)
    }

    pub(super) fn site(&self, name: &str) -> Result<&Site, String> {
        self.sites
            .iter()
            .find(|site| site.name == name)
            .ok_or_else(|| format!("no {name}"))
    }

    pub(super) fn site_mut(&mut self, name: &str) -> Result<&mut Site, String> {
        self.sites
            .iter_mut()
            .find(|site| site.name == name)
            .ok_or_else(|| format!("no {name}"))
    }

    /// Who listens on `port`.
    pub(super) fn name_of(&self, port: u16) -> &str {
        let site = self.sites.iter().find(|site| site.addr.port() == port);
        site.map_or("somebody", |site| &site.name)
    }

    /// Waits until every running node answers a GET of `key` with `wanted`, and tells when each
    /// one did first.
    pub(super) async fn everywhere(
        &self,
        key: &'static str,
        wanted: Option<&'static str>,
        since: Instant,
        limit: Duration,
    ) -> Result<Seen, String> {
        let mut watching = JoinSet::new();
        for (index, site) in self
            .sites
            .iter()
            .enumerate()
            .filter(|(_, site)| site.node.is_some())
        {
            let (name, addr) = (site.name.clone(), site.addr);
            let region = REGIONS.get(site.place.0).copied().unwrap_or_default();
            let region = Region::new(region).map_err(|error| error.to_string())?;
            watching.spawn(async move {
                let watched = watch(addr, &region, key, wanted, since, limit).await;
                watched
                    .map(|time| (index, time))
                    .map_err(|why| format!("{name} {why}"))
            });
        }
        let mut times = watching
            .join_all()
            .await
            .into_iter()
            .collect::<Result<Vec<_>, _>>()?;
        times.sort_unstable();
        Ok(Seen(times))
    }

    /// Says goodbye for all nodes at once.
    pub(super) async fn stop(&mut self) {
        let mut stopping = JoinSet::new();
        for node in self.sites.iter_mut().filter_map(|site| site.node.take()) {
            stopping.spawn(async move { node.shutdown().await });
        }
        stopping.join_all().await;
        self.client.shutdown().await;
        self.far_client.shutdown().await;
    }
}

fn start_node(
    here: Here,
    region: &str,
    port: u16,
    first: Option<SocketAddr>,
) -> Result<Node<Here>, String> {
    let mut builder = Node::<Here>::builder(region)
        .address(IpAddr::V4(Ipv4Addr::LOCALHOST))
        .port(port)
        .mdns(false);
    if let Some(first) = first {
        builder = builder.peer(static_peer(first));
    }
    builder.start_on(here).map_err(|error| error.to_string())
}

fn static_peer(addr: SocketAddr) -> StaticPeer {
    StaticPeer {
        region: None,
        host: addr.ip().to_string(),
        port: addr.port(),
    }
}

/// When each node was first seen to answer as wanted: its index, and the time.
pub(super) struct Seen(pub(super) Vec<(usize, Duration)>);

impl Seen {
    pub(super) fn first(&self) -> Duration {
        self.0
            .iter()
            .map(|(_, time)| *time)
            .min()
            .unwrap_or_default()
    }

    pub(super) fn last(&self) -> Duration {
        self.0
            .iter()
            .map(|(_, time)| *time)
            .max()
            .unwrap_or_default()
    }
}

/// Waits until one node answers a GET as wanted; tells how long after `since` that was.
async fn watch(
    addr: SocketAddr,
    region: &Region,
    key: &str,
    wanted: Option<&str>,
    since: Instant,
    limit: Duration,
) -> Result<Duration, String> {
    let mut link = Link::new(addr);
    loop {
        let request = Outgoing::get(addr, region, key.as_bytes(), &Options::default());
        let response = link.exchange(request).await;
        let time = since.elapsed();
        let answer = match &response {
            Ok(answer) if answer.status == 200 => {
                if wanted.is_some_and(|wanted| answer.body == wanted.as_bytes()) {
                    return Ok(time);
                }
                format!("has {:?}", String::from_utf8_lossy(&answer.body))
            }
            Ok(answer) if answer.status == 404 => {
                if wanted.is_none() {
                    return Ok(time);
                }
                "does not have it".to_owned()
            }
            Ok(answer) => format!("answers {}", answer.status),
            Err(error) => format!("does not answer: {error}"),
        };
        if time > limit {
            return Err(format!("still {answer} after {} ms", time.as_millis()));
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Waits until `look` is content, and tells how long that took, or its last complaint.
pub(super) async fn until<T>(
    limit: Duration,
    mut look: impl FnMut() -> Result<T, String>,
) -> Result<(T, Duration), String> {
    let began = Instant::now();
    loop {
        match look() {
            Ok(found) => return Ok((found, began.elapsed())),
            Err(why) if began.elapsed() > limit => {
                return Err(format!("{why}, even after {} ms", limit.as_millis()));
            }
            Err(_) => sleep(LOOK_EVERY).await,
        }
    }
}

/// Bounds what should have been quick.
pub(super) async fn timed<T>(op: impl Future<Output = T>) -> (T, Duration) {
    let began = Instant::now();
    let done = op.await;
    (done, began.elapsed())
}

/// Whether the node of this id is one that gets requests, as somebody with these peers sees it.
pub(super) fn routes_to(peers: &[PeerInfo], id: NodeId) -> bool {
    peers.iter().any(|peer| peer.routable && peer.peer.id == id)
}
