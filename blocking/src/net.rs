//! The sockets of `std::net`, watched by the reactor.

use crate::reactor::{Reactor, Watched};
use mio::Interest;
use std::fmt;
use std::future::poll_fn;
use std::io::{self, Read as _, Write as _};
use std::net::{self, Shutdown, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use zerocache_driver::runtime;

const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// A TCP connection.
pub struct Stream(Watched<mio::net::TcpStream>);

impl Stream {
    pub(crate) async fn connect(reactor: Arc<Reactor>, addr: SocketAddr) -> io::Result<Self> {
        let stream = mio::net::TcpStream::connect(addr)?;
        let watched = Watched::new(&reactor, stream, BOTH)?;
        let connected = || match watched.io.take_error()? {
            Some(error) => Err(error),
            None => match watched.io.peer_addr() {
                Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                    Err(io::ErrorKind::WouldBlock.into())
                }
                result => result,
            },
        };
        poll_fn(|cx| watched.ready.write.poll(cx, connected)).await?;
        watched.io.set_nodelay(true)?;
        Ok(Self(watched))
    }
}

impl runtime::Stream for Stream {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let Watched { io, ready, .. } = &mut self.0;
        ready.read.poll(cx, || io.read(buf))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let Watched { io, ready, .. } = &mut self.0;
        ready.write.poll(cx, || io.write(buf))
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.io.shutdown(Shutdown::Write))
    }
}

/// A listening TCP socket.
pub struct Listener(Watched<mio::net::TcpListener>, Arc<Reactor>);

impl Listener {
    pub(crate) fn new(reactor: &Arc<Reactor>, socket: net::TcpListener) -> io::Result<Self> {
        let socket = mio::net::TcpListener::from_std(socket);
        let watched = Watched::new(reactor, socket, Interest::READABLE)?;
        Ok(Self(watched, reactor.clone()))
    }
}

impl runtime::Listener for Listener {
    type Stream = Stream;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(Stream, SocketAddr)>> {
        let Watched { io, ready, .. } = &self.0;
        let (stream, from) = ready!(ready.read.poll(cx, || io.accept()))?;
        stream.set_nodelay(true)?;
        Poll::Ready(Ok((Stream(Watched::new(&self.1, stream, BOTH)?), from)))
    }
}

/// A UDP socket.
pub struct Socket(Watched<mio::net::UdpSocket>);

impl Socket {
    pub(crate) fn new(reactor: &Arc<Reactor>, socket: net::UdpSocket) -> io::Result<Self> {
        let socket = mio::net::UdpSocket::from_std(socket);
        Watched::new(reactor, socket, Interest::READABLE).map(Self)
    }
}

impl runtime::Socket for Socket {
    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        let Watched { io, ready, .. } = &self.0;
        ready.read.poll(cx, || io.recv_from(buf))
    }

    fn try_send(&self, payload: &[u8], to: SocketAddr) -> io::Result<()> {
        self.0.io.send_to(payload, to).map(drop)
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stream").field(&self.0.io).finish()
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listener").field(&self.0.io).finish()
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Socket").field(&self.0.io).finish()
    }
}
