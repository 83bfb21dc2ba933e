//! Decorated functions against a node on loopback.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::Notify;
use zerocache::{Node, blocking, decorator};

/// A node of `region`, and the client the region's functions are to use.
async fn region(region: &'static str) -> (Node, blocking::Client) {
    let node = Node::builder(region)
        .address(Ipv4Addr::LOCALHOST.into())
        .port(0)
        .mdns(false)
        .start()
        .unwrap();
    let client = connect(region, &node.addr().to_string());
    client.as_async().ready().await.unwrap();
    decorator::set_client(client.clone());
    (node, client)
}

fn connect(region: &str, peer: &str) -> blocking::Client {
    let builder = blocking::Client::builder(region).mdns(false);
    builder.peer(peer.parse().unwrap()).connect().unwrap()
}

mod plain {
    use super::*;

    static RUNS: AtomicUsize = AtomicUsize::new(0);

    #[zerocache::auto_zerocache("plain", 42)]
    async fn shout(text: &str, times: usize) -> String {
        RUNS.fetch_add(1, Relaxed);
        text.to_uppercase().repeat(times)
    }

    #[tokio::test]
    async fn a_call_runs_once_per_arguments() {
        let (_node, client) = region("plain").await;
        for _ in 0..3 {
            assert_eq!(shout("ab", 2).await, "ABAB");
        }
        assert_eq!(RUNS.load(Relaxed), 1);
        assert_eq!(shout("ab", 1).await, "AB");
        assert_eq!(RUNS.load(Relaxed), 2);
        assert_eq!(client.stats().writes, 2);
        // The key is where it is said to be.
        let key = [b"decorator::plain::shout|".as_slice(), &[2, b'a', b'b', 2]].concat();
        let stored = client.as_async().get(&key).await.unwrap();
        assert_eq!(stored.as_deref(), Some(&b"\x04ABAB"[..]));
        // What does not read as a value is as good as none.
        let put = client
            .as_async()
            .put(&key, "\u{7f}", Duration::from_secs(60));
        put.await.unwrap();
        assert_eq!(shout("ab", 2).await, "ABAB");
        assert_eq!(RUNS.load(Relaxed), 3);
    }
}

mod partial {
    use super::*;

    static RUNS: AtomicUsize = AtomicUsize::new(0);
    /// Neither stored nor read back.
    #[derive(Debug, PartialEq)]
    struct NoSuch(String);
    type Answer<T> = Result<T, NoSuch>;

    fn run(id: u32) -> Answer<u32> {
        RUNS.fetch_add(1, Relaxed);
        id.checked_sub(1).ok_or_else(|| NoSuch(format!("id {id}")))
    }

    #[zerocache::cached(region = "partial")]
    async fn answer(id: u32) -> Answer<u32> {
        let less = run(id)?;
        if less == 41 {
            return Ok(1000);
        }
        Ok(less)
    }

    #[zerocache::cached(region = "partial", ttl = Duration::from_secs(9))]
    fn option(id: u32) -> Option<u32> {
        let less = run(id).ok()?;
        Some(less)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn err_and_none_run_each_time() {
        let (_node, _client) = region("partial").await;
        for _ in 0..3 {
            assert_eq!(answer(0).await, Err(NoSuch("id 0".into())));
            assert_eq!(answer(1).await, Ok(0));
            assert_eq!(answer(42).await, Ok(1000));
        }
        assert_eq!(RUNS.swap(0, Relaxed), 3 + 1 + 1);
        // The blocking form, in an async task.
        for _ in 0..3 {
            assert_eq!(option(0), None);
            assert_eq!(option(1), Some(0));
        }
        assert_eq!(RUNS.load(Relaxed), 3 + 1);
    }
}

mod shapes {
    use super::*;
    use serde::{Deserialize, Serialize};

    const REGION: &str = "shapes";
    static RUNS: AtomicUsize = AtomicUsize::new(0);

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct User {
        id: u64,
        name: String,
    }

    struct A;
    struct B;

    impl A {
        #[zerocache::cached(region = REGION)]
        async fn load(id: u64) -> String {
            format!("A {id}")
        }
    }

