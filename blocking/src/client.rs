//! The client, as a program sees it.

use crate::executor::Background;
use crate::park::{block_on, block_until};
use bytes::Bytes;
use std::fmt;
use std::time::{Duration, Instant};
use zerocache_driver::{ClientStats, Error, StartError};
use zerocache_proto::Region;
use zerocache_proto::cluster::{PeerInfo, StaticPeer};
use zerocache_proto::http::ClientLimits;
use zerocache_proto::op::Unreachable;

/// A client of one region. Clones share everything, on as many threads as there are; the last one
/// dropped ends its background thread.
#[derive(Clone)]
pub struct Client {
    inner: zerocache_driver::Client<Background>,
}

/// How a client is to find its nodes.
#[derive(Clone, Debug)]
#[must_use]
pub struct ClientBuilder {
    inner: zerocache_driver::ClientBuilder<Background>,
}

impl ClientBuilder {
    /// A client of `region` that finds nodes by mDNS on every ordinary interface.
    pub fn new(region: &str) -> Self {
        Self {
            inner: zerocache_driver::ClientBuilder::new(region),
        }
    }

    /// Adds a node to start from where multicast does not reach: `[REGION@]HOST:PORT`. The others are
    /// learned from it; a stock node can only be used with its region named.
    pub fn peer(mut self, peer: StaticPeer) -> Self {
        self.inner = self.inner.peer(peer);
        self
    }

    /// Whether to find nodes by mDNS (yes, if not set).
    pub fn mdns(mut self, mdns: bool) -> Self {
        self.inner = self.inner.mdns(mdns);
        self
    }

    /// Speaks mDNS on the interface of this name; several calls name several.
    pub fn interface(mut self, name: &str) -> Self {
        self.inner = self.inner.interface(name);
        self
    }

    /// Bounds on what a node may answer.
    pub fn limits(mut self, limits: ClientLimits) -> Self {
        self.inner = self.inner.limits(limits);
        self
    }

    /// The seed of all random choices, to repeat them; else it is drawn from the system.
    pub fn seed(mut self, seed: u64) -> Self {
        self.inner = self.inner.seed(seed);
        self
    }

    /// Starts the client and its background thread.
    ///
    /// # Errors
    /// [`StartError`]: an invalid region, or no thread to be had.
    pub fn connect(self) -> Result<Client, StartError> {
        let background = Background::start().map_err(StartError::Runtime)?;
        let inner = self.inner.connect_on(background)?;
        Ok(Client { inner })
    }
}

impl Client {
    /// A client of `region` with everything else by default. It returns at once; [`Client::ready`]
    /// waits until a node has been found.
    ///
    /// # Errors
    /// [`StartError`]: an invalid region, or no thread to be had.
    pub fn connect(region: &str) -> Result<Self, StartError> {
        Self::builder(region).connect()
    }

    /// How to find the nodes, to be set before starting.
    pub fn builder(region: &str) -> ClientBuilder {
        ClientBuilder::new(region)
    }

    /// The client's region.
    #[must_use]
    pub fn region(&self) -> &Region {
        self.inner.region()
    }

    /// The same client for async code, on whatever executor: the background thread wakes its futures.
    #[must_use]
    pub fn as_async(&self) -> &zerocache_driver::Client<Background> {
        &self.inner
    }

    /// Waits until there is a node to ask, in whatever region.
    ///
    /// # Errors
    /// [`Error::Unreachable`] if there is none after `timeout`; [`Error::ShutDown`].
    pub fn ready(&self, timeout: Duration) -> Result<(), Error> {
        let none = || {
            Err(Error::Unreachable(Unreachable {
                attempts: Vec::new(),
            }))
        };
        // A time-out beyond the clock's end is none.
        match Instant::now().checked_add(timeout) {
            Some(deadline) => block_until(deadline, self.inner.ready()).unwrap_or_else(none),
            None => block_on(self.inner.ready()),
        }
    }

    /// The value of `key`; `None` if the nodes asked have none.
    ///
    /// # Errors
    /// [`Error`]; it takes at most 2 s.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Bytes>, Error> {
        block_on(self.inner.get(key))
    }

    /// Stores `value` under `key` for `ttl`, in whole seconds rounded up, 1 to 99,999,999.
    ///
    /// # Errors
    /// [`Error`]; it takes at most 2.75 s.
    pub fn put(
        &self,
        key: impl AsRef<[u8]>,
        value: impl Into<Bytes>,
        ttl: Duration,
    ) -> Result<(), Error> {
        block_on(self.inner.put(key, value, ttl))
    }

    /// Removes `key` everywhere; says whether the node asked had held it.
    ///
    /// # Errors
    /// [`Error`]; it takes at most 2.75 s.
    pub fn delete(&self, key: impl AsRef<[u8]>) -> Result<bool, Error> {
        block_on(self.inner.delete(key))
    }

    /// The value of `key`; if there is none, what `make` gives, stored for `ttl` as by [`Client::put`].
    ///
    /// In this client and its clones, `make` runs once per key at a time: callers that come meanwhile get
    /// the same value. If the one that runs it panics, the next one's `make` runs. `make` must not ask for
    /// its own key.
    ///
    /// It never fails: if no node answers, or none takes the value, what was made is returned all the
    /// same. Beside `make` it takes at most 2 s to look up and 2.75 s to store.
    pub fn get_or_insert_with<V: Into<Bytes>>(
        &self,
        key: impl AsRef<[u8]>,
        ttl: Duration,
        make: impl FnOnce() -> V,
    ) -> Bytes {
        let make = async move || make();
        block_on(self.inner.get_or_insert_with(key, ttl, make))
    }

    /// As [`Client::get_or_insert_with`], of a `make` that may fail. An error is stored nowhere and
    /// belongs to the caller whose `make` gave it: the next one waiting tries for itself.
    ///
    /// # Errors
    /// Those of `make`, none of the cache's.
    pub fn try_get_or_insert_with<V: Into<Bytes>, E>(
        &self,
        key: impl AsRef<[u8]>,
        ttl: Duration,
        make: impl FnOnce() -> Result<V, E>,
    ) -> Result<Bytes, E> {
        let make = async move || make();
        block_on(self.inner.try_get_or_insert_with(key, ttl, make))
    }

    /// The nodes known, routable or not, with their health and round-trip times.
    #[must_use]
    pub fn nodes(&self) -> Vec<PeerInfo> {
        self.inner.nodes()
    }

    /// What the client has done so far.
    #[must_use]
    pub fn stats(&self) -> ClientStats {
        self.inner.stats()
    }

    /// Closes the connections and ends what runs in the background; every clone is of no use
    /// afterwards.
    pub fn shutdown(&self) {
        block_on(self.inner.shutdown());
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
