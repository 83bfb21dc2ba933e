//! The client: one region's cache, as an application sees it.

use crate::clock::Clock;
use crate::discovery::{Discovery, common_settings};
use crate::error::{Error, StartError};
use crate::membership::{Membership, Task};
use crate::pool::{Answer, Lost, Pool};
use crate::runtime::{Ambient, Runtime};
use crate::single_flight::SingleFlight;
use crate::spread::at_once;
use bytes::Bytes;
use std::fmt;
use std::future::{Future as _, poll_fn};
use std::marker::PhantomData;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use zerocache_proto::cluster::{self, Cluster, Outcome, Peer, PeerInfo, StaticPeer};
use zerocache_proto::http::{ClientLimits, Options, Outgoing, Target};
use zerocache_proto::op::{Attempt, Fetch, Kind, Turn, Verdict};
use zerocache_proto::{Duration, InvalidRegion, Region, Rng};

/// The longest key, in bytes.
pub const MAX_KEY: usize = 4096;

/// A client of one region. Clones share everything; the last one dropped ends its background task.
pub struct Client<R: Runtime> {
    inner: Arc<Inner<R>>,
}

struct Inner<R: Runtime> {
    clock: Clock,
    region: Region,
    pool: Pool<R>,
    membership: Arc<Membership>,
    turn: Turn,
    seeds: AtomicU64,
    counters: Counters,
    flights: SingleFlight<Bytes>,
}

#[derive(Default)]
struct Counters {
    hits: AtomicU64,
    misses: AtomicU64,
    writes: AtomicU64,
    failures: AtomicU64,
    attempts: AtomicU64,
}

/// What a client has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientStats {
    /// GETs that found a value.
    pub hits: u64,
    /// GETs that found none.
    pub misses: u64,
    /// PUTs and DELETEs that a node accepted.
    pub writes: u64,
    /// Operations that ended with an error.
    pub failures: u64,
    /// Requests sent to nodes, fallbacks among them.
    pub attempts: u64,
}

/// How a client is to find its nodes.
#[derive(Clone, Debug)]
pub struct ClientBuilder<R> {
    region: Result<Region, InvalidRegion>,
    discovery: Discovery,
    limits: ClientLimits,
    seed: Option<u64>,
    runtime: PhantomData<fn() -> R>,
}

impl<R: Runtime> ClientBuilder<R> {
    /// A client of `region` that finds nodes by mDNS on every ordinary interface.
    #[must_use]
    pub fn new(region: &str) -> Self {
        Self {
            region: Region::new(region),
            discovery: Discovery::default(),
            limits: ClientLimits::default(),
            seed: None,
            runtime: PhantomData,
        }
    }

    /// Bounds on what a node may answer.
    #[must_use]
    pub fn limits(mut self, limits: ClientLimits) -> Self {
        self.limits = limits;
        self
    }

    common_settings! {
        /// The seed of all random choices, to repeat them; else it is drawn from the system.
    }

    /// Starts the client on the runtime around this task.
    ///
    /// # Errors
    /// [`StartError`]: an invalid region, or no runtime.
    pub fn connect(self) -> Result<Client<R>, StartError>
    where
        R: Ambient,
    {
        self.connect_on(R::current().map_err(StartError::Runtime)?)
    }

    /// Starts the client on `runtime`.
    ///
    /// # Errors
    /// [`StartError`]: an invalid region.
    pub fn connect_on(self, runtime: R) -> Result<Client<R>, StartError> {
        let region = self.region?;
        let clock = Clock::new();
        let mut rng = Rng::new(self.seed.unwrap_or_else(crate::entropy::seed));
        let config = cluster::Config {
            region: region.clone(),
            me: None,
            peers: self.discovery.peers.clone(),
            mdns: self.discovery.mdns(None),
        };
        let cluster = Cluster::new(clock.mono(), config, rng.next_u64());
        let membership = Arc::new(Membership::new(clock, cluster));
        let pool = Pool::new(runtime.clone(), clock, self.limits);
        let links = self.discovery.links(&runtime);
        let task = Task::new(
            runtime.clone(),
            pool.clone(),
            membership.clone(),
            links,
            |_| {},
        );
        runtime.spawn(task.run());
        Ok(Client {
            inner: Arc::new(Inner {
                clock,
                region,
                pool,
                membership,
                turn: Turn::starting_at(rng.next_u32() as usize),
                seeds: AtomicU64::new(rng.next_u64()),
                counters: Counters::default(),
                flights: SingleFlight::new(),
            }),
        })
    }
}

