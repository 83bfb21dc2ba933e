//! What the program does.

use crate::net::Net;
use zerocache_proto::cache::{Asked, Config, NewRecord, Shard};
use zerocache_proto::{Duration, Instant, NodeId, Now, Region};
use zerocache_store::{Bounds, NewValue, Tlru};

/// Every step in order.
///
/// # Errors
/// The number of the step that did not go as expected.
pub fn all() -> Result<(), i32> {
    store()?;
    cache()?;
    cluster()
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

/// Three nodes find each other; a write at one is read and deleted at the others.
fn cluster() -> Result<(), i32> {
    let region = Region::new("london").map_err(|_| 20)?;
    let mut net = Net::new(3, &region);
    expect(21, net.run(Duration::from_secs(60), Net::is_formed))?;
    let put = b"PUT /london/key?expiry=60 HTTP/1.1\r\nContent-Length: 5\r\n\r\nvalue";
    expect(22, net.ask(0, put, b"Content-Length: 0\r\n\r\n"))?;
    for place in [1, 2] {
        let get = b"GET /london/key HTTP/1.1\r\n\r\n";
        expect(23, net.ask(place, get, b"\r\n\r\nvalue"))?;
    }
    let delete = b"DELETE /london/key HTTP/1.1\r\n\r\n";
    expect(24, net.ask(1, delete, b"Content-Length: 0\r\n\r\n"))?;
    let head = b"HEAD /london/key HTTP/1.1\r\n\r\n";
    expect(25, net.ask(2, head, b"\r\n\r\n"))?;
    expect(26, net.status() == b"404")
}

fn expect(step: i32, held: bool) -> Result<(), i32> {
    if held { Ok(()) } else { Err(step) }
}