    impl B {
        #[zerocache::cached(region = REGION)]
        async fn load(id: u64) -> String {
            format!("B {id}")
        }
    }

    #[zerocache::cached(region = REGION, ttl = 7_u32, key = user.id)]
    async fn rename(mut user: User, (a, b): (char, char), _: bool) -> User {
        RUNS.fetch_add(1, Relaxed);
        user.name = user.name.replace(a, &b.to_string());
        user
    }

    #[zerocache::cached(region = REGION)]
    async fn generic<T, const N: usize>(x: T) -> String
    where
        T: Serialize + std::fmt::Debug,
    {
        format!("{x:?} {N}")
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn patterns_generics_and_associated_functions() {
        let (_node, _client) = region("shapes").await;
        let user = User {
            id: 7,
            name: "abba".into(),
        };
        let renamed = User {
            id: 7,
            name: "xbbx".into(),
        };
        assert_eq!(rename(user.clone(), ('a', 'x'), true).await, renamed);
        // The key is the id alone.
        assert_eq!(rename(user, ('b', 'y'), true).await, renamed);
        assert_eq!(RUNS.load(Relaxed), 1);
        // Two of one name, in one module.
        assert_eq!(
            (A::load(1).await, B::load(1).await),
            ("A 1".into(), "B 1".into())
        );
        assert_eq!(generic::<_, 1>(1_u8).await, "1 1");
        assert_eq!(generic::<_, 2>(1_u8).await, "1 2");
        assert_eq!(generic::<_, 1>(true).await, "true 1");
        // Its futures are `Send`.
        assert_eq!(tokio::spawn(generic::<_, 1>('c')).await.unwrap(), "'c' 1");
    }
}

mod flight {
    use super::*;

    static RUNNING: AtomicUsize = AtomicUsize::new(0);
    static RUNS: AtomicUsize = AtomicUsize::new(0);

    #[zerocache::auto_zerocache("flight")]
    async fn slow(key: u32) -> u32 {
        assert_eq!(RUNNING.fetch_add(1, Relaxed), 0, "one at a time");
        tokio::time::sleep(Duration::from_millis(50)).await;
        RUNNING.fetch_sub(1, Relaxed);
        RUNS.fetch_add(1, Relaxed);
        key
    }

    #[zerocache::auto_zerocache("flight")]
    fn slow_thread(key: u32) -> u32 {
        std::thread::sleep(Duration::from_millis(50));
        RUNS.fetch_add(1, Relaxed);
        key
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn of_many_callers_one_runs_it() {
        let (_node, _client) = region("flight").await;
        let callers: Vec<_> = (0..32).map(|_| tokio::spawn(slow(1))).collect();
        for caller in callers {
            assert_eq!(caller.await.unwrap(), 1);
        }
        assert_eq!(RUNS.swap(0, Relaxed), 1);
        let threads: Vec<_> = (0..8)
            .map(|_| std::thread::spawn(|| slow_thread(1)))
            .collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), 1);
        }
        assert_eq!(RUNS.load(Relaxed), 1);
    }
}

mod handover {
    use super::*;

    static RUNS: AtomicUsize = AtomicUsize::new(0);
    static BEGUN: Notify = Notify::const_new();
    static PANIC: Notify = Notify::const_new();

    #[zerocache::auto_zerocache("handover")]
    async fn second_time_lucky(panics: bool) -> usize {
        let run = RUNS.fetch_add(1, Relaxed);
        if run == 0 {
            BEGUN.notify_one();
            PANIC.notified().await;
            assert!(!panics, "the first one does");
        }
        run
    }

    #[tokio::test]
    async fn when_the_one_that_runs_goes_the_next_runs() {
        let (_node, _client) = region("handover").await;
        for panics in [false, true] {
            RUNS.store(0, Relaxed);
            let first = tokio::spawn(second_time_lucky(panics));
            BEGUN.notified().await;
            let second = tokio::spawn(second_time_lucky(panics));
            tokio::time::sleep(Duration::from_millis(20)).await;
            assert_eq!(RUNS.load(Relaxed), 1);
            if panics {
                PANIC.notify_one();
            } else {
                first.abort();
            }
            assert_eq!(second.await.unwrap(), 1);
            assert_eq!(first.await.unwrap_err().is_panic(), panics);
            assert_eq!(second_time_lucky(panics).await, 1);
        }
    }
}

