//! What a TLRU cache is, in the most naive way: one vector, most recent last, searched from end to
//! end. Follows `cachetools.TLRUCache`, which removes all that has expired on each put.

/// One entry of the reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
    pub(crate) weight: u64,
    pub(crate) expires: u64,
}

/// What a put of the reference did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) stored: bool,
    pub(crate) replaced: bool,
    /// In order of expiry; keys break ties.
    pub(crate) expired: Vec<Vec<u8>>,
    /// Least recent first.
    pub(crate) evicted: Vec<Vec<u8>>,
}

pub(crate) struct Model {
    items: Vec<Item>,
    pub(crate) entries: usize,
    pub(crate) weight: u64,
}

impl Model {
    pub(crate) fn new(entries: usize, weight: u64) -> Self {
        Self {
            items: Vec::new(),
            entries,
            weight,
        }
    }

    fn live(&self, key: &[u8], now: u64) -> Option<usize> {
        self.items
            .iter()
            .position(|item| item.key == key && !is_over(item, now))
    }

    pub(crate) fn peek(&self, key: &[u8], now: u64) -> Option<&Item> {
        self.live(key, now).map(|at| &self.items[at])
    }

    pub(crate) fn get(&mut self, key: &[u8], now: u64) -> Option<&Item> {
        let at = self.live(key, now)?;
        let item = self.items.remove(at);
        self.items.push(item);
        self.items.last()
    }

    pub(crate) fn expire(&mut self, now: u64) -> Vec<Vec<u8>> {
        let (mut over, rest): (Vec<_>, Vec<_>) =
            self.items.drain(..).partition(|item| is_over(item, now));
        self.items = rest;
        over.sort_by(|a, b| (a.expires, &a.key).cmp(&(b.expires, &b.key)));
        over.into_iter().map(|item| item.key).collect()
    }

    pub(crate) fn put(&mut self, new: Item, now: u64) -> Result<Done, Vec<Vec<u8>>> {
        let expired = self.expire(now);
        let old = self.live(&new.key, now);
        let mut done = Done {
            stored: false,
            replaced: old.is_some(),
            expired,
            evicted: Vec::new(),
        };
        if is_over(&new, now) {
            if let Some(at) = old {
                self.items.remove(at);
            }
            return Ok(done);
        }
        if self.entries == 0 || new.weight > self.weight {
            return Err(done.expired);
        }
        if let Some(at) = old {
            self.items.remove(at);
        }
        done.evicted = self.shrink(1, new.weight);
        self.items.push(new);
        done.stored = true;
        Ok(done)
    }

    pub(crate) fn shrink(&mut self, entries: usize, weight: u64) -> Vec<Vec<u8>> {
        let mut evicted = Vec::new();
        while self.items.len() + entries > self.entries || self.held_weight() + weight > self.weight
        {
            evicted.push(self.items.remove(0).key);
        }
        evicted
    }

    pub(crate) fn remove(&mut self, key: &[u8], now: u64) -> Option<Item> {
        let at = self.items.iter().position(|item| item.key == key)?;
        let item = self.items.remove(at);
        (!is_over(&item, now)).then_some(item)
    }

    pub(crate) fn pop_oldest(&mut self, now: u64) -> Option<Item> {
        self.expire(now);
        (!self.items.is_empty()).then(|| self.items.remove(0))
    }

    pub(crate) fn len(&self, now: u64) -> usize {
        self.items.iter().filter(|item| !is_over(item, now)).count()
    }

    pub(crate) fn held(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn held_weight(&self) -> u64 {
        self.items.iter().map(|item| item.weight).sum()
    }

    /// Live keys, most recent first.
    pub(crate) fn keys(&self, now: u64) -> Vec<Vec<u8>> {
        let live = self.items.iter().rev().filter(|item| !is_over(item, now));
        live.map(|item| item.key.clone()).collect()
    }

    pub(crate) fn clear(&mut self) {
        self.items.clear();
    }
}

fn is_over(item: &Item, now: u64) -> bool {
    item.expires != u64::MAX && item.expires <= now
}