impl<R: Ambient> Client<R> {
    /// A client of `region` on the runtime around this task, with everything else by default.
    /// It returns at once; [`Client::ready`] waits until a node has been found.
    ///
    /// # Errors
    /// [`StartError`]: an invalid region, or no runtime.
    #[expect(
        clippy::unused_async,
        reason = "leaves room for a runtime that has to wait here"
    )]
    pub async fn connect(region: &str) -> Result<Self, StartError> {
        ClientBuilder::new(region).connect()
    }
}

impl<R: Runtime> Client<R> {
    /// How to find the nodes, to be set before starting.
    #[must_use]
    pub fn builder(region: &str) -> ClientBuilder<R> {
        ClientBuilder::new(region)
    }

    /// The client's region.
    #[must_use]
    pub fn region(&self) -> &Region {
        &self.inner.region
    }

    /// Waits until there is a node to ask, in whatever region. Bound it by a time-out of your own.
    ///
    /// # Errors
    /// [`Error::ShutDown`].
    pub async fn ready(&self) -> Result<(), Error> {
        let membership = &self.inner.membership;
        membership
            .changed
            .wait(|| {
                if membership.is_shut() {
                    return Some(Err(Error::ShutDown));
                }
                (!membership.view().is_empty()).then_some(Ok(()))
            })
            .await
    }

    /// Waits until there is a node to ask, for `patience` at most; says whether there is one.
    pub async fn ready_within(&self, patience: Duration) -> bool {
        let inner = &self.inner;
        let deadline = inner.clock.mono() + patience;
        let mut alarm = inner.pool.alarm();
        let mut ready = pin!(self.ready());
        poll_fn(|cx| match ready.as_mut().poll(cx) {
            Poll::Ready(ready) => Poll::Ready(ready.is_ok()),
            Poll::Pending => alarm.poll(cx, Some(deadline)).map(|()| false),
        })
        .await
    }

    /// Whether the client has been shut down, or the runtime of its background task is gone. It is
    /// of no use then.
    #[must_use]
    pub fn is_shut_down(&self) -> bool {
        self.inner.membership.is_shut()
    }

    /// The value of `key`; `None` if the nodes asked have none.
    ///
    /// # Errors
    /// [`Error`]; it takes at most 2 s.
    pub async fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Bytes>, Error> {
        let op = Op {
            kind: Kind::Get,
            key: key.as_ref(),
            value: Bytes::new(),
            ttl: 0,
        };
        match self.run(op).await? {
            (Verdict::Hit, _, body) => {
                self.inner.counters.hits.fetch_add(1, Ordering::Relaxed);
                Ok(Some(body))
            }
            _ => {
                self.inner.counters.misses.fetch_add(1, Ordering::Relaxed);
                Ok(None)
            }
        }
    }

    /// Stores `value` under `key` for `ttl`, in whole seconds rounded up, 1 to 99,999,999.
    ///
    /// # Errors
    /// [`Error`]; it takes at most 2.75 s.
    pub async fn put(
        &self,
        key: impl AsRef<[u8]>,
        value: impl Into<Bytes>,
        ttl: Duration,
    ) -> Result<(), Error> {
        let ttl = seconds(ttl);
        let op = Op {
            kind: Kind::Put,
            key: key.as_ref(),
            value: value.into(),
            ttl,
        };
        self.run(op).await?;
        self.inner.counters.writes.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Removes `key` everywhere; says whether the node asked had held it.
    ///
    /// # Errors
    /// [`Error`]; it takes at most 2.75 s.
    pub async fn delete(&self, key: impl AsRef<[u8]>) -> Result<bool, Error> {
        let op = Op {
            kind: Kind::Delete,
            key: key.as_ref(),
            value: Bytes::new(),
            ttl: 0,
        };
        let (verdict, ..) = self.run(op).await?;
        self.inner.counters.writes.fetch_add(1, Ordering::Relaxed);
        Ok(matches!(verdict, Verdict::Deleted { existed: true }))
    }

    /// The nodes known, routable or not, with their health and round-trip times.
    #[must_use]
    pub fn nodes(&self) -> Vec<PeerInfo> {
        self.inner
            .membership
            .look(|cluster| cluster.peers().collect())
    }

    /// What the client has done so far.
    #[must_use]
    pub fn stats(&self) -> ClientStats {
        let Counters {
            hits,
            misses,
            writes,
            failures,
            attempts,
        } = &self.inner.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ClientStats {
            hits: read(hits),
            misses: read(misses),
            writes: read(writes),
            failures: read(failures),
            attempts: read(attempts),
        }
    }

    /// Ends the background task and closes the connections; every clone is of no use afterwards.
    pub async fn shutdown(&self) {
        let membership = &self.inner.membership;
        membership.leave();
        membership
            .changed
            .wait(|| membership.is_over().then_some(()))
            .await;
        self.inner.pool.close();
    }

    /// The keys whose value is being made.
    pub(crate) fn flights(&self) -> &SingleFlight<Bytes> {
        &self.inner.flights
    }

    async fn run(&self, op: Op<'_>) -> Result<(Verdict, Option<Arc<Peer>>, Bytes), Error> {
        let membership = &self.inner.membership;
        let mut climb = pin!(self.inner.climb(op));
        let result = poll_fn(|cx| {
            if membership.is_abandoned() {
                return Poll::Ready(Err(Error::ShutDown));
            }
            climb.as_mut().poll(cx)
        })
        .await;
        if result.is_err() {
            self.inner.counters.failures.fetch_add(1, Ordering::Relaxed);
        }
        result
    }
}

/// What is asked for.
#[derive(Clone)]
struct Op<'a> {
    kind: Kind,
    key: &'a [u8],
    value: Bytes,
    ttl: u32,
}

