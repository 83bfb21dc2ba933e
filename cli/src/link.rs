//! One plain connection to one node, for what is not a client's business: its pages, and in the
//! demo what exactly this node holds.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use zerocache_proto as proto;
use zerocache_proto::http::{ClientConn, ClientLimits, Outgoing, Response};

/// How long one exchange may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// A connection that is opened when it is needed and kept while it can be.
pub(crate) struct Link {
    addr: SocketAddr,
    since: Instant,
    open: Option<(TcpStream, ClientConn)>,
}

impl Link {
    pub(crate) fn new(addr: SocketAddr) -> Self {
        Self {
            addr,
            since: Instant::now(),
            open: None,
        }
    }

    /// Sends a request and waits for its answer, for at most a second.
    pub(crate) async fn exchange(&mut self, request: Outgoing) -> io::Result<Response> {
        timeout(PATIENCE, self.try_exchange(request))
            .await
            .map_err(|_| ErrorKind::TimedOut)?
    }

    async fn try_exchange(&mut self, request: Outgoing) -> io::Result<Response> {
        let (mut stream, mut conn) = match self.open.take() {
            Some(open) => open,
            None => {
                let stream = TcpStream::connect(self.addr).await?;
                stream.set_nodelay(true)?;
                (stream, ClientConn::new(ClientLimits::default()))
            }
        };
        conn.send(request);
        let since = self.since;
        let now = || proto::Instant::ORIGIN + since.elapsed();
        let response = poll_fn(|cx| {
            loop {
                while !conn.write_buf().is_empty() {
                    let n = ready!(Pin::new(&mut stream).poll_write(cx, conn.write_buf()))?;
                    conn.handle_written(now(), n);
                }
                let mut buf = ReadBuf::new(conn.read_buf());
                ready!(Pin::new(&mut stream).poll_read(cx, &mut buf))?;
                let n = buf.filled().len();
                conn.handle_read(now(), n);
                if let Some(response) = conn.poll_response() {
                    return Poll::Ready(
                        response.map_err(|error| io::Error::other(error.to_string())),
                    );
                }
            }
        })
        .await?;
        if conn.is_reusable() {
            self.open = Some((stream, conn));
        }
        Ok(response)
    }
}
