//! What is known of other nodes, each interface for itself.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

use super::Sighting;
use super::instance::{Attributes, Change, Instance, Key, Location};
use super::life::Life;
use super::names::Host;
use super::packet::Ask;
use super::schedule::{Schedule, after};
use crate::{Duration, Instant, NodeId, Region};

/// Instances, on all interfaces together.
const MAX_INSTANCES: usize = 1_024;
/// Instances one source may tell of.
const MAX_PER_SOURCE: usize = 64;
/// Instances on one host: each is touched by the host's address records.
const MAX_PER_HOST: usize = 64;
/// Different regions.
const MAX_REGIONS: usize = 256;
/// Silent nodes remembered, on all interfaces together.
const MAX_SILENT: usize = 64;
/// Questions that fall due within this go along with one that is due.
const HORIZON: Duration = Duration::from_secs(1);

/// All instances.
#[derive(Debug)]
pub(super) struct Cache {
    instances: BTreeMap<Key, Instance>,
    /// The instances on each host of each interface.
    hosts: BTreeMap<(u32, Host), BTreeSet<NodeId>>,
    /// How many instances are of each region.
    regions: BTreeMap<Region, usize>,
    schedule: Schedule<Key>,
    /// Nodes of ours that did not prove themselves when asked to, as long as nobody tells of them.
    silent: BTreeMap<Key, Sighting>,
}

/// A table is full.
#[derive(Debug)]
pub(super) struct Full;