impl<R: Runtime> Inner<R> {
    /// Takes one operation down the ladder.
    async fn climb(&self, op: Op<'_>) -> Result<(Verdict, Option<Arc<Peer>>, Bytes), Error> {
        if op.key.is_empty() || op.key.len() > MAX_KEY {
            return Err(Error::InvalidKey { len: op.key.len() });
        }
        if self.membership.is_shut() {
            return Err(Error::ShutDown);
        }
        let rng = Rng::new(
            self.seeds
                .fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed),
        );
        let view = self.membership.view();
        let mut fetch = Fetch::new(self.clock.mono(), view, self.turn.take(), op.kind, rng);
        let mut last = None;
        let mut body = Bytes::new();
        loop {
            if let Some(verdict) = fetch.poll_event() {
                return settle(verdict, last, body);
            }
            // The exchange ends by the attempt's deadline, so the ladder's own timer never has to.
            let Some(attempt) = fetch.poll_transmit(self.clock.mono()) else {
                continue;
            };
            let result = self.attempt(&op, &attempt).await;
            let now = self.clock.mono();
            match result {
                Ok(Answer { response, .. }) => {
                    fetch.handle_result(now, attempt.id, Ok(response.status));
                    body = response.body;
                }
                Err(Lost { failure, phase }) => {
                    fetch.handle_phase(attempt.id, phase);
                    fetch.handle_result(now, attempt.id, Err(failure));
                }
            }
            last = Some(attempt.peer);
        }
    }

    async fn attempt(&self, op: &Op<'_>, attempt: &Attempt) -> Result<Answer, Lost> {
        let Attempt { peer, deadline, .. } = attempt;
        self.counters.attempts.fetch_add(1, Ordering::Relaxed);
        let request = match op.kind {
            Kind::Get => Outgoing::get(peer.addr, &self.region, op.key, &Options::default()),
            Kind::Put => {
                let options = Options {
                    expiry: Some(op.ttl),
                    ..Options::default()
                };
                Outgoing::put(peer.addr, &self.region, op.key, op.value.clone(), &options)
            }
            // Said in so many words: without a query, a node of another region would take it for
            // the copy of a stock node and not pass it on to the others.
            Kind::Delete => {
                let options = Options {
                    spread: true,
                    ..Options::default()
                };
                Outgoing::delete(peer.addr, &self.region, op.key, &options)
            }
        };
        let at_once = at_once(peer);
        let result = self
            .pool
            .exchange(peer.addr, request, *deadline, at_once)
            .await;
        let outcome = match &result {
            Ok(answer) => Outcome::Answered(answer.rtt),
            Err(lost) => Outcome::Failed(lost.failure),
        };
        self.membership.report(peer.id, outcome);
        result
    }
}

/// Whole seconds, rounded up: a value must not die before its time.
fn seconds(ttl: Duration) -> u32 {
    let up = ttl
        .as_secs()
        .saturating_add(u64::from(ttl.subsec_nanos() > 0));
    u32::try_from(up)
        .unwrap_or(Target::MAX_EXPIRY)
        .clamp(1, Target::MAX_EXPIRY)
}

fn settle(
    verdict: Verdict,
    last: Option<Arc<Peer>>,
    body: Bytes,
) -> Result<(Verdict, Option<Arc<Peer>>, Bytes), Error> {
    match (verdict, last) {
        (Verdict::Unreachable(unreachable), _) => Err(Error::Unreachable(unreachable)),
        (Verdict::Refused { status }, Some(peer)) => Err(Error::Refused {
            node: peer.id,
            region: peer.region.clone(),
            status,
        }),
        (verdict, last) => Ok((verdict, last, body)),
    }
}

impl<R: Runtime> Drop for Inner<R> {
    fn drop(&mut self) {
        self.membership.leave();
    }
}

impl<R: Runtime> Clone for Client<R> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
        }
    }
}

impl<R: Runtime> fmt::Debug for Client<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("region", &self.inner.region)
            .finish_non_exhaustive()
    }
}
