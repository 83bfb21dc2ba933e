//! zerocache on tokio: [`Client`] and [`Node`] are those of `zerocache_driver`, on this runtime.
//!
//! Everything must be called within a tokio runtime with I/O and time enabled, multi-threaded or not;
//! the background tasks run on it and nowhere else.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::runtime::Handle;
use zerocache_driver::runtime::{self, Ambient, Runtime};

pub use zerocache_driver::{
    Admission, ClientStats, DEFAULT_BOUNDS, DEFAULT_PORT, Error, MAX_KEY, StartError,
};

/// A client of one region's cache, on tokio.
pub type Client = zerocache_driver::Client<Tokio>;
/// How a client finds its nodes.
pub type ClientBuilder = zerocache_driver::ClientBuilder<Tokio>;
/// What a node is told before it starts.
pub type NodeBuilder = zerocache_driver::NodeBuilder<Tokio>;
/// A node, on tokio.
pub type Node = zerocache_driver::Node<Tokio>;

/// The tokio runtime this was made in.
#[derive(Clone, Debug)]
pub struct Tokio(Handle);

impl Ambient for Tokio {
    fn current() -> io::Result<Self> {
        Handle::try_current().map(Self).map_err(io::Error::other)
    }
}

impl Runtime for Tokio {
    type Stream = Stream;
    type Listener = Listener;
    type Socket = Socket;
    type Timer = Timer;

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(self.0.spawn(task));
    }

    fn listener(&self, socket: TcpListener) -> io::Result<Listener> {
        let _context = self.0.enter();
        tokio::net::TcpListener::from_std(socket).map(Listener)
    }

    fn socket(&self, socket: UdpSocket) -> io::Result<Socket> {
        let _context = self.0.enter();
        tokio::net::UdpSocket::from_std(socket).map(Socket)
    }

    #[expect(
        clippy::manual_async_fn,
        reason = "the future must not borrow the runtime"
    )]
    fn connect(
        &self,
        addr: SocketAddr,
    ) -> impl Future<Output = io::Result<Stream>> + Send + 'static {
        async move {
            let stream = tokio::net::TcpStream::connect(addr).await?;
            stream.set_nodelay(true)?;
            Ok(Stream(stream))
        }
    }

    fn timer(&self) -> Timer {
        let _context = self.0.enter();
        Timer(Box::pin(tokio::time::sleep_until(
            tokio::time::Instant::now(),
        )))
    }

    #[expect(
        clippy::manual_async_fn,
        reason = "the future must not borrow the runtime"
    )]
    fn resolve(
        &self,
        host: String,
        port: u16,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static {
        async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) }
    }
}

/// A TCP connection.
#[derive(Debug)]
pub struct Stream(tokio::net::TcpStream);

impl runtime::Stream for Stream {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_read_ready(cx)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buf = ReadBuf::new(buf);
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut buf))?;
        Poll::Ready(Ok(buf.filled().len()))
    }

    /// There is nearly always room: to be woken once there is costs more than to try.
    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.0.try_write(buf) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Pin::new(&mut self.0).poll_write(cx, buf)
            }
            done => Poll::Ready(done),
        }
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// A listening TCP socket.
#[derive(Debug)]
pub struct Listener(tokio::net::TcpListener);

impl runtime::Listener for Listener {
    type Stream = Stream;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(Stream, SocketAddr)>> {
        let (stream, from) = ready!(self.0.poll_accept(cx))?;
        stream.set_nodelay(true)?;
        Poll::Ready(Ok((Stream(stream), from)))
    }
}

/// A UDP socket.
#[derive(Debug)]
pub struct Socket(tokio::net::UdpSocket);

impl runtime::Socket for Socket {
    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        let mut buf = ReadBuf::new(buf);
        let from = ready!(self.0.poll_recv_from(cx, &mut buf))?;
        Poll::Ready(Ok((buf.filled().len(), from)))
    }

    fn try_send(&self, payload: &[u8], to: SocketAddr) -> io::Result<()> {
        self.0.try_send_to(payload, to).map(drop)
    }
}

/// A timer of tokio's wheel (1 ms ticks).
#[derive(Debug)]
pub struct Timer(Pin<Box<tokio::time::Sleep>>);

impl runtime::Timer for Timer {
    fn set(&mut self, deadline: Instant) {
        self.0.as_mut().reset(deadline.into());
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}
