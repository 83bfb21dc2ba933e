//! Futures dropped at any await harm no other operation.

use super::MINUTE;
use crate::world::World;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use zerocache_driver::{Client, Runtime};

/// Runs `work`, but drops it when it waits for the time number `waits`, from 0: `None` then.
async fn cut<T>(work: impl Future<Output = T>, waits: usize) -> Option<T> {
    let mut work = pin!(work);
    let mut left = waits;
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending if left == 0 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

/// Nothing of an operation given up is left on the connections of `client`.
async fn sound<R: Runtime>(client: &Client<R>, what: &str, waits: usize) {
    // More than one connection may have been left behind.
    for _ in 0..2 {
        let kept = client.get("kept").await.unwrap();
        assert_eq!(kept.as_deref(), Some(&b"kept"[..]), "{what} {waits}");
        let none = client.get("none").await.unwrap();
        assert_eq!(none, None, "{what} {waits}");
    }
}

pub(crate) async fn an_operation_dropped_at_any_await_harms_no_other<R: Runtime>(world: World<R>) {
    let node = world.node("london", &[]);
    let client = world.client("london", node.addr()).await;
    client.put("kept", "kept", MINUTE).await.unwrap();
    client.put("large", vec![7; 300_000], MINUTE).await.unwrap();
    for what in ["get", "get large", "put", "put large", "delete"] {
        let mut ended = false;
        for waits in 0..10_000 {
            let given_up = match what {
                "get" => cut(client.get("other"), waits).await.map(drop),
                "get large" => cut(client.get("large"), waits).await.map(drop),
                "put" => cut(client.put("other", "x", MINUTE), waits).await.map(drop),
                "put large" => {
                    let put = client.put("other", vec![1; 300_000], MINUTE);
                    cut(put, waits).await.map(drop)
                }
                _ => cut(client.delete("other"), waits).await.map(drop),
            };
            sound(&client, what, waits).await;
            if given_up.is_some() {
                ended = true;
                break;
            }
        }
        assert!(ended, "{what} never ended");
    }
}

pub(crate) async fn many_at_once_dropped_half_way_leave_room_for_others<R: Runtime>(
    world: World<R>,
) {
    let node = world.node("london", &[]);
    let client = world.client("london", node.addr()).await;
    client.put("kept", "kept", MINUTE).await.unwrap();
    for waits in 0..8 {
        // More than there may be under way to one node: some of these wait for their turn.
        let mut flock: Vec<_> = (0..100)
            .map(|i| Box::pin(cut(client.get(format!("key-{i}")), waits + i % 3)))
            .collect();
        // Half of them are driven, all are dropped.
        for one in flock.iter_mut().step_by(2) {
            world.within("it ends or is cut", one).await;
        }
        drop(flock);
        sound(&client, "flock", waits).await;
    }
}

pub(crate) async fn waiting_and_leaving_can_be_given_up<R: Runtime>(world: World<R>) {
    let node = world.node("london", &[]);
    let client = world.client("london", node.addr()).await;
    client.put("kept", "kept", MINUTE).await.unwrap();
    cut(node.ready(), 0).await;
    cut(client.ready(), 0).await.map(Result::unwrap);
    sound(&client, "ready", 0).await;
    // A goodbye begun is gone through with, whoever waits for it.
    cut(node.shutdown(), 0).await;
    world.within("it has left", node.shutdown()).await;
    cut(client.shutdown(), 0).await;
    world.within("it has ended", client.shutdown()).await;
}
