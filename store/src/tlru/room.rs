//! How entries come in, and how those go that must make room.

use core::mem;

use super::Tlru;
use crate::block::{Block, NewValue};
use crate::bounds::{Expiry, TooLarge, by_size};
use crate::evicted::{Cause, Evicted, Removed};
use crate::nodes::{CHUNK, Node, places_for};
use crate::wheel::Order;

impl<M: Copy, S> Tlru<M, S> {
    /// The weight of a new entry, if there may be such a one.
    #[inline(always)]
    pub(super) fn weigh(&self, key: &[u8], value: &[u8]) -> Result<u32, TooLarge> {
        let weight = match self.weigher {
            // Lengths are kept in as few bits as weights.
            Some(_) if u32::try_from(key.len()).is_err() => return Err(self.too_large(u64::MAX)),
            Some(weigher) => weigher(key, value),
            None => by_size(key, value),
        };
        if weight > u64::from(self.heaviest) || self.bounds.entries == 0 {
            return Err(self.too_large(weight));
        }
        Ok(weight as u32)
    }

    #[cold]
    fn too_large(&self, weight: u64) -> TooLarge {
        TooLarge {
            weight,
            limit: match self.bounds.entries {
                0 => 0,
                _ => u64::from(self.heaviest),
            },
        }
    }

    /// Stores a new entry; there is room.
    #[inline(always)]
    pub(super) fn insert(
        &mut self,
        hash: u64,
        key: &[u8],
        value: NewValue<'_>,
        weight: u32,
        meta: M,
        expires: u64,
    ) {
        if self.links.is_full() {
            self.grow(meta);
        }
        let place = self.links.take(hash as u32, expires);
        let node = &mut self.nodes[place];
        node.block = Block::new(key, value);
        node.meta = meta;
        node.key_len = key.len() as u32;
        node.weight = weight;
        self.index.insert(&mut self.links, place);
        self.weight += u64::from(weight);
        self.wheel.link(&mut self.links, place);
    }

    #[cold]
    fn grow(&mut self, filler: M) {
        self.nodes.extend(filler);
        self.links.extend(CHUNK, self.bounds.entries);
        let most = places_for(self.bounds.entries);
        self.index.extend(&mut self.links, most);
    }

    /// Gives an entry, whose new time is set, another value and makes it the most recent one.
    #[inline(always)]
    #[expect(
        clippy::too_many_arguments,
        reason = "what a put is told, and what it found"
    )]
    pub(super) fn renew(
        &mut self,
        place: u32,
        key: &[u8],
        value: NewValue<'_>,
        weight: u32,
        meta: M,
        now: u64,
        evicted: &mut Evicted<M>,
    ) {
        // Live, most recent and weightless, it cannot be driven out by its own growth.
        self.links.promote(place);
        let node = &mut self.nodes[place];
        let before = mem::replace(&mut node.weight, weight);
        self.weight -= u64::from(before);
        if !node.block.overwrite(key.len(), value.as_slice()) {
            let old = Node {
                block: mem::replace(&mut node.block, Block::new(key, value)),
                ..*node
            };
            evicted.push(Removed {
                node: old,
                expires: 0,
                cause: None,
            });
        }
        node.meta = meta;
        if weight > before {
            self.make_room(0, weight, now, evicted);
        }
        self.weight += u64::from(weight);
    }

    /// Removes until there is room for `entries` more that weigh `weight` in all.
    #[inline(always)]
    pub(super) fn make_room(
        &mut self,
        entries: usize,
        weight: u32,
        now: u64,
        evicted: &mut Evicted<M>,
    ) {
        while !self.has_room(entries, weight) {
            if !self.evict(now, evicted) {
                return;
            }
        }
    }

    #[inline(always)]
    fn has_room(&self, entries: usize, weight: u32) -> bool {
        self.links.used() + entries <= self.bounds.entries
            && self.weight + u64::from(weight) <= self.bounds.weight
    }

    /// Removes the entry that is to go first, if there is one: an expired one, else the least recent.
    #[inline(never)]
    fn evict(&mut self, now: u64, evicted: &mut Evicted<M>) -> bool {
        let Some((place, cause)) = self.victim(now) else {
            return false;
        };
        evicted.push(self.take(place, cause));
        true
    }

    #[inline(always)]
    fn victim(&mut self, now: u64) -> Option<(u32, Cause)> {
        if self.wheel.is_due(now) {
            let (order, mut budget) = (self.order(), usize::MAX);
            let expired = self.wheel.pop(&mut self.links, now, order, &mut budget);
            if let Some(place) = expired {
                return Some((place, Cause::Expired));
            }
        }
        Some((self.links.oldest()?, Cause::Evicted))
    }

    /// Removes expired entries at a put: all, or a few.
    #[cold]
    pub(super) fn tidy(&mut self, now: u64, evicted: &mut Evicted<M>) {
        let budget = match self.expiry {
            Expiry::Exact => usize::MAX,
            Expiry::Bounded { per_put } => per_put,
        };
        self.expire_with(now, budget, |removed| evicted.push(removed));
    }

    /// Takes an entry out of all three structures.
    #[inline(always)]
    pub(super) fn take(&mut self, place: u32, cause: impl Into<Option<Cause>>) -> Removed<M> {
        self.wheel.unlink(&mut self.links, place);
        self.index.remove(&mut self.links, place);
        let expires = self.links[place].expires;
        self.links.give(place);
        let node = &mut self.nodes[place];
        self.weight -= u64::from(node.weight);
        Removed {
            node: Node {
                block: mem::replace(&mut node.block, Block::empty()),
                ..*node
            },
            expires,
            cause: cause.into(),
        }
    }

    pub(super) fn order(&self) -> Order {
        match self.expiry {
            Expiry::Exact => Order::Sorted,
            Expiry::Bounded { .. } => Order::Any,
        }
    }
}
