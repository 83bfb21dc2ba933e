//! moka, with a life of its own for each value.

use bytes::Bytes;
use moka::Expiry;
use moka::sync::Cache;
use std::time::{Duration, Instant};

/// As a node's default.
const ENTRIES: u64 = 1 << 20;

#[derive(Clone)]
pub struct Stored {
    pub value: Bytes,
    pub life: Duration,
}

pub type Store = Cache<Box<str>, Stored>;

pub fn store() -> Store {
    Cache::builder()
        .max_capacity(ENTRIES)
        .expire_after(OwnLife)
        .build()
}

struct OwnLife;

impl Expiry<Box<str>, Stored> for OwnLife {
    fn expire_after_create(&self, _: &Box<str>, stored: &Stored, _: Instant) -> Option<Duration> {
        Some(stored.life)
    }

    fn expire_after_update(
        &self,
        _: &Box<str>,
        stored: &Stored,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(stored.life)
    }
}
