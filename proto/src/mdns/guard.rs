//! What is dropped before it is looked at: the own packets come back, and floods.

use alloc::collections::{BTreeMap, VecDeque};
use core::net::IpAddr;

use super::schedule::after;
use crate::{Duration, Instant};

/// Packets of one source that are looked at within a second.
const MAX_PER_SECOND: u16 = 200;
/// Sources remembered.
const MAX_SOURCES: usize = 512;
const SECOND: Duration = Duration::from_secs(1);

/// How much each source sends.
#[derive(Debug, Default)]
pub(super) struct Sources(BTreeMap<IpAddr, Source>);

#[derive(Clone, Copy, Debug)]
struct Source {
    since: Instant,
    packets: u16,
    /// When the next legacy question is answered.
    legacy: Instant,
}

impl Sources {
    /// Whether a packet of `source` is within the limit.
    pub(super) fn admit(&mut self, now: Instant, source: IpAddr) -> bool {
        let entry = self.entry(now, source);
        if now >= after(entry.since, SECOND) {
            entry.since = now;
            entry.packets = 0;
        }
        entry.packets = entry.packets.saturating_add(1);
        entry.packets <= MAX_PER_SECOND
    }

    /// Whether a resolver that is no mDNS querier gets an answer: one a second, so that nobody is
    /// flooded with what others ask in his name.
    pub(super) fn admit_legacy(&mut self, now: Instant, source: IpAddr) -> bool {
        let entry = self.entry(now, source);
        let admitted = now >= entry.legacy;
        if admitted {
            entry.legacy = after(now, SECOND);
        }
        admitted
    }

    fn entry(&mut self, now: Instant, source: IpAddr) -> &mut Source {
        if self.0.len() >= MAX_SOURCES && !self.0.contains_key(&source) {
            let oldest = self
                .0
                .iter()
                .min_by_key(|(_, s)| s.since)
                .map(|(ip, _)| *ip);
            if let Some(oldest) = oldest {
                self.0.remove(&oldest);
            }
        }
        self.0.entry(source).or_insert(Source {
            since: now,
            packets: 0,
            legacy: now,
        })
    }
}

/// What was multicast lately: each packet comes back once, and must be told from an identical one
/// of another node on this host.
#[derive(Debug)]
pub(super) struct Loops(VecDeque<Sent>);

#[derive(Clone, Copy, Debug)]
struct Sent {
    at: Instant,
    interface: u32,
    hash: u64,
}

/// How long a packet takes at most to come back.
const LOOP_TIME: Duration = SECOND;
/// Packets remembered.
const MAX_LOOPS: usize = 64;

impl Loops {
    pub(super) const fn new() -> Self {
        Self(VecDeque::new())
    }

    pub(super) fn sent(&mut self, at: Instant, interface: u32, payload: &[u8]) {
        if self.0.len() >= MAX_LOOPS {
            self.0.pop_front();
        }
        self.0.push_back(Sent {
            at,
            interface,
            hash: hash(payload),
        });
    }

    /// Whether this is one of ours coming back; it will not be, the next time.
    pub(super) fn returned(&mut self, now: Instant, interface: u32, payload: &[u8]) -> bool {
        while self.0.front().is_some_and(|s| now > after(s.at, LOOP_TIME)) {
            self.0.pop_front();
        }
        if self.0.is_empty() {
            return false;
        }
        let hash = hash(payload);
        let found = self
            .0
            .iter()
            .position(|s| s.interface == interface && s.hash == hash);
        found.is_some_and(|at| self.0.remove(at).is_some())
    }
}

/// FNV-1a. Only packets from this host's own addresses are compared.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