impl Cache {
    pub(super) const fn new() -> Self {
        Self {
            instances: BTreeMap::new(),
            hosts: BTreeMap::new(),
            regions: BTreeMap::new(),
            schedule: Schedule::new(),
            silent: BTreeMap::new(),
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new();
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.schedule.next()
    }

    pub(super) fn contains(&self, key: Key) -> bool {
        self.instances.contains_key(&key)
    }

    /// Where a silent node was seen, and what it last said there.
    pub(super) fn silent(&self, id: NodeId) -> impl Iterator<Item = (u32, &Sighting)> {
        let silent = self.silent.range((id, 0)..=(id, u32::MAX));
        silent.map(|((_, interface), seen)| (*interface, seen))
    }

    /// An interface is gone: what was silent there says nothing.
    pub(super) fn forget_silent(&mut self, interface: u32) {
        self.silent.retain(|(_, other), _| *other != interface);
    }

    /// The interfaces `id` is seen on.
    pub(super) fn interfaces(&self, id: NodeId) -> Vec<u32> {
        let keys = self.instances.range((id, 0)..=(id, u32::MAX));
        keys.map(|((_, interface), _)| *interface).collect()
    }

    /// The instances seen on an interface.
    pub(super) fn on(&self, interface: u32) -> Vec<NodeId> {
        let keys = self.instances.keys().filter(|(_, i)| *i == interface);
        keys.map(|(id, _)| *id).collect()
    }

    /// A PTR record was heard from `source`, which is `trusted` if it is this host; whether it is
    /// that of a new instance.
    pub(super) fn point(
        &mut self,
        key: Key,
        source: IpAddr,
        trusted: bool,
        pointer: Life,
    ) -> Result<bool, Full> {
        self.silent.remove(&key);
        if let Some(instance) = self.instances.get_mut(&key) {
            instance.renew(pointer);
            return Ok(false);
        }
        let told = || self.instances.values().filter(|i| i.source() == source);
        if !trusted && told().count() >= MAX_PER_SOURCE {
            return Err(Full);
        }
        if self.instances.len() >= MAX_INSTANCES {
            self.evict()?;
        }
        self.instances.insert(key, Instance::new(source, pointer));
        Ok(true)
    }

    /// A goodbye was heard; whether the instance had been reported.
    pub(super) fn part(&mut self, now: Instant, key: Key) -> bool {
        self.silent.remove(&key);
        let instance = self.instances.get_mut(&key);
        instance.is_some_and(|instance| instance.part(now))
    }

    /// An SRV record of a known instance was heard.
    pub(super) fn locate(&mut self, key: Key, location: Location) -> Result<(), Full> {
        let Some(instance) = self.instances.get_mut(&key) else {
            return Ok(());
        };
        let (id, interface) = key;
        let old = instance.host().cloned();
        let host = (interface, location.host.clone());
        if old.as_ref() == Some(&host.1) {
            instance.locate(location);
            return Ok(());
        }
        if self
            .hosts
            .get(&host)
            .is_some_and(|ids| ids.len() >= MAX_PER_HOST)
        {
            return Err(Full);
        }
        instance.locate(location);
        // What is known of the host from its other instances.
        let sibling = self.hosts.get(&host).and_then(|ids| ids.first().copied());
        let addresses = sibling.and_then(|sibling| {
            let sibling = self.instances.get(&(sibling, interface))?;
            Some(sibling.addresses().to_vec())
        });
        if let (Some(addresses), Some(instance)) = (addresses, self.instances.get_mut(&key)) {
            instance.adopt(addresses);
        }
        self.hosts.entry(host).or_default().insert(id);
        if let Some(old) = old {
            self.unlink(key, old);
        }
        Ok(())
    }

    /// A TXT record of a known instance was heard.
    pub(super) fn describe(&mut self, key: Key, attributes: Attributes) -> Result<(), Full> {
        let Some(instance) = self.instances.get_mut(&key) else {
            return Ok(());
        };
        let new = attributes.region.clone();
        if let Some(region) = &new {
            if !self.regions.contains_key(region) && self.regions.len() >= MAX_REGIONS {
                return Err(Full);
            }
            let count = self.regions.entry(region.clone()).or_default();
            *count = count.saturating_add(1);
        }
        if let Some(old) = instance.describe(attributes) {
            self.forget_region(&old);
        }
        Ok(())
    }

    /// The instances whose host is called so.
    pub(super) fn on_host(&self, interface: u32, host: &Host) -> Vec<NodeId> {
        let ids = self.hosts.get(&(interface, host.clone()));
        ids.map(|ids| ids.iter().copied().collect())
            .unwrap_or_default()
    }

    /// An A record of a known instance's host was heard.
    pub(super) fn address(
        &mut self,
        now: Instant,
        key: Key,
        ip: Ipv4Addr,
        life: Life,
        flush: bool,
    ) {
        if let Some(instance) = self.instances.get_mut(&key) {
            instance.address(now, ip, life, flush);
        }
    }

    /// Brings an instance up to date after something was heard of it, or time has passed.
    pub(super) fn settle(&mut self, now: Instant, key: Key, jitter: u8) -> Change {
        let (id, interface) = key;
        let silent = self.interfaces(id).into_iter().any(|other| {
            other != interface
                && self
                    .instances
                    .get(&(id, other))
                    .is_some_and(Instance::is_reported)
        });
        let Some(instance) = self.instances.get_mut(&key) else {
            return Change::None;
        };
        let (region, host) = (instance.region().cloned(), instance.host().cloned());
        if !instance.expire(now) {
            let reported = instance.is_reported();
            let silent = instance.silent(now).cloned();
            if let Some(silent) = silent {
                if self.silent.len() >= MAX_SILENT {
                    self.silent.pop_first();
                }
                self.silent.insert(key, silent);
            }
            self.remove(key);
            return if reported { Change::Lost } else { Change::None };
        }
        instance.chase(now, jitter);
        let change = instance.report(now, key, silent);
        let deadline = instance.deadline();
        let lost_region = region.filter(|_| instance.region().is_none());
        let lost_host = host.filter(|_| instance.host().is_none());
        self.schedule.set(key, Some(deadline));
        if let Some(region) = lost_region {
            self.forget_region(&region);
        }
        if let Some(host) = lost_host {
            self.unlink(key, host);
        }
        change
    }

    /// The instances that are due, and the questions to ask on each interface.
    pub(super) fn due(&mut self, now: Instant) -> (Vec<Key>, BTreeMap<u32, BTreeSet<Ask>>) {
        let mut asks: BTreeMap<u32, BTreeSet<Ask>> = BTreeMap::new();
        if self.schedule.next().is_none_or(|next| next > now) {
            return (Vec::new(), asks);
        }
        let until = after(now, HORIZON);
        let due = self.schedule.due(until);
        for key in &due {
            if let Some(instance) = self.instances.get_mut(key) {
                let (id, interface) = *key;
                instance.asks(id, now, until, asks.entry(interface).or_default());
            }
        }
        (due, asks)
    }

    /// The instances not to be told of again, with the seconds they have left.
    pub(super) fn known(&self, now: Instant, interface: u32) -> Vec<(NodeId, u32)> {
        let here = self.instances.iter().filter(|((_, i), _)| *i == interface);
        here.filter_map(|((id, _), instance)| Some((*id, instance.known(now)?)))
            .collect()
    }

    /// Whether an instance is known at this address.
    pub(super) fn is_home(&self, interface: u32, ip: IpAddr) -> bool {
        let mut here = self.instances.iter().filter(|((_, i), _)| *i == interface);
        here.any(|(_, instance)| {
            instance
                .addresses()
                .iter()
                .any(|(a, _)| IpAddr::V4(*a) == ip)
        })
    }

    /// Asks an instance to prove itself; whether it is known at all.
    pub(super) fn doubt(&mut self, now: Instant, id: NodeId) -> bool {
        let mut known = false;
        for interface in self.interfaces(id) {
            let key = (id, interface);
            if let Some(instance) = self.instances.get_mut(&key) {
                instance.doubt(now);
                self.schedule.set(key, Some(instance.deadline()));
                known = known || instance.is_reported();
            }
        }
        known
    }

    /// Forgets an instance; whether it had been reported.
    pub(super) fn remove(&mut self, key: Key) -> bool {
        self.schedule.set(key, None);
        let Some(instance) = self.instances.remove(&key) else {
            return false;
        };
        if let Some(region) = instance.region() {
            self.forget_region(region);
        }
        if let Some(host) = instance.host() {
            self.unlink(key, host.clone());
        }
        instance.is_reported()
    }

    /// Makes room: an instance nobody was told of goes, that which would go first anyway.
    fn evict(&mut self) -> Result<(), Full> {
        let unreported = self.instances.iter().filter(|(_, i)| !i.is_reported());
        let first = unreported.min_by_key(|(_, i)| i.expires());
        let key = first.map(|(key, _)| *key).ok_or(Full)?;
        self.remove(key);
        Ok(())
    }

    fn unlink(&mut self, (id, interface): Key, host: Host) {
        let host = (interface, host);
        if let Some(ids) = self.hosts.get_mut(&host) {
            ids.remove(&id);
            if ids.is_empty() {
                self.hosts.remove(&host);
            }
        }
    }

    fn forget_region(&mut self, region: &Region) {
        if let Some(count) = self.regions.get_mut(region) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.regions.remove(region);
            }
        }
    }
}
