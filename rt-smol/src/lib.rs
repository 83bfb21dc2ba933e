//! zerocache on async-io: [`Client`] and [`Node`] are those of `zerocache_driver`, for smol, for what
//! runs on async-std, for any executor.
//!
//! There is no executor in here and none is started. The background tasks go to yours:
//!
//! ```
//! use zerocache_smol::{Client, Node, Smol};
//!
//! let runtime = Smol::new(|task| smol::spawn(task).detach());
//! # let node = Node::builder("london").mdns(false).port(0).address([127, 0, 0, 1].into());
//! # let client = Client::builder("london").mdns(false);
//! let node = node.start_on(runtime.clone())?;
//! let client = client.connect_on(runtime)?;
//! # Ok::<(), zerocache_smol::StartError>(())
//! ```
//!
//! or into a [`Driver`], a future that runs them all wherever you poll it:
//!
//! ```
//! # use zerocache_smol::Node;
//! # let node = Node::builder("london").mdns(false).port(0).address([127, 0, 0, 1].into());
//! let (node, driver) = node.start_with_driver()?;
//! let shutdown = async move { node.shutdown().await };
//! smol::block_on(smol::future::zip(driver, shutdown));
//! # Ok::<(), zerocache_smol::StartError>(())
//! ```
//!
//! async-io has one thread of its own in a process, `async-io`, which waits for sockets and timers while
//! no `async_io::block_on` does. The only other one is `zerocache-dns`, for as long as a peer named by a
//! host name, not an address, is looked up.

#[cfg(target_os = "linux")]
mod nest;
mod watched;

use async_io::Async;
use std::fmt;
use std::future::Future;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;
use watched::Watched;
use zerocache_driver::runtime::{self, Runtime};
use zerocache_driver::{Hosted, Spawner};

pub use zerocache_driver::{
    Admission, ClientStats, DEFAULT_BOUNDS, DEFAULT_PORT, Driver, Error, MAX_KEY, StartError, Task,
};

/// A client of one region's cache, on async-io.
pub type Client = zerocache_driver::Client<Smol>;
/// How a client finds its nodes.
pub type ClientBuilder = zerocache_driver::ClientBuilder<Smol>;
/// What a node is told before it starts.
pub type NodeBuilder = zerocache_driver::NodeBuilder<Smol>;
/// A node, on async-io.
pub type Node = zerocache_driver::Node<Smol>;

/// async-io's sockets and timers, and an executor of the caller's.
#[derive(Clone)]
pub struct Smol(Spawner);

impl Smol {
    /// Gives all tasks to `spawn`, which runs each to its end in the background (and may drop them once
    /// its executor is gone).
    pub fn new(spawn: impl Fn(Task) + Send + Sync + 'static) -> Self {
        Self(Arc::new(spawn))
    }
}

impl Hosted for Smol {
    fn hosted(spawner: Spawner) -> Self {
        Self(spawner)
    }
}

impl fmt::Debug for Smol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Smol").finish_non_exhaustive()
    }
}

impl Runtime for Smol {
    type Stream = Stream;
    type Listener = Listener;
    type Socket = Socket;
    type Timer = Timer;

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        (self.0)(Box::pin(task));
    }

    fn listener(&self, socket: TcpListener) -> io::Result<Listener> {
        Watched::listener(socket, |task| (self.0)(task)).map(Listener)
    }

    fn socket(&self, socket: UdpSocket) -> io::Result<Socket> {
        Async::new_nonblocking(socket).map(Socket)
    }

    #[expect(
        clippy::manual_async_fn,
        reason = "the future must not borrow the runtime"
    )]
    fn connect(
        &self,
        addr: SocketAddr,
    ) -> impl Future<Output = io::Result<Stream>> + Send + 'static {
        async move { Stream::new(Watched::Alone(Async::<TcpStream>::connect(addr).await?)) }
    }

    fn timer(&self) -> Timer {
        Timer(async_io::Timer::never())
    }

    fn resolve(
        &self,
        host: String,
        port: u16,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static {
        zerocache_driver::resolve(host, port)
    }
}

/// A TCP connection.
#[derive(Debug)]
pub struct Stream {
    socket: Watched<TcpStream>,
    /// There may be something to read without a further event: the last read filled its buffer or
    /// failed, or none has followed the last event.
    more: bool,
}

impl Stream {
    fn new(socket: Watched<TcpStream>) -> io::Result<Self> {
        socket.get_ref().set_nodelay(true)?;
        Ok(Self {
            socket,
            more: false,
        })
    }
}

impl runtime::Stream for Stream {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.more {
            ready!(self.socket.poll_readable(cx))?;
            self.more = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Waits first and reads then: the other way round, as `AsyncRead` has it, two reads of each
    /// request find nothing.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            if !self.more {
                ready!(self.socket.poll_readable(cx))?;
            }
            let read = self.socket.get_ref().read(buf);
            self.more = match &read {
                Ok(n) => *n == buf.len(),
                Err(error) => error.kind() != io::ErrorKind::WouldBlock,
            };
            if let Some(read) = done(read) {
                return Poll::Ready(read);
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            // There is nearly always room, and waiting for it costs two system calls.
            if let Some(written) = done(self.socket.get_ref().write(buf)) {
                return Poll::Ready(written);
            }
            ready!(self.socket.poll_writable(cx))?;
        }
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.socket.get_ref().shutdown(Shutdown::Write))
    }
}

/// A listening TCP socket.
#[derive(Debug)]
pub struct Listener(Watched<TcpListener>);

impl runtime::Listener for Listener {
    type Stream = Stream;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(Stream, SocketAddr)>> {
        loop {
            if let Some(accepted) = done(self.0.accept()) {
                let (socket, from) = accepted?;
                return Poll::Ready(Ok((Stream::new(socket)?, from)));
            }
            ready!(self.0.poll_readable(cx))?;
        }
    }
}

/// A UDP socket.
#[derive(Debug)]
pub struct Socket(Async<UdpSocket>);

impl runtime::Socket for Socket {
    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        loop {
            if let Some(received) = done(self.0.get_ref().recv_from(buf)) {
                return Poll::Ready(received);
            }
            ready!(self.0.poll_readable(cx))?;
        }
    }

    fn try_send(&self, payload: &[u8], to: SocketAddr) -> io::Result<()> {
        self.0.get_ref().send_to(payload, to).map(drop)
    }
}

/// What a non-blocking call came to; `None` if the socket was not ready.
fn done<T>(result: io::Result<T>) -> Option<io::Result<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
        result => Some(result),
    }
}

/// A timer of async-io's.
#[derive(Debug)]
pub struct Timer(async_io::Timer);

impl runtime::Timer for Timer {
    fn set(&mut self, deadline: Instant) {
        self.0.set_at(deadline);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx).map(drop)
    }
}
