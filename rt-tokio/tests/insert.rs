//! Values looked up or made: once per key at a time, whatever happens to nodes and callers.

mod common;

use common::{client, node, until};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use zerocache_tokio::{Client, Error};

const MINUTE: Duration = Duration::from_secs(60);

/// A client that knows of no node.
fn alone() -> Client {
    let builder = Client::builder("london").mdns(false);
    builder.connect().expect("within a runtime")
}

#[tokio::test]
async fn made_once_then_looked_up() {
    let node = node("london", &[]);
    let cache = client("london", node.addr()).await;
    let made = cache.get_or_insert_with("k", MINUTE, async || "v").await;
    assert_eq!(made, "v");
    assert_eq!(
        cache.get("k").await.unwrap().as_deref(),
        Some(&b"v"[..]),
        "stored by the time it is returned"
    );
    let found = cache
        .get_or_insert_with("k", MINUTE, async || -> &str { panic!("made again") })
        .await;
    assert_eq!(found, "v");
}

#[tokio::test]
async fn an_error_is_the_callers_and_is_not_stored() {
    let node = node("london", &[]);
    let cache = client("london", node.addr()).await;
    let make = async || Err::<&str, _>("no");
    assert_eq!(
        cache.try_get_or_insert_with("k", MINUTE, make).await,
        Err("no")
    );
    assert_eq!(cache.get("k").await.unwrap(), None);
    let make = async || Ok::<_, &str>("yes");
    let made = cache.try_get_or_insert_with("k", MINUTE, make).await;
    assert_eq!(made.as_deref(), Ok(&b"yes"[..]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_callers_one_makes_it() {
    let node = node("london", &[]);
    let cache = client("london", node.addr()).await;
    let made = Arc::new(AtomicUsize::new(0));
    let callers = (0..32).map(|_| {
        let (cache, made) = (cache.clone(), made.clone());
        // Spawned: the future is `Send` if what makes the value is.
        tokio::spawn(async move {
            cache
                .get_or_insert_with("k", MINUTE, async move || {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    format!("made {}", made.fetch_add(1, Ordering::Relaxed))
                })
                .await
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        assert_eq!(caller.await.unwrap(), "made 0");
    }
}

#[tokio::test]
async fn when_the_one_that_makes_it_goes_another_does() {
    let node = node("london", &[]);
    let cache = client("london", node.addr()).await;
    for panics in [false, true] {
        let key = format!("panics: {panics}");
        let begun = Arc::new(AtomicUsize::new(0));
        let first = tokio::spawn({
            let (cache, key, begun) = (cache.clone(), key.clone(), begun.clone());
            async move {
                let make = async move || -> &str {
                    begun.store(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    assert!(!panics, "the maker");
                    std::future::pending().await
                };
                cache.get_or_insert_with(key, MINUTE, make).await
            }
        });
        until("it is being made", || begun.load(Ordering::Relaxed) == 1).await;
        let second = cache.get_or_insert_with(key, MINUTE, async || "second");
        let mut second = std::pin::pin!(second);
        let waited = tokio::time::timeout(Duration::from_millis(20), &mut second).await;
        assert!(waited.is_err(), "one at a time");
        if !panics {
            first.abort();
        }
        assert_eq!(second.await, "second");
        assert_eq!(first.await.unwrap_err().is_panic(), panics);
    }
}

#[tokio::test]
async fn with_no_node_it_is_made_each_time() {
    let cache = alone();
    let begun = Instant::now();
    for value in ["one", "two"] {
        let made = cache.get_or_insert_with("k", MINUTE, async || value).await;
        assert_eq!(made, value);
    }
    // A key that can not be one is no reason to fail either.
    assert_eq!(
        cache.get_or_insert_with("", MINUTE, async || "v").await,
        "v"
    );
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert!(!cache.ready_within(Duration::from_millis(10)).await);
}

#[tokio::test]
async fn a_node_that_goes_fails_no_one() {
    let node = node("london", &[]);
    let cache = client("london", node.addr()).await;
    node.shutdown().await;
    assert_eq!(
        cache.get_or_insert_with("k", MINUTE, async || "v").await,
        "v"
    );
}

#[test]
fn a_client_outlives_its_runtime_as_one_shut_down() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let first = runtime();
    let (_node, cache) = first.block_on(async {
        let node = node("london", &[]);
        let cache = client("london", node.addr()).await;
        cache.put("k", "v", MINUTE).await.unwrap();
        (node, cache)
    });
    assert!(!cache.is_shut_down());
    drop(first);
    assert!(cache.is_shut_down());
    runtime().block_on(async {
        assert!(matches!(cache.get("k").await, Err(Error::ShutDown)));
        assert!(matches!(cache.ready().await, Err(Error::ShutDown)));
        assert_eq!(
            cache.get_or_insert_with("k", MINUTE, async || "w").await,
            "w"
        );
    });
}
