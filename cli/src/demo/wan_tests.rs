use super::*;
use std::net::Ipv4Addr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use zerocache_driver::runtime::{Ambient as _, Stream as _};
use zerocache_tokio::Tokio;

const DISTANCES: &[&[u64]] = &[&[0, 40], &[40, 0]];
const ROUND_TRIP: Duration = Duration::from_millis(40);
const HERE: Place = Place(0);
const THERE: Place = Place(1);

fn listen() -> TcpListener {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

/// Answers each read with the same bytes.
fn echo(wan: &Wan<Tokio>) -> SocketAddr {
    let socket = listen();
    let addr = socket.local_addr().unwrap();
    let mut listener = wan.listener(socket).unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = poll_fn(|cx| listener.poll_accept(cx)).await.unwrap();
        let mut buf = [0; 1024];
        loop {
            let n = poll_fn(|cx| stream.poll_read(cx, &mut buf)).await.unwrap();
            if n == 0 {
                return;
            }
            let written = poll_fn(|cx| stream.poll_write(cx, &buf[..n]))
                .await
                .unwrap();
            assert_eq!(written, n);
        }
    });
    addr
}

async fn ask(stream: &mut Delayed<Tokio>, question: &[u8]) -> Vec<u8> {
    let n = poll_fn(|cx| stream.poll_write(cx, question)).await.unwrap();
    assert_eq!(n, question.len());
    let mut answer = vec![0; 1024];
    let n = poll_fn(|cx| stream.poll_read(cx, &mut answer))
        .await
        .unwrap();
    answer.truncate(n);
    answer
}

#[tokio::test]
async fn a_handshake_and_an_exchange_take_a_round_trip_each() {
    let map = Map::new(DISTANCES);
    let runtime = Tokio::current().unwrap();
    let addr = echo(&Wan::new(runtime.clone(), map.clone(), THERE));
    let trace = Arc::new(Trace::default());
    let wan = Wan::new(runtime, map, HERE).traced(trace.clone());

    let began = Instant::now();
    let mut stream = wan.connect(addr).await.unwrap();
    assert!(
        began.elapsed() >= ROUND_TRIP,
        "connected after {:?}",
        began.elapsed()
    );
    for _ in 0..2 {
        let began = Instant::now();
        let answer = ask(&mut stream, b"GET /london/key HTTP/1.1 204\r\n").await;
        assert_eq!(answer, b"GET /london/key HTTP/1.1 204\r\n");
        assert!(
            began.elapsed() >= ROUND_TRIP,
            "answered after {:?}",
            began.elapsed()
        );
    }
    let exchanges = trace.take("GET /london/key");
    assert_eq!(exchanges.len(), 2);
    assert!(
        exchanges
            .iter()
            .all(|e| e.port == addr.port() && e.took >= ROUND_TRIP)
    );
}

#[tokio::test]
async fn a_refusal_takes_a_round_trip_too_and_is_written_down_once() {
    let map = Map::new(DISTANCES);
    let runtime = Tokio::current().unwrap();
    let socket = listen();
    let addr = socket.local_addr().unwrap();
    drop(
        Wan::new(runtime.clone(), map.clone(), THERE)
            .listener(socket)
            .unwrap(),
    );
    let trace = Arc::new(Trace::default());
    let wan = Wan::new(runtime, map, HERE).traced(trace.clone());
    for _ in 0..2 {
        let began = Instant::now();
        assert!(wan.connect(addr).await.is_err());
        assert!(began.elapsed() >= ROUND_TRIP);
    }
    let exchanges = trace.take("GET /london/key");
    assert_eq!(
        exchanges.iter().map(|e| e.outcome).collect::<Vec<_>>(),
        [Outcome::Refused]
    );
}

#[tokio::test]
async fn a_large_message_arrives_whole_and_the_end_after_it() {
    let map = Map::new(DISTANCES);
    let runtime = Tokio::current().unwrap();
    let socket = listen();
    let addr = socket.local_addr().unwrap();
    let there = Wan::new(runtime.clone(), map.clone(), THERE);
    drop(there.listener(socket.try_clone().unwrap()).unwrap());
    let message: Vec<u8> = (0..1_000_000_u32).map(|i| (i % 251) as u8).collect();
    let wanted = message.clone();
    let peer = tokio::spawn(async move {
        let listener = tokio::net::TcpListener::from_std(socket).unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        stream.write_all(&all).await.unwrap();
    });

    let mut stream = Wan::new(runtime, map, HERE).connect(addr).await.unwrap();
    let mut sent = 0;
    while sent < message.len() {
        sent += poll_fn(|cx| stream.poll_write(cx, &message[sent..]))
            .await
            .unwrap();
    }
    poll_fn(|cx| stream.poll_shutdown(cx)).await.unwrap();
    let mut back = Vec::new();
    let mut buf = vec![0; 10_000];
    loop {
        let n = poll_fn(|cx| stream.poll_read(cx, &mut buf)).await.unwrap();
        if n == 0 {
            break;
        }
        back.extend_from_slice(&buf[..n]);
    }
    peer.await.unwrap();
    assert!(back == wanted, "{} bytes came back", back.len());
}
