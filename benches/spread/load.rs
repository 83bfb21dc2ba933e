//! The load: as many connections as there are clients, each with one PUT of 128 bytes under way.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What the floor answers a client, as long as a node's answer.
pub(crate) const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
    Zc-Node: 0a1b2c3d\r\nContent-Length: 0\r\n\r\n";
/// Different keys.
const KEYS: usize = 1_000;

/// Kept connections to one node.
pub(crate) struct Clients {
    streams: Vec<TcpStream>,
    requests: Rc<[Vec<u8>]>,
    turns: usize,
}

impl Clients {
    pub(crate) async fn connect(addr: SocketAddr, count: usize) -> Self {
        let mut streams = Vec::new();
        for _ in 0..count {
            let stream = TcpStream::connect(addr).await.unwrap();
            stream.set_nodelay(true).unwrap();
            streams.push(stream);
        }
        let request = |key| {
            format!(
                "PUT /london/key-{key:03}?expiry=600 HTTP/1.1\r\nHost: {addr}\r\n\
                 Content-Length: 128\r\n\r\n{}",
                "v".repeat(128)
            )
        };
        Self {
            streams,
            requests: (0..KEYS).map(|key| request(key).into_bytes()).collect(),
            turns: 0,
        }
    }

    /// PUTs until `time` is over; how long each took.
    pub(crate) async fn run(&mut self, time: Duration) -> Vec<Duration> {
        let until = Instant::now() + time;
        self.turns += 1;
        let mut tasks = Vec::new();
        for (client, stream) in std::mem::take(&mut self.streams).into_iter().enumerate() {
            let requests = self.requests.clone();
            let first = client * 37 + self.turns * 101;
            tasks.push(tokio::task::spawn_local(put_all(
                stream, requests, first, until,
            )));
        }
        let mut times = Vec::new();
        for task in tasks {
            let (stream, taken) = task.await.unwrap();
            self.streams.push(stream);
            times.extend(taken);
        }
        times
    }
}

async fn put_all(
    mut stream: TcpStream,
    requests: Rc<[Vec<u8>]>,
    first: usize,
    until: Instant,
) -> (TcpStream, Vec<Duration>) {
    let mut times = Vec::new();
    let mut answer = [0; 1024];
    let mut begun = Instant::now();
    for key in first.. {
        stream.write_all(&requests[key % KEYS]).await.unwrap();
        let mut len = 0;
        while !answer[..len].ends_with(b"\r\n\r\n") {
            let n = stream.read(&mut answer[len..]).await.unwrap();
            assert!(n > 0, "the node hung up");
            len += n;
        }
        assert!(answer.starts_with(b"HTTP/1.1 200"), "a refusal");
        let now = Instant::now();
        times.push(now - begun);
        if now >= until {
            break;
        }
        begun = now;
    }
    (stream, times)
}
