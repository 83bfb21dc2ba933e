//! The floor: bare tokio programs with the sockets of a node and its peers, that forward constant bytes.
//!
//! Writes that meet share one write to each peer, over one kept connection; their answers are told apart
//! by their order, and a client is answered once every peer has. Nothing is parsed and nothing is stored.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// What a peer gets, as long as a node's copy of 128 bytes.
const COPY: [u8; 300] = [b'c'; 300];
/// What a peer answers, as long as a node's answer.
const ANSWER: [u8; 96] = [b'a'; 96];
const BUFFER: usize = 16 << 10;

/// Answers every copy that it gets.
pub(crate) async fn serve_peer(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        stream.set_nodelay(true).unwrap();
        tokio::task::spawn_local(async move {
            let (mut buffer, mut held) = (vec![0; BUFFER], 0);
            loop {
                let Ok(n @ 1..) = stream.read(&mut buffer).await else {
                    return;
                };
                held += n;
                let answers = ANSWER.repeat(held / COPY.len());
                held %= COPY.len();
                if stream.write_all(&answers).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// Sends a copy of what it gets to every peer, and answers once they have.
pub(crate) async fn serve_node(listener: TcpListener, peers: Vec<SocketAddr>) {
    let mut links = Vec::new();
    for peer in peers {
        let stream = TcpStream::connect(peer).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let link = Rc::new(Link::default());
        links.push(link.clone());
        tokio::task::spawn_local(link.run(stream));
    }
    let links: Rc<[_]> = links.into();
    while let Ok((stream, _)) = listener.accept().await {
        stream.set_nodelay(true).unwrap();
        tokio::task::spawn_local(serve_client(stream, links.clone()));
    }
}

/// One request at a time: whatever comes in one read is one.
async fn serve_client(mut stream: TcpStream, links: Rc<[Rc<Link>]>) {
    let mut buffer = vec![0; BUFFER];
    while let Ok(1..) = stream.read(&mut buffer).await {
        let write = Rc::new(Waiting {
            left: Cell::new(links.len()),
            waker: RefCell::default(),
        });
        links.iter().for_each(|link| link.send(write.clone()));
        poll_fn(|cx| write.poll(cx)).await;
        if stream.write_all(crate::load::ANSWER).await.is_err() {
            return;
        }
    }
}

/// A write that peers have not yet answered.
struct Waiting {
    left: Cell<usize>,
    waker: RefCell<Option<Waker>>,
}

impl Waiting {
    fn answered(&self) {
        self.left.set(self.left.get() - 1);
        if self.left.get() == 0 {
            self.waker.take().into_iter().for_each(Waker::wake);
        }
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        if self.left.get() == 0 {
            return Poll::Ready(());
        }
        self.waker.replace(Some(cx.waker().clone()));
        Poll::Pending
    }
}

/// The connection to one peer.
#[derive(Default)]
struct Link {
    out: RefCell<Vec<u8>>,
    waiting: RefCell<VecDeque<Rc<Waiting>>>,
    waker: RefCell<Option<Waker>>,
}

impl Link {
    fn send(&self, write: Rc<Waiting>) {
        self.out.borrow_mut().extend_from_slice(&COPY);
        self.waiting.borrow_mut().push_back(write);
        self.waker.take().into_iter().for_each(Waker::wake);
    }

    async fn run(self: Rc<Self>, mut stream: TcpStream) {
        let (mut buffer, mut held) = (vec![0; BUFFER], 0);
        let _ = poll_fn(|cx| self.poll(cx, &mut stream, &mut buffer, &mut held)).await;
    }

    fn poll(
        &self,
        cx: &mut Context<'_>,
        stream: &mut TcpStream,
        buffer: &mut [u8],
        held: &mut usize,
    ) -> Poll<std::io::Result<()>> {
        self.waker.replace(Some(cx.waker().clone()));
        loop {
            let mut out = self.out.borrow_mut();
            while !out.is_empty() {
                let Poll::Ready(n) = Pin::new(&mut *stream).poll_write(cx, &out)? else {
                    break;
                };
                out.drain(..n);
            }
            drop(out);
            let mut buffer = ReadBuf::new(buffer);
            ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            *held += buffer.filled().len();
            let answers = *held / ANSWER.len();
            *held %= ANSWER.len();
            let answered = self
                .waiting
                .borrow_mut()
                .drain(..answers)
                .collect::<Vec<_>>();
            answered.iter().for_each(|write| write.answered());
        }
    }
}
