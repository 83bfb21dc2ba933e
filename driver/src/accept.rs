//! The door: connections come in here.

use crate::admission::Listening;
use crate::alarm::Alarm;
use crate::conn::Conn;
use crate::life::Stage;
use crate::runtime::{Listener as _, Runtime, Stream as _};
use crate::shared::Shared;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use zerocache_proto::Duration;

/// The pause after the system has refused a connection for want of descriptors or memory.
const PAUSE: Duration = Duration::from_millis(50);
/// Connections taken in one turn.
const A_TURN: usize = 64;
/// What a connection is told for which there is no room.
const NO_ROOM: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n\
Connection: close\r\nContent-Length: 0\r\n\r\n";
/// How long it may take to hear that.
const NO_ROOM_FOR: Duration = Duration::from_secs(1);

/// Accepts until the node closes.
pub(crate) async fn run<R: Runtime>(
    node: Arc<Shared<R>>,
    listening: Listening,
    mut listener: R::Listener,
) {
    let mut alarm = Alarm::new(node.runtime.clone(), node.clock);
    let mut paused = None;
    let mut failures = 0_u64;
    poll_fn(|cx| {
        for _ in 0..A_TURN {
            if node.life.poll(cx, Stage::Closing).is_ready() {
                return Poll::Ready(());
            }
            if paused.is_some() && alarm.poll(cx, paused).is_pending() {
                return Poll::Pending;
            }
            paused = None;
            match listener.poll_accept(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok((stream, from))) => admit(&node, stream, from),
                // The connection was gone before it was taken.
                Poll::Ready(Err(error)) if is_of_the_peer(&error) => {}
                Poll::Ready(Err(error)) => {
                    failures += 1;
                    // It may stay so for long, and be tried many times a second.
                    if failures.is_power_of_two() {
                        tracing::warn!(%error, failures, "can not accept connections for the moment");
                    }
                    paused = Some(node.clock.mono() + PAUSE);
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
    drop(listener);
    drop(listening);
}

fn admit<R: Runtime>(node: &Arc<Shared<R>>, stream: R::Stream, from: SocketAddr) {
    if let Some(ticket) = node.door.admit(from.ip()) {
        node.counters.accepted.fetch_add(1, Ordering::Relaxed);
        node.runtime
            .spawn(Conn::new(node.clone(), stream, from, ticket));
        return;
    }
    let refused = node.counters.refused.fetch_add(1, Ordering::Relaxed);
    if refused.is_power_of_two() || refused == 0 {
        tracing::warn!(%from, refused = refused + 1, "no room for more connections");
    }
    node.runtime.spawn(refuse(node.clone(), stream));
}

/// Says that there is no room, and hears the peer out for a moment, or a reset would overtake the
/// answer.
async fn refuse<R: Runtime>(node: Arc<Shared<R>>, mut stream: R::Stream) {
    let mut alarm = Alarm::new(node.runtime.clone(), node.clock);
    let deadline = node.clock.mono() + NO_ROOM_FOR;
    let mut written = 0;
    let mut waste = [0; 512];
    poll_fn(|cx| {
        if alarm.poll(cx, Some(deadline)).is_ready() {
            return Poll::Ready(());
        }
        while written < NO_ROOM.len() {
            match stream.poll_write(cx, &NO_ROOM[written..]) {
                Poll::Ready(Ok(n)) if n > 0 => written += n,
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
        drain(cx, &mut stream, &mut waste)
    })
    .await;
}

fn drain<S: crate::runtime::Stream>(
    cx: &mut Context<'_>,
    stream: &mut S,
    waste: &mut [u8],
) -> Poll<()> {
    if !matches!(stream.poll_shutdown(cx), Poll::Ready(Ok(()))) {
        return Poll::Ready(());
    }
    loop {
        match stream.poll_read(cx, waste) {
            Poll::Ready(Ok(n)) if n > 0 => {}
            Poll::Ready(_) => return Poll::Ready(()),
            Poll::Pending => return Poll::Pending,
        }
    }
}

fn is_of_the_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
