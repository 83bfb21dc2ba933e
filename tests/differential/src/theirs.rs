//! hyper's reading: a server over a socket that is a script, polled here until nothing moves.

use crate::Message;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use std::cell::RefCell;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Each request in `bytes`.
pub(crate) fn read(bytes: &[u8]) -> Vec<Message> {
    let messages = Rc::new(RefCell::new(Vec::new()));
    let service = service_fn(|request| answer(request, messages.clone()));
    let mut builder = http1::Builder::new();
    let connection = builder
        .half_close(true)
        .header_read_timeout(None)
        .serve_connection(Script(bytes.to_vec()), service);
    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = Waker::from(woken.clone());
    let mut connection = pin!(connection);
    // It is woken by itself alone: nothing else moves.
    while woken.0.swap(false, Ordering::Relaxed) {
        let mut cx = Context::from_waker(&waker);
        if connection.as_mut().poll(&mut cx).is_ready() {
            break;
        }
    }
    messages.take()
}

async fn answer(
    request: Request<Incoming>,
    messages: Rc<RefCell<Vec<Message>>>,
) -> Result<Response<Empty<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes().to_vec();
    let known = ["GET", "HEAD", "PUT", "DELETE"];
    messages.borrow_mut().push(Message {
        method: known.into_iter().find(|name| head.method == **name),
        path: head.uri.path().as_bytes().to_vec(),
        query: head.uri.query().map(|query| query.as_bytes().to_vec()),
        body,
    });
    let mut response = Response::new(Empty::new());
    *response.status_mut() = StatusCode::NOT_FOUND;
    Ok(response)
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A socket that gives these bytes and then no more, and takes whatever it is given.
struct Script(Vec<u8>);

impl Read for Script {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut room: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.0.is_empty() {
            return Poll::Pending;
        }
        let n = room.remaining().min(self.0.len());
        room.put_slice(&self.0[..n]);
        self.0.drain(..n);
        Poll::Ready(Ok(()))
    }
}

impl Write for Script {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
