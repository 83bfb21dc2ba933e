//! A wide-area network on loopback: a runtime whose outbound connections take their time.
//!
//! Bytes travel for half a round trip each way, a handshake for a whole one. The side that connects
//! does all the delaying; accepted connections are as they are. Where a port belongs is known from
//! who listens on it.

use super::delay::Delayed;
use super::trace::{Outcome, Trace};
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use zerocache_driver::runtime::{Listener, Runtime, Timer as _};

/// Where something stands: an index into [`Map::new`]'s distances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(pub(crate) usize);

/// How far the places are from each other, and which ports stand where.
#[derive(Debug)]
pub(crate) struct Map {
    /// Round trips in milliseconds, from each place to each.
    distances: &'static [&'static [u64]],
    ports: Mutex<BTreeMap<u16, Place>>,
}

impl Map {
    pub(crate) fn new(distances: &'static [&'static [u64]]) -> Arc<Self> {
        Arc::new(Self {
            distances,
            ports: Mutex::default(),
        })
    }

    /// The round trip between two places.
    pub(crate) fn round_trip(&self, from: Place, to: Place) -> Duration {
        let millis = self.distances.get(from.0).and_then(|row| row.get(to.0));
        Duration::from_millis(millis.copied().unwrap_or_default())
    }

    fn enter(&self, port: u16, place: Place) {
        self.ports
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(port, place);
    }

    fn place(&self, port: u16) -> Option<Place> {
        self.ports
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&port)
            .copied()
    }
}

/// A runtime as it is at one place of the map.
#[derive(Clone, Debug)]
pub(crate) struct Wan<R> {
    inner: R,
    map: Arc<Map>,
    here: Place,
    trace: Option<Arc<Trace>>,
}

impl<R> Wan<R> {
    pub(crate) const fn new(inner: R, map: Arc<Map>, here: Place) -> Self {
        Self {
            inner,
            map,
            here,
            trace: None,
        }
    }

    /// Writes down every exchange.
    pub(crate) fn traced(mut self, trace: Arc<Trace>) -> Self {
        self.trace = Some(trace);
        self
    }

    fn one_way(&self, to: SocketAddr) -> Duration {
        let there = self.map.place(to.port()).unwrap_or(self.here);
        self.map.round_trip(self.here, there) / 2
    }
}

impl<R: Runtime> Runtime for Wan<R> {
    type Stream = Delayed<R>;
    type Listener = Accepting<R>;
    type Socket = R::Socket;
    type Timer = R::Timer;

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.inner.spawn(task);
    }

    /// Also the moment in which a port gets its place: before anybody can know of it.
    fn listener(&self, socket: TcpListener) -> io::Result<Self::Listener> {
        self.map.enter(socket.local_addr()?.port(), self.here);
        self.inner.listener(socket).map(Accepting)
    }

    fn socket(&self, socket: UdpSocket) -> io::Result<R::Socket> {
        self.inner.socket(socket)
    }

    fn connect(
        &self,
        addr: SocketAddr,
    ) -> impl Future<Output = io::Result<Delayed<R>>> + Send + 'static {
        let (wan, one_way) = (self.clone(), self.one_way(addr));
        async move {
            let began = Instant::now();
            wan.travel(one_way).await;
            let connected = wan.inner.connect(addr).await;
            wan.travel(one_way).await;
            match connected {
                Ok(stream) => {
                    let trace = wan.trace.map(|trace| (trace, addr.port()));
                    Ok(Delayed::new(stream, one_way, wan.inner.timer(), trace))
                }
                Err(error) => {
                    if let Some(trace) = &wan.trace {
                        trace.add(addr.port(), String::new(), began, Outcome::Refused);
                    }
                    Err(error)
                }
            }
        }
    }

    fn timer(&self) -> R::Timer {
        self.inner.timer()
    }

    fn resolve(
        &self,
        host: String,
        port: u16,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static {
        self.inner.resolve(host, port)
    }
}

impl<R: Runtime> Wan<R> {
    async fn travel(&self, for_: Duration) {
        if !for_.is_zero() {
            let mut timer = self.inner.timer();
            timer.set(Instant::now() + for_);
            poll_fn(|cx| timer.poll(cx)).await;
        }
    }
}

/// Accepts connections that need no delay of their own.
pub(crate) struct Accepting<R: Runtime>(R::Listener);

impl<R: Runtime> Listener for Accepting<R> {
    type Stream = Delayed<R>;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(Delayed<R>, SocketAddr)>> {
        let (stream, from) = ready!(self.0.poll_accept(cx))?;
        Poll::Ready(Ok((Delayed::direct(stream), from)))
    }
}

#[cfg(test)]
#[path = "wan_tests.rs"]
mod tests;
