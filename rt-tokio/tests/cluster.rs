//! Nodes and clients on real sockets: writes spread, dead nodes do not matter.

mod common;

use common::{blocking, builder, client, formed, http, join, node, peer, routable, until};
use std::io::Read as _;
use std::net::TcpListener;
use std::time::{Duration, Instant};
use zerocache_tokio::{Client, Error};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_through_any_node_is_read_at_every_node() {
    let a = node("london", &[]);
    let b = node("london", &[&a]);
    let c = node("london", &[&a]);
    formed(&[&a, &b, &c]).await;
    let addrs = [a.addr(), b.addr(), c.addr()];
    blocking(move || {
        for (i, writer) in addrs.iter().enumerate() {
            let target = format!("/london/key-{i}");
            let value = format!("value {i}").into_bytes();
            assert_eq!(
                http(*writer, "PUT", &format!("{target}?expiry=60"), &value).0,
                200
            );
            for reader in addrs {
                assert_eq!(http(reader, "GET", &target, b""), (200, value.clone()));
            }
            assert_eq!(http(*writer, "DELETE", &target, b"").0, 200);
            for reader in addrs {
                assert_eq!(http(reader, "GET", &target, b"").0, 404);
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_reaches_every_region_and_is_deleted_in_all() {
    let london = node("london", &[]);
    let paris = node("paris", &[&london]);
    let paris2 = node("paris", &[&london]);
    let tokyo = node("tokyo", &[&london]);
    formed(&[&london, &paris, &paris2, &tokyo]).await;
    let writer = client("london", london.addr()).await;
    writer.put("k", "v", MINUTE).await.unwrap();
    for node in [&paris, &paris2, &tokyo] {
        let (addr, region) = (node.addr(), node.region().clone());
        let target = format!("/{region}/k");
        until("the other regions have it", || {
            http(addr, "GET", &target, b"").0 == 200
        })
        .await;
    }
    // Deleted where it was not written, through a client of another region.
    let deleter = client("tokyo", tokyo.addr()).await;
    deleter.delete("k").await.unwrap();
    for node in [&london, &paris, &paris2, &tokyo] {
        let addr = node.addr();
        until("it is gone everywhere", || {
            http(addr, "GET", "/london/k", b"").0 == 404
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_keep_the_writers_expiry() {
    let a = node("london", &[]);
    let b = node("london", &[&a]);
    let c = node("paris", &[&a]);
    formed(&[&a, &b, &c]).await;
    client("london", a.addr())
        .await
        .put("k", "v", Duration::from_secs(1))
        .await
        .unwrap();
    let addrs = [a.addr(), b.addr(), c.addr()];
    for addr in addrs {
        until("each has a copy", || {
            http(addr, "GET", "/london/k", b"").0 == 200
        })
        .await;
    }
    for addr in addrs {
        until("each copy dies", || {
            http(addr, "GET", "/london/k", b"").0 == 404
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_node_fails_no_write_and_no_read() {
    let a = node("london", &[]);
    let b = node("london", &[&a]);
    let c = node("london", &[&a]);
    formed(&[&a, &b, &c]).await;
    let client = client("london", a.addr()).await;
    until("the client knows all", || {
        client.nodes().iter().filter(|n| n.routable).count() == 3
    })
    .await;
    b.kill();
    for i in 0..12 {
        let key = format!("key-{i}");
        client.put(&key, key.clone(), MINUTE).await.unwrap();
        assert_eq!(
            client.get(&key).await.unwrap().as_deref(),
            Some(key.as_bytes())
        );
    }
    until("the dead node is out of routing", || {
        routable(&a) == 1 && routable(&c) == 1
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relaunched_node_is_the_same_one_and_gets_what_it_missed() {
    let a = node("london", &[]);
    let b = node("london", &[&a]);
    formed(&[&a, &b]).await;
    let (id, addr) = (b.id(), b.addr());
    b.kill();
    let client = client("london", a.addr()).await;
    client.put("missed", "v", MINUTE).await.unwrap();
    until("it is out of routing", || routable(&a) == 0).await;
    client.put("missed later", "v", MINUTE).await.unwrap();
    until("its port is free again", || {
        std::net::TcpListener::bind(addr).is_ok()
    })
    .await;
    let again = join(builder("london").port(addr.port()), &[&a]);
    assert_eq!(again.id(), id);
    for target in ["/london/missed", "/london/missed%20later"] {
        until("what it missed arrives", || {
            http(addr, "GET", target, b"").0 == 200
        })
        .await;
    }
    assert_eq!(a.peers().len(), 1, "no dead twin");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_goodbye_is_final_and_shutdown_is_quick() {
    let a = node("london", &[]);
    let b = node("london", &[&a]);
    formed(&[&a, &b]).await;
    let begun = Instant::now();
    b.shutdown().await;
    assert!(begun.elapsed() < Duration::from_secs(3));
    assert!(
        std::net::TcpStream::connect(b.addr()).is_err(),
        "it no longer listens"
    );
    client("london", a.addr())
        .await
        .put("k", "v", MINUTE)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_that_stall_reset_or_talk_nonsense_disturb_nobody() {
    let mut nodes = builder("london").ack(zerocache_proto::op::Ack::Region);
    for answer in [
        &b""[..],
        b"SSH-2.0-nonsense\r\n\r\n",
        &[b'x'; 100_000],
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n",
    ] {
        let bad = hostile(answer);
        nodes = nodes.peer(format!("london@{bad}").parse().unwrap());
    }
    let a = nodes.start().unwrap();
    let b = node("london", &[&a]);
    until("the good peer is routable", || {
        routable(&a) >= 1 && routable(&b) >= 1
    })
    .await;
    let client = client("london", a.addr()).await;
    for i in 0..20 {
        let begun = Instant::now();
        let key = format!("key-{i}");
        client.put(&key, "v", MINUTE).await.unwrap();
        assert!(
            begun.elapsed() < Duration::from_millis(1000),
            "{:?}",
            begun.elapsed()
        );
        assert_eq!(http(b.addr(), "GET", &format!("/london/{key}"), b"").0, 200);
    }
}

#[expect(clippy::unwrap_used, reason = "a helper of tests")]
/// A server that answers every connection with `answer`; with nothing, it stalls.
fn hostile(answer: &'static [u8]) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut stalled = Vec::new();
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            if answer.is_empty() {
                stalled.push(stream);
            } else {
                let _ = std::io::Write::write_all(&mut stream, answer);
            }
        }
    });
    addr
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_not_be_done_is_said_with_every_attempt() {
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let alone: Client = Client::builder("london")
        .mdns(false)
        .peer(peer(nobody))
        .connect()
        .unwrap();
    assert!(matches!(alone.get("k").await, Err(Error::Unreachable(_))));
    assert!(matches!(
        alone.get("").await,
        Err(Error::InvalidKey { len: 0 })
    ));
    assert!(matches!(
        alone.get([0; 4097]).await,
        Err(Error::InvalidKey { len: 4097 })
    ));
    alone.shutdown().await;
    assert!(matches!(alone.get("k").await, Err(Error::ShutDown)));

    let small = builder("london").max_value(1000).start().unwrap();
    let client = client("london", small.addr()).await;
    client.put("k", "v", MINUTE).await.unwrap();
    let error = client.put("k", vec![0; 1001], MINUTE).await.unwrap_err();
    let told = error.to_string();
    assert!(
        matches!(error, Error::Refused { status: 413, .. }),
        "{told}"
    );
    assert!(
        told.contains(&small.id().to_string()) && told.contains("london"),
        "{told}"
    );
    assert_eq!(
        client.get("k").await.unwrap().as_deref(),
        Some(&b"v"[..]),
        "what was stored stays"
    );
}

#[tokio::test]
async fn a_node_runs_on_a_single_thread_too() {
    let a = node("london", &[]);
    let b = node("london", &[&a]);
    formed(&[&a, &b]).await;
    let client = client("london", b.addr()).await;
    client.put("k", vec![7; 1 << 20], MINUTE).await.unwrap();
    assert_eq!(
        client.get("k").await.unwrap().map(|v| v.len()),
        Some(1 << 20)
    );
    assert!(client.delete("k").await.unwrap());
    assert_eq!(client.get("k").await.unwrap(), None);
}

#[tokio::test]
async fn a_taken_port_is_an_error_and_announces_nothing() {
    let a = node("london", &[]);
    let error = builder("london").port(a.addr().port()).start();
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains(&a.addr().to_string())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nodes_first_words_to_a_static_peer_tell_of_the_node() {
    for _ in 0..20 {
        let seed = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = seed.local_addr().unwrap();
        let node = builder("london").peer(peer(addr)).start().unwrap();
        let head = blocking(move || {
            let mut heard = [0; 1024];
            let n = seed.accept().unwrap().0.read(&mut heard).unwrap();
            String::from_utf8_lossy(&heard[..n]).into_owned()
        })
        .await;
        let hello = format!("Zc-Node: {} london {}\r\n", node.id(), node.addr().port());
        assert!(head.contains(&hello), "{head}");
        node.kill();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_given_up_at_any_moment_harms_no_other() {
    let a = node("london", &[]);
    let client = client("london", a.addr()).await;
    client.put("kept", "kept", MINUTE).await.unwrap();
    for polls in 0..200 {
        // Dropped after so many polls: before it began, half-way, or when it was done.
        let key = format!("key-{}", polls % 7);
        let mut put = Box::pin(client.put(&key, vec![polls as u8; 200_000], MINUTE));
        let mut get = Box::pin(client.get("kept"));
        let (mut stored, mut read) = (false, false);
        for _ in 0..polls % 5 {
            stored = stored || futures_poll(&mut put).await;
            read = read || futures_poll(&mut get).await;
            tokio::task::yield_now().await;
        }
        drop((put, get));
        assert_eq!(
            client.get("kept").await.unwrap().as_deref(),
            Some(&b"kept"[..]),
            "{polls}"
        );
    }
    client.put("after", "after", MINUTE).await.unwrap();
    assert_eq!(
        client.get("after").await.unwrap().as_deref(),
        Some(&b"after"[..])
    );
}

/// Polls `future` once.
async fn futures_poll<F: Future + Unpin>(future: &mut F) -> bool {
    std::future::poll_fn(|cx| {
        std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_ready())
    })
    .await
}
