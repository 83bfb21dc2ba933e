//! The seam between the two ways to hear of a socket's events: a nest, on Linux and for what a node
//! accepts, and async-io's own for all else and where the system has no room for a nest.

#[cfg(target_os = "linux")]
use crate::nest::{Source, nest};
use async_io::Async;
use std::future::Future;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::pin::Pin;
use std::task::{Context, Poll};

/// A non-blocking socket whose events are told.
#[derive(Debug)]
pub(crate) enum Watched<T> {
    #[cfg(target_os = "linux")]
    Nested(T, Source),
    Alone(Async<T>),
}

impl<T> Watched<T> {
    pub(crate) fn get_ref(&self) -> &T {
        match self {
            #[cfg(target_os = "linux")]
            Self::Nested(socket, _) => socket,
            Self::Alone(socket) => socket.get_ref(),
        }
    }

    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Nested(_, source) => source.poll_readable(cx),
            Self::Alone(socket) => socket.poll_readable(cx),
        }
    }

    pub(crate) fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Nested(_, source) => source.poll_writable(cx),
            Self::Alone(socket) => socket.poll_writable(cx),
        }
    }
}

impl Watched<TcpListener> {
    /// A non-blocking listener; `spawn` is given what tells of its events, if that is a task.
    pub(crate) fn listener(
        socket: TcpListener,
        spawn: impl FnOnce(Pin<Box<dyn Future<Output = ()> + Send>>),
    ) -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        if let Ok((source, task)) = nest(&socket) {
            spawn(Box::pin(task));
            return Ok(Self::Nested(socket, source));
        }
        #[cfg(not(target_os = "linux"))]
        drop(spawn);
        Async::new_nonblocking(socket).map(Self::Alone)
    }

    /// A connection, and where it comes from.
    pub(crate) fn accept(&self) -> io::Result<(Watched<TcpStream>, std::net::SocketAddr)> {
        let (socket, from) = self.get_ref().accept()?;
        #[cfg(target_os = "linux")]
        if let Self::Nested(_, source) = self {
            if let Ok(source) = source.beside(&socket) {
                socket.set_nonblocking(true)?;
                return Ok((Watched::Nested(socket, source), from));
            }
        }
        Ok((Watched::Alone(Async::new(socket)?), from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Listener, Stream};
    use std::future::poll_fn;
    use zerocache_driver::runtime::{Listener as _, Stream as _};

    /// More than a socket takes at once, there and back.
    const LONG: usize = 8 << 20;

    async fn answer(mut stream: Stream) -> io::Result<()> {
        let mut body = vec![0; LONG];
        let mut read = 0;
        while read < LONG {
            read += match poll_fn(|cx| stream.poll_read(cx, &mut body[read..])).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => n,
            };
        }
        let mut written = 0;
        while written < LONG {
            written += poll_fn(|cx| stream.poll_write(cx, &body[written..])).await?;
        }
        poll_fn(|cx| stream.poll_shutdown(cx)).await?;
        let ended = poll_fn(|cx| stream.poll_read(cx, &mut body)).await?;
        assert_eq!(ended, 0);
        Ok(())
    }

    fn ask(addr: std::net::SocketAddr) -> io::Result<()> {
        use std::io::{Read as _, Write as _};
        let mut stream = TcpStream::connect(addr)?;
        let body: Vec<u8> = (0..LONG).map(|i| (i % 251) as u8).collect();
        stream.write_all(&body)?;
        let mut back = Vec::new();
        stream.read_to_end(&mut back)?;
        assert!(body == back);
        Ok(())
    }

    #[track_caller]
    fn exchanges(watch: impl FnOnce(TcpListener) -> io::Result<Watched<TcpListener>>) {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
        socket.set_nonblocking(true).expect("non-blocking");
        let addr = socket.local_addr().expect("an address");
        let mut listener = Listener(watch(socket).expect("a listener"));
        let peer = std::thread::spawn(move || (0..2).try_for_each(|_| ask(addr)));
        smol::block_on(async {
            for _ in 0..2 {
                let (stream, _) = poll_fn(|cx| listener.poll_accept(cx)).await?;
                answer(stream).await?;
            }
            io::Result::Ok(())
        })
        .expect("exchanges");
        peer.join().expect("no panic").expect("exchanges");
    }

    #[test]
    fn in_a_nest_where_there_are_any() {
        exchanges(|socket| Watched::listener(socket, |task| smol::spawn(task).detach()));
    }

    #[test]
    fn alone() {
        exchanges(|socket| Async::new(socket).map(Watched::Alone));
    }
}
