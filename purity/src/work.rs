//! What the program does.

use zerocache_proto::cache::{Asked, Config, NewRecord, Shard};
use zerocache_proto::{Duration, Instant, NodeId, Now, Region};
use zerocache_store::{Bounds, NewValue, Tlru};

/// Every step in order.
///
/// # Errors
/// The number of the step that did not go as expected.
pub fn all() -> Result<(), i32> {
    store()?;
    cache()
}

/// The store by itself: the least recent of two goes for a third.
fn store() -> Result<(), i32> {
    let mut store: Tlru<()> = Tlru::new(Bounds::entries(2), 1);
    for key in [b"a", b"b", b"c"] {
        let hash = store.hash(key);
        let put = store.put(hash, key, NewValue::Copy(b"value"), (), 10, 0);
        expect(1, put.is_ok_and(|put| put.stored))?;
    }
    expect(2, store.get(store.hash(b"a"), b"a", 1).is_none())?;
    expect(3, store.get(store.hash(b"c"), b"c", 1).is_some())?;
    expect(4, store.len(10) == 0)
}

/// A node's records: written, read, deleted.
fn cache() -> Result<(), i32> {
    let region = Region::new("london").map_err(|_| 10)?;
    let mut shard = Shard::new(Config::new(region.clone(), NodeId::from_bits(1)));
    let now = Now {
        mono: Instant::from_millis(1),
        unix_ms: 1,
    };
    let hash = shard.hash(b"key");
    let record = NewRecord {
        value: NewValue::Copy(b"value"),
        ttl: Duration::from_secs(1),
        origin: &region,
        version: None,
    };
    expect(
        11,
        shard
            .put(now, hash, b"key", record)
            .is_ok_and(|put| put.applied),
    )?;
    let hit = shard.get(now, hash, b"key", Asked::OwnRegion);
    expect(12, hit.is_some_and(|hit| hit.value.as_slice() == b"value"))?;
    expect(
        13,
        shard
            .delete(now, hash, b"key", &region, None)
            .is_ok_and(|gone| gone.held),
    )?;
    expect(14, shard.get(now, hash, b"key", Asked::OwnRegion).is_none())
}

fn expect(step: i32, held: bool) -> Result<(), i32> {
    if held { Ok(()) } else { Err(step) }
}