mod executors {
    use super::*;

    static RUNS: AtomicUsize = AtomicUsize::new(0);

    #[zerocache::auto_zerocache("executors")]
    async fn run() -> usize {
        RUNS.fetch_add(1, Relaxed)
    }

    /// The region's client is bound to none of them.
    #[test]
    fn one_after_the_other_and_without_one() {
        let runtime = || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            builder.enable_all().build().unwrap()
        };
        let nodes = tokio::runtime::Runtime::new().unwrap();
        let (_node, client) = nodes.block_on(region("executors"));
        for _ in 0..2 {
            assert_eq!(runtime().block_on(run()), 0);
            assert_eq!(smol::block_on(run()), 0);
            assert_eq!(blocking::block_on(run()), 0);
        }
        assert_eq!((client.stats().hits, client.stats().writes), (5, 1));
    }
}

mod expiry {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::{SocketAddr, TcpListener};
    use std::sync::mpsc::{Receiver, channel};

    #[zerocache::auto_zerocache("expiry", 0)]
    async fn least() -> u32 {
        1
    }

    #[zerocache::auto_zerocache("expiry", 999_999_999_999_999_999_999_999)]
    async fn most() -> u32 {
        2
    }

    #[zerocache::auto_zerocache("expiry")]
    async fn unsaid() -> u32 {
        3
    }

    #[tokio::test]
    async fn seconds_are_clamped() {
        let (lines, addr) = stock();
        let client = connect("expiry", &format!("expiry@{addr}"));
        client.as_async().ready().await.unwrap();
        decorator::set_client(client);
        assert_eq!((least().await, most().await, unsaid().await), (1, 2, 3));
        let lines: Vec<String> = lines.try_iter().collect();
        for (name, seconds) in [("least", 1), ("most", 99_999_999), ("unsaid", 60)] {
            let put = |line: &&String| line.starts_with("PUT") && line.contains(name);
            let asked = lines.iter().find(put).unwrap();
            assert!(asked.contains(&format!("expiry={seconds} ")), "{asked}");
        }
    }

    /// Something like a stock node that holds nothing; the request lines it is sent.
    fn stock() -> (Receiver<String>, SocketAddr) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let addr = listener.local_addr().unwrap();
        let (lines, asked) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = Vec::new();
                let mut buf = [0; 4096];
                // A request of this test is whole once it has a body of a byte, or needs none.
                let whole = |request: &[u8]| {
                    let head = request.windows(4).position(|w| w == b"\r\n\r\n");
                    head.is_some_and(|at| !request.starts_with(b"PUT") || request.len() > at + 4)
                };
                while !whole(&request) {
                    match stream.read(&mut buf) {
                        Ok(0) | Err(_) => break,
                        Ok(n) => request.extend_from_slice(&buf[..n]),
                    }
                }
                let text = String::from_utf8_lossy(&request);
                let line = text.lines().next().unwrap_or_default().to_owned();
                let answer = match line.split(' ').next() {
                    _ if line.contains(" /ping ") => "HTTP/1.0 200 OK\r\n\r\npong",
                    Some("PUT") => "HTTP/1.0 200 OK\r\n\r\n",
                    _ => "HTTP/1.0 404 Not Found\r\n\r\n",
                };
                lines.send(line).unwrap();
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        (asked, addr)
    }
}

mod open {
    use super::*;

    static RUNS: AtomicUsize = AtomicUsize::new(0);

    #[zerocache::auto_zerocache("open")]
    async fn run() -> usize {
        RUNS.fetch_add(1, Relaxed)
    }

    #[zerocache::cached(region = String::from("no region"))]
    fn nowhere() -> usize {
        RUNS.fetch_add(1, Relaxed)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn with_the_node_gone_functions_run() {
        let (node, client) = region("open").await;
        assert_eq!((run().await, run().await), (0, 0));
        node.shutdown().await;
        assert_eq!((run().await, run().await), (1, 2));
        client.as_async().shutdown().await;
        assert_eq!(run().await, 3);
        assert_eq!((nowhere(), nowhere()), (4, 5));
    }
}
