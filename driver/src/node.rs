//! A node: its tasks, its state, its life.

use crate::accept;
use crate::alarm::Alarm;
use crate::builder::NodeBuilder;
use crate::client::Client;
use crate::error::StartError;
use crate::life::Stage;
use crate::membership;
use crate::outbox;
use crate::runtime::Runtime;
use crate::shared::Shared;
use crate::syncing;
use socket2::{Domain, Protocol, Socket, Type};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::task::Poll;
use zerocache_proto::cache::{Bounds, Shards as _};
use zerocache_proto::cluster::{Cluster, PeerInfo, StaticPeer};
use zerocache_proto::service::Facts;
use zerocache_proto::{Duration, NodeId, Region};

/// Connections that wait to be accepted: std's 128 loses SYNs under a burst.
const BACKLOG: i32 = 1024;
/// How long [`Node::shutdown`] lets requests finish.
const GRACE: Duration = Duration::from_secs(2);
/// How often idle outbound connections are looked through.
const SWEEP_EVERY: Duration = Duration::from_secs(5);
/// The least pause between two rounds of freeing what has expired.
const EXPIRE_EVERY: Duration = Duration::from_millis(100);
/// What one round frees of each shard, so that no request waits long for its lock.
const EXPIRE_BUDGET: usize = 256;

/// A running node. Clones share it; when the last one is dropped it leaves.
pub struct Node<R: Runtime> {
    handle: Arc<Handle<R>>,
}

struct Handle<R: Runtime> {
    shared: Arc<Shared<R>>,
}

impl<R: Runtime> Node<R> {
    /// What a node can be told before it starts.
    #[must_use]
    pub fn builder(region: &str) -> NodeBuilder<R> {
        NodeBuilder::new(region)
    }

    pub(crate) fn start(builder: NodeBuilder<R>, runtime: R) -> Result<Self, StartError> {
        let region = builder.region.clone()?;
        let wanted = builder.listen_addr();
        let refused = |source| StartError::Listen {
            addr: wanted,
            source,
        };
        let socket = listen(wanted).map_err(refused)?;
        let addr = socket.local_addr().map_err(refused)?;
        let listener = runtime.listener(socket).map_err(StartError::Runtime)?;

        let shared = Arc::new(Shared::new(&builder, runtime.clone(), region, addr));
        let links = builder.discovery.links(&runtime);
        let observer = shared.clone();
        let task = membership::Task::new(
            runtime.clone(),
            shared.pool.clone(),
            shared.membership.clone(),
            links,
            move |event| observer.observe(event),
        );
        let listening = shared.door.listen();
        runtime.spawn(accept::run(shared.clone(), listening, listener));
        runtime.spawn(outbox::run(shared.clone()));
        runtime.spawn(syncing::run(shared.clone()));
        runtime.spawn(tidy(shared.clone()));
        // Not before it listens: who hears of this node may ask it at once. Before the task runs: its
        // first words to a static peer tell of this node.
        shared.membership.with(Cluster::announce);
        runtime.spawn(task.run());
        Ok(Self {
            handle: Arc::new(Handle { shared }),
        })
    }

    fn shared(&self) -> &Arc<Shared<R>> {
        &self.handle.shared
    }

