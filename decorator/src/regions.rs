//! One client per region per process.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use zerocache_blocking::Client;

/// The most regions that get a client of their own accord: each has a thread.
pub const MAX_REGIONS: usize = 64;
/// How long after a client's start its users wait for the first node to be found.
const PATIENCE: Duration = Duration::from_millis(500);

static CLIENTS: Mutex<BTreeMap<String, Slot>> = Mutex::new(BTreeMap::new());

#[derive(Clone)]
struct Slot {
    /// `None`: it can not be had.
    client: Option<Client>,
    since: Instant,
}

/// The client that the decorated functions of `region` use, made now if there is none: found by mDNS.
///
/// `None` if the region has none: its name is not one, no thread can be had, or there are [`MAX_REGIONS`] already.
/// Functions of the region run uncached then.
#[must_use]
pub fn client(region: &str) -> Option<Client> {
    slot(region)?.client
}

/// Makes `client` the one that the decorated functions of its region use; returns the one before.
///
/// For programs whose nodes multicast does not reach: build it with their addresses, before the first call.
pub fn set_client(client: Client) -> Option<Client> {
    let region = client.region().as_str().to_owned();
    lock().insert(region, Slot::new(Some(client)))?.client
}

/// The region's client, once there is a node to ask or the time to wait for one is over.
pub(crate) async fn ready(region: &str) -> Option<Client> {
    let Slot { client, since } = slot(region)?;
    let client = client?;
    let left = PATIENCE.saturating_sub(since.elapsed());
    if !left.is_zero() {
        client.as_async().ready_within(left).await;
    }
    Some(client)
}

fn slot(region: &str) -> Option<Slot> {
    let mut clients = lock();
    if let Some(slot) = clients.get(region) {
        return Some(slot.clone());
    }
    if clients.len() >= MAX_REGIONS {
        tracing::debug!(region, "too many regions: not cached");
        return None;
    }
    let client = Client::connect(region);
    if let Err(error) = &client {
        tracing::warn!(region, %error, "functions of this region run uncached");
    }
    let slot = Slot::new(client.ok());
    clients.insert(region.to_owned(), slot.clone());
    Some(slot)
}

fn lock() -> MutexGuard<'static, BTreeMap<String, Slot>> {
    CLIENTS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Slot {
    fn new(client: Option<Client>) -> Self {
        let since = Instant::now();
        Self { client, since }
    }
}

#[cfg(test)]
mod tests {
    use super::{Client, client, lock, set_client};

    #[test]
    fn a_region_has_one_client_and_a_bad_name_none() {
        let first = Client::builder("here").mdns(false).connect().unwrap();
        assert!(set_client(first).is_none());
        let second = Client::builder("here").mdns(false).connect().unwrap();
        assert!(set_client(second).is_some());
        assert!(client("here").is_some());
        assert!(client("no region").is_none());
        assert!(client("no region").is_none());
        assert_eq!(lock().len(), 2);
    }
}
