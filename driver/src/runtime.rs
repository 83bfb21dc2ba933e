//! What the driver asks of an async runtime: sockets to poll, a timer, a way to spawn. No policy.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::task::{Context, Poll};
use std::time::Instant;

/// An async runtime, or a handle to one. Cheap to clone.
pub trait Runtime: Clone + Send + Sync + Unpin + 'static {
    /// A connected TCP socket.
    type Stream: Stream;
    /// A listening TCP socket.
    type Listener: Listener<Stream = Self::Stream>;
    /// A bound UDP socket.
    type Socket: Socket;
    /// One timer that can be set again.
    type Timer: Timer;

    /// Runs `task` to its end in the background.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static);

    /// Takes over a listening socket, already non-blocking.
    ///
    /// # Errors
    /// What registering it with the runtime's reactor gives.
    fn listener(&self, socket: TcpListener) -> io::Result<Self::Listener>;

    /// Takes over a UDP socket, already non-blocking.
    ///
    /// # Errors
    /// What registering it with the runtime's reactor gives.
    fn socket(&self, socket: UdpSocket) -> io::Result<Self::Socket>;

    /// Connects to `addr`, with `TCP_NODELAY` set. Dropping the future gives up.
    fn connect(
        &self,
        addr: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::Stream>> + Send + 'static;

    /// A timer that is not set.
    fn timer(&self) -> Self::Timer;

    /// Looks `host` up without blocking the executor.
    fn resolve(
        &self,
        host: String,
        port: u16,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static;
}

/// A connected TCP socket.
pub trait Stream: Send + Unpin + 'static {
    /// Ready when a read is worth a buffer: it may give bytes, the end or an error. So a connection at
    /// rest needs none.
    fn poll_readable(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Reads into `buf`; 0 bytes mean that the peer sends no more.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Writes the beginning of `buf`.
    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>>;

    /// Says that no more will be written (FIN).
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// A listening TCP socket.
pub trait Listener: Send + Unpin + 'static {
    /// What it accepts.
    type Stream: Stream;

    /// The next connection, with `TCP_NODELAY` set, and where it comes from.
    fn poll_accept(&mut self, cx: &mut Context<'_>)
    -> Poll<io::Result<(Self::Stream, SocketAddr)>>;
}

/// A bound UDP socket.
pub trait Socket: Send + Sync + Unpin + 'static {
    /// The next datagram (cut to `buf`) and where it comes from.
    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>>;

    /// Sends one datagram, or fails: a full socket buffer loses it, as a network may.
    ///
    /// # Errors
    /// What the socket gives, `WouldBlock` among it.
    fn try_send(&self, payload: &[u8], to: SocketAddr) -> io::Result<()>;
}

/// One timer that can be set again and again.
pub trait Timer: Send + Unpin + 'static {
    /// Fires at `deadline`, not at what was set before.
    fn set(&mut self, deadline: Instant);

    /// Ready once the deadline has passed.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

/// A runtime that a task can find around itself.
pub trait Ambient: Runtime {
    /// The runtime of the calling task.
    ///
    /// # Errors
    /// Where there is none.
    fn current() -> io::Result<Self>;
}