    /// The node's id: another one than it was given if that was taken on the network.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.shared()
            .membership
            .look(Cluster::id)
            .unwrap_or(NodeId::from_bits(0))
    }

    /// Its region.
    #[must_use]
    pub fn region(&self) -> &Region {
        &self.shared().region
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.shared().addr
    }

    /// The other nodes, with their health and round-trip times.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerInfo> {
        self.shared()
            .membership
            .look(|cluster| cluster.peers().collect())
    }

    /// The node as it is now: what its status page is drawn from.
    #[must_use]
    pub fn status(&self) -> Facts {
        self.shared().facts()
    }

    /// Keeps what was written in the node's own region, and what was in others, to these bounds from now on.
    /// When it returns, what has to go for it is gone, the least recently used first. The number of shards
    /// stays what suited the bounds at the start.
    pub fn set_bounds(&self, local: Bounds, remote: Bounds) {
        let shared = self.shared();
        shared.cache.set_bounds(shared.clock.now(), local, remote);
    }

    /// A client of the node's region, on its runtime: it starts from this node and learns of the others
    /// from it, with no discovery of its own. It does not keep the node running.
    ///
    /// # Errors
    /// [`StartError`], as of any client.
    pub fn client(&self) -> Result<Client<R>, StartError> {
        let shared = self.shared();
        let host = match shared.addr.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        Client::builder(shared.region.as_str())
            .mdns(false)
            .peer(StaticPeer {
                region: Some(shared.region.clone()),
                host: host.to_string(),
                port: shared.addr.port(),
            })
            .connect_on(shared.runtime.clone())
    }

    /// Waits until the node is announced and has asked its static peers, or is leaving.
    pub async fn ready(&self) {
        let shared = self.shared();
        let ready = || shared.membership.look(Cluster::is_ready);
        let done = || (ready() || shared.membership.is_shut()).then_some(());
        shared.membership.changed.wait(done).await;
    }

    /// Says goodbye at once, lets requests finish for up to two seconds, and ends.
    pub async fn shutdown(&self) {
        let shared = self.shared();
        shared.leave();
        let mut alarm = Alarm::new(shared.runtime.clone(), shared.clock);
        let deadline = shared.clock.mono() + GRACE;
        poll_fn(|cx| {
            let left = || shared.membership.is_over().then_some(());
            if shared.membership.changed.poll(cx, left).is_ready() {
                shared.life.advance(Stage::Closing);
                shared.door.wake_all();
                if shared.door.poll_closed(cx).is_ready() {
                    return Poll::Ready(());
                }
            }
            alarm.poll(cx, Some(deadline))
        })
        .await;
        self.kill();
    }

    /// Ends at once, with no goodbye and no answer to what is under way: as a crash would.
    pub fn kill(&self) {
        self.shared().end();
    }
}

/// A non-blocking listener that can take over the address of one just closed.
fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    // On Windows it would let others steal the port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Frees what has expired and closes idle connections to peers, until the node ends.
async fn tidy<R: Runtime>(node: Arc<Shared<R>>) {
    let mut alarm = Alarm::new(node.runtime.clone(), node.clock);
    let mut at = node.clock.mono() + EXPIRE_EVERY;
    let mut sweep_at = node.clock.mono() + SWEEP_EVERY;
    poll_fn(|cx| {
        loop {
            if node.life.poll(cx, Stage::Ended).is_ready() {
                return Poll::Ready(());
            }
            if alarm.poll(cx, Some(at)).is_pending() {
                return Poll::Pending;
            }
            let now = node.clock.now();
            let mut more = false;
            node.cache
                .for_each(|shard| more |= shard.expire(now, EXPIRE_BUDGET) == EXPIRE_BUDGET);
            at = now.mono
                + if more {
                    Duration::from_millis(1)
                } else {
                    EXPIRE_EVERY
                };
            if now.mono >= sweep_at {
                sweep_at = now.mono + SWEEP_EVERY;
                node.pool.sweep();
            }
        }
    })
    .await;
}

impl<R: Runtime> Drop for Handle<R> {
    fn drop(&mut self) {
        let shared = self.shared.clone();
        if shared.life.stage() != Stage::Running {
            return;
        }
        shared.leave();
        let runtime = shared.runtime.clone();
        // The goodbyes go out in the background; then everything ends.
        runtime.spawn(async move {
            let left = || shared.membership.is_over().then_some(());
            shared.membership.changed.wait(left).await;
            shared.end();
        });
    }
}

impl<R: Runtime> Clone for Node<R> {
    fn clone(&self) -> Self {
        Self {
            handle: self.handle.clone(),
        }
    }
}

impl<R: Runtime> fmt::Debug for Node<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("id", &self.id())
            .field("region", self.region())
            .field("addr", &self.addr())
            .finish_non_exhaustive()
    }
}
