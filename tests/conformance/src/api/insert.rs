//! Values looked up or made: once per key at a time, whatever happens to nodes and callers.

use super::MINUTE;
use crate::world::World;
use futures_util::future::join_all;
use std::cell::Cell;
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;
use zerocache_driver::Runtime;

pub(crate) async fn what_is_made_once_is_looked_up_then<R: Runtime>(world: World<R>) {
    let node = world.node("london", &[]);
    let cache = world.client("london", node.addr()).await;
    let made = cache.get_or_insert_with("k", MINUTE, async || "v").await;
    assert_eq!(made, "v");
    let read = cache.get("k").await.unwrap();
    assert_eq!(read.as_deref(), Some(&b"v"[..]), "stored before it is told");
    let again = async || -> &str { panic!("made again") };
    assert_eq!(cache.get_or_insert_with("k", MINUTE, again).await, "v");
}

pub(crate) async fn an_error_is_the_callers_and_is_not_stored<R: Runtime>(world: World<R>) {
    let node = world.node("london", &[]);
    let cache = world.client("london", node.addr()).await;
    let fails = async || Err::<&str, _>("no");
    let made = cache.try_get_or_insert_with("k", MINUTE, fails).await;
    assert_eq!(made, Err("no"));
    assert_eq!(cache.get("k").await.unwrap(), None);
    let succeeds = async || Ok::<_, &str>("yes");
    let made = cache.try_get_or_insert_with("k", MINUTE, succeeds).await;
    assert_eq!(made.as_deref(), Ok(&b"yes"[..]));
}

pub(crate) async fn of_many_callers_one_makes_it<R: Runtime>(world: World<R>) {
    let node = world.node("london", &[]);
    let cache = world.client("london", node.addr()).await;
    let made = Cell::new(0);
    let callers = (0..32).map(|_| {
        let make = async || {
            world.sleep(Duration::from_millis(50)).await;
            made.set(made.get() + 1);
            format!("made {}", made.get())
        };
        cache.get_or_insert_with("k", MINUTE, make)
    });
    for value in join_all(callers).await {
        assert_eq!(value, "made 1");
    }
}

/// Polls once; what came of it, a panic as an error.
async fn once<T>(work: &mut Pin<Box<impl Future<Output = T>>>) -> Result<Poll<T>, ()> {
    poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx)));
        Poll::Ready(polled.map_err(drop))
    })
    .await
}

pub(crate) async fn when_the_one_that_makes_it_goes_another_does<R: Runtime>(world: World<R>) {
    let node = world.node("london", &[]);
    let cache = world.client("london", node.addr()).await;
    for panics in [false, true] {
        let key = format!("panics: {panics}");
        let (begun, goes) = (Cell::new(false), Cell::new(false));
        let make = async || -> &str {
            begun.set(true);
            poll_fn(|_| {
                if goes.get() {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
            .await;
            assert!(!panics, "the maker");
            pending().await
        };
        let mut first = Box::pin(cache.get_or_insert_with(&key, MINUTE, make));
        while !begun.get() {
            assert!(
                once(&mut first)
                    .await
                    .is_ok_and(|polled| polled.is_pending())
            );
            world.sleep(Duration::from_millis(1)).await;
        }
        let mut second = Box::pin(cache.get_or_insert_with(&key, MINUTE, async || "second"));
        let waits = once(&mut second).await;
        assert!(
            waits.is_ok_and(|polled| polled.is_pending()),
            "one at a time"
        );
        goes.set(true);
        assert_eq!(once(&mut first).await.is_err(), panics);
        drop(first);
        assert_eq!(world.within("it is made", second).await, "second");
    }
}

pub(crate) async fn with_no_node_it_is_made_each_time<R: Runtime>(world: World<R>) {
    let cache = world.client_of("london", &[]);
    for value in ["one", "two"] {
        let made = cache.get_or_insert_with("k", MINUTE, async || value);
        assert_eq!(world.within("it is made", made).await, value);
    }
    // A key that can not be one is no reason to fail either.
    let made = cache.get_or_insert_with("", MINUTE, async || "v").await;
    assert_eq!(made, "v");
    assert!(!cache.ready_within(Duration::from_millis(10)).await);
}

pub(crate) async fn a_node_that_goes_fails_no_one<R: Runtime>(world: World<R>) {
    let node = world.node("london", &[]);
    let cache = world.client("london", node.addr()).await;
    world.within("it has said goodbye", node.shutdown()).await;
    let made = cache.get_or_insert_with("k", MINUTE, async || "v").await;
    assert_eq!(made, "v");
}
