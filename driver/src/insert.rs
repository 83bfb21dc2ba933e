//! A value looked up, or made and stored: cache-aside with one execution per key at a time.

use crate::client::Client;
use crate::runtime::Runtime;
use crate::single_flight::Entered;
use bytes::Bytes;
use std::convert::Infallible;
use zerocache_proto::Duration;

impl<R: Runtime> Client<R> {
    /// The value of `key`; if there is none, what `make` gives, stored for `ttl` as by [`Client::put`].
    ///
    /// In this client and its clones, `make` runs once per key at a time: callers that come meanwhile get
    /// the same value. If the one that runs it is dropped or panics, the next one's `make` runs. `make`
    /// must not ask for its own key.
    ///
    /// It never fails: if no node answers, or none takes the value, what was made is returned all the same.
    /// Beside `make` it takes at most 2 s to look up and 2.75 s to store; nothing is stored after a look-up
    /// that failed.
    pub async fn get_or_insert_with<V>(
        &self,
        key: impl AsRef<[u8]>,
        ttl: Duration,
        make: impl AsyncFnOnce() -> V,
    ) -> Bytes
    where
        V: Into<Bytes>,
    {
        let make = async move || Ok::<_, Infallible>(make().await);
        match self.try_get_or_insert_with(key, ttl, make).await {
            Ok(value) => value,
            Err(never) => match never {},
        }
    }

    /// As [`Client::get_or_insert_with`], of a `make` that may fail. An error is stored nowhere and
    /// belongs to the caller whose `make` gave it: the next one waiting tries for itself.
    ///
    /// # Errors
    /// Those of `make`, none of the cache's.
    pub async fn try_get_or_insert_with<V, E>(
        &self,
        key: impl AsRef<[u8]>,
        ttl: Duration,
        make: impl AsyncFnOnce() -> Result<V, E>,
    ) -> Result<Bytes, E>
    where
        V: Into<Bytes>,
    {
        let key = key.as_ref();
        let lead = match self.flights().enter(key).await {
            Entered::Lead(lead) => lead,
            Entered::Shared(value) => return Ok(value),
        };
        let found = self.get(key).await;
        if let Ok(Some(value)) = found {
            lead.publish(value.clone());
            return Ok(value);
        }
        let value: Bytes = make().await?.into();
        lead.publish(value.clone());
        if found.is_ok() {
            let stored = self.put(key, value.clone(), ttl).await;
            if let Err(error) = stored {
                tracing::debug!(%error, "what was made could not be stored");
            }
        }
        Ok(value)
    }
}
