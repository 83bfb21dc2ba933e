//! Strangers at a node's port. None of them is answered for: what counts is that the node and its
//! clients do not suffer.

use super::load::{Shared, name};
use super::node::Recipe;
use super::plan::{self, Kind};
use futures_util::future::join_all;
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};
use zerocache_proto::Rng;

/// Where they come from, so that it is their share of connections that they use up, and not that of
/// clients and nodes.
const SOURCE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 66);
/// How long they stay.
const STAY: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(2);
/// The key of what they never finish to say; it must not be found.
pub(super) const UNFINISHED: &str = "soak-unfinished";

const MALFORMED: [&[u8]; 12] = [
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    b"GET /london/soak-1 HTTP/1.1\r\nHost : x\r\n\r\n",
    b"GET /london/soak-1 HTTP/1.1\nHost: x\nA:\x00b\n\n",
    b"PUT /london/soak-unfinished HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nhello",
    b"PUT /london/soak-unfinished HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    b"PUT /london/soak-unfinished HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"PUT /london/soak-unfinished HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"PUT /london/soak-unfinished HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    b"PUT /london/soak-unfinished HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
];

/// Strangers come until it is over; tells how many connections each kind made.
pub(super) async fn lane(nodes: &[Recipe], seed: u64, shared: &Shared) -> BTreeMap<Kind, usize> {
    let mut rng = Rng::new(seed);
    let mut made: BTreeMap<Kind, usize> = Kind::ALL.map(|kind| (kind, 0)).into();
    for abuse in plan::abuse(seed, nodes.len()) {
        sleep(abuse.after).await;
        if shared.is_over() {
            break;
        }
        let many = match abuse.kind {
            Kind::Garbage | Kind::HalfOpen => 16,
            Kind::Malformed => MALFORMED.len(),
            Kind::SlowReader => 8,
            Kind::Drip => 32,
            // A node takes 256 from one address.
            Kind::Flood => 300,
        };
        let victim = &nodes[abuse.node];
        let strangers = (0..many).map(|number| {
            let mut rng = rng.fork();
            async move {
                let stranger = timeout(PATIENCE, connect(victim.addr));
                let Ok(Ok(mut stream)) = stranger.await else {
                    return 0;
                };
                // That a node hangs up is the best it can do.
                let _ = visit(abuse.kind, &mut stream, number, victim, &mut rng).await;
                1
            }
        });
        let came: usize = join_all(strangers).await.into_iter().sum();
        *made.entry(abuse.kind).or_default() += came;
    }
    made
}

async fn connect(addr: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if cfg!(target_os = "linux") {
        socket.bind((SOURCE, 0).into())?;
    }
    socket.connect(addr).await
}

async fn visit(
    kind: Kind,
    stream: &mut TcpStream,
    number: usize,
    victim: &Recipe,
    rng: &mut Rng,
) -> io::Result<()> {
    let region = victim.region.as_str();
    match kind {
        Kind::Garbage => {
            let length = 1 + rng.below(4_096);
            let bytes: Vec<u8> = (0..length).map(|_| rng.next_u32() as u8).collect();
            say(stream, &bytes).await
        }
        Kind::Malformed => say(stream, MALFORMED[number]).await,
        Kind::SlowReader => {
            // Key 0 is one of the largest.
            let get = format!("GET /{region}/{} HTTP/1.1\r\nHost: x\r\n\r\n", name(0));
            stream.write_all(get.repeat(64).as_bytes()).await?;
            sleep(STAY).await;
            Ok(())
        }
        Kind::Drip => {
            let head = format!("GET /{region}/{} HTTP/1.1\r\nX-Drip: {:999}", name(1), ' ');
            let drips = async {
                for byte in head.as_bytes() {
                    stream.write_all(&[*byte]).await?;
                    sleep(Duration::from_millis(50)).await;
                }
                Ok(())
            };
            timeout(STAY, drips).await.unwrap_or(Ok(()))
        }
        Kind::HalfOpen => {
            let head =
                format!("PUT /{region}/{UNFINISHED} HTTP/1.1\r\nContent-Length: 100000\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&[b'x'; 50_000]).await?;
            if number % 2 == 0 {
                stream.shutdown().await?;
            }
            sleep(STAY).await;
            Ok(())
        }
        Kind::Flood => {
            stream
                .write_all(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
                .await?;
            sleep(STAY).await;
            Ok(())
        }
    }
}

/// Says it, and listens until the node hangs up.
async fn say(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    let mut heard = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut heard)).await;
    Ok(())
}
