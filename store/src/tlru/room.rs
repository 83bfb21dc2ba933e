//! How entries come in, and how those go that must make room.

use core::mem;

use super::Tlru;
use crate::block::{Block, NewValue};
use crate::bounds::{Expiry, TooLarge};
use crate::evicted::{Cause, Evicted, Removed};
use crate::links::Tag;
use crate::nodes::{CHUNK, Node};
use crate::wheel::Order;

impl<M: Copy, S> Tlru<M, S> {
    /// The weight of a new entry, if there may be such a one.
    pub(super) fn weigh(&self, key: &[u8], value: &[u8]) -> Result<u32, TooLarge> {
        let weight = (self.weigher)(key, value);
        let limit = match self.bounds.entries {
            0 => 0,
            _ => self.bounds.weight.min(u64::from(u32::MAX)),
        };
        match u32::try_from(weight) {
            Ok(small)
                if weight <= limit && self.bounds.entries > 0 && key.len() <= u32::MAX as usize =>
            {
                Ok(small)
            }
            _ => Err(TooLarge { weight, limit }),
        }
    }

    /// Stores a new entry; there is room.
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
        let tag = Tag::new(hash, key);
        let place = self.links.take(tag, expires);
        self.nodes[place] = Node {
            block: Block::new(key, value),
            meta,
            weight,
        };
        let links = &self.links;
        self.index
            .insert_unique(tag.hash(), place, |&place| links[place].tag.hash());
        self.weight += u64::from(weight);
        self.wheel.link(&mut self.links, place);
    }

    #[cold]
    fn grow(&mut self, filler: M) {
        self.nodes.extend(filler);
        self.links.extend(CHUNK, self.bounds.entries);
    }

    /// Gives an entry, whose new time is set, another value and makes it the most recent one.
    pub(super) fn renew(
        &mut self,
        place: u32,
        key: &[u8],
        value: NewValue<'_>,
        weight: u32,
        now: u64,
        evicted: &mut Evicted<M>,
    ) {
        // Live, most recent and weightless, it cannot be driven out by its own growth.
        self.links.promote(place);
        let node = &mut self.nodes[place];
        self.weight -= u64::from(node.weight);
        node.weight = weight;
        if !node.block.overwrite(key.len(), value.as_slice()) {
            evicted.keep(mem::replace(&mut node.block, Block::new(key, value)));
        }
        self.make_room(0, weight, now, evicted);
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
    pub(super) fn take(&mut self, place: u32, cause: Cause) -> Removed<M> {
        self.wheel.unlink(&mut self.links, place);
        let link = &self.links[place];
        let (tag, expires) = (link.tag, link.expires);
        if let Ok(found) = self.index.find_entry(tag.hash(), |&other| other == place) {
            found.remove();
        }
        self.links.give(place);
        let node = &mut self.nodes[place];
        self.weight -= u64::from(node.weight);
        Removed {
            block: mem::replace(&mut node.block, Block::empty()),
            key_len: tag.key_len() as u32,
            weight: node.weight,
            expires,
            meta: node.meta,
            cause,
        }
    }

    pub(super) fn order(&self) -> Order {
        match self.expiry {
            Expiry::Exact => Order::Sorted,
            Expiry::Bounded { .. } => Order::Any,
        }
    }
}
