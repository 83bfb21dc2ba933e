//! One call of a decorated function.

use crate::key::Key;
use crate::regions;
use crate::value::Codec;
use bytes::Bytes;
use std::future::{Future, ready};
use std::sync::LazyLock;
use std::time::Duration;
use zerocache_blocking::block_on;
use zerocache_driver::single_flight::{Entered, SingleFlight};

/// The calls under way, of all functions.
static FLIGHTS: LazyLock<SingleFlight<Bytes>> = LazyLock::new(SingleFlight::new);

/// The value of `key`, or what `work` gives, on whatever executor this is polled.
pub async fn cached<T, W>(
    region: &str,
    ttl: Duration,
    key: Key,
    codec: Codec<T>,
    work: impl FnOnce() -> W,
) -> T
where
    W: Future<Output = T>,
{
    let Some(key) = key.finish() else {
        return work().await;
    };
    // A region's name has no slash.
    let flight = [region.as_bytes(), b"/", &key].concat();
    let lead = match FLIGHTS.enter(&flight).await {
        Entered::Lead(lead) => lead,
        Entered::Shared(bytes) => {
            return match (codec.decode)(&bytes) {
                Some(value) => value,
                None => work().await,
            };
        }
    };
    let client = regions::ready(region).await;
    // Where nothing can be looked up, nothing is stored: the caller has waited long enough.
    let mut usable = None;
    if let Some(client) = &client {
        match client.as_async().get(&key).await {
            Ok(None) => usable = Some(client),
            Ok(Some(bytes)) => {
                if let Some(value) = (codec.decode)(&bytes) {
                    lead.publish(bytes);
                    return value;
                }
                usable = Some(client);
            }
            Err(error) => tracing::debug!(region, %error, "not looked up"),
        }
    }
    let value = work().await;
    if let Some(bytes) = (codec.encode)(&value).map(Bytes::from) {
        lead.publish(bytes.clone());
        if let Some(client) = usable {
            if let Err(error) = client.as_async().put(&key, bytes, ttl).await {
                tracing::debug!(region, %error, "not stored");
            }
        }
    }
    value
}

/// The same on the calling thread, which it blocks.
pub fn cached_blocking<T>(
    region: &str,
    ttl: Duration,
    key: Key,
    codec: Codec<T>,
    work: impl FnOnce() -> T,
) -> T {
    block_on(cached(region, ttl, key, codec, || ready(work())))
}
