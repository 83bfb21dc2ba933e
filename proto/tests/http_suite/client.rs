//! The client's side.

use std::net::SocketAddr;

use bytes::Bytes;
use zerocache_proto::http::{ClientConn, ClientLimits, Error, Options, Outgoing, Response};
use zerocache_proto::{Instant, NodeId, Region, Version};

const NOW: Instant = Instant::ORIGIN;

fn host() -> SocketAddr {
    "10.0.0.1:6789".parse().unwrap()
}

fn region() -> Region {
    Region::new("london").unwrap()
}

fn get() -> Outgoing {
    Outgoing::get(host(), &region(), b"key", &Options::default())
}

pub(crate) fn write_all(conn: &mut ClientConn) -> Vec<u8> {
    let mut out = Vec::new();
    while !conn.write_buf().is_empty() {
        let n = conn.write_buf().len();
        out.extend_from_slice(conn.write_buf());
        conn.handle_written(NOW, n);
    }
    out
}

/// Gives bytes to the connection; how many it took.
pub(crate) fn receive(conn: &mut ClientConn, bytes: &[u8]) -> usize {
    let mut taken = 0;
    while taken < bytes.len() {
        let room = conn.read_buf();
        let n = room.len().min(bytes.len() - taken);
        if n == 0 {
            break;
        }
        room[..n].copy_from_slice(&bytes[taken..taken + n]);
        conn.handle_read(NOW, n);
        taken += n;
    }
    taken
}

fn with(request: Outgoing) -> ClientConn {
    let mut conn = ClientConn::new(ClientLimits::default());
    conn.send(request);
    write_all(&mut conn);
    conn
}

/// What becomes of a GET answered so, in pieces of `size`, then EOF if asked.
fn exchange(answer: &[u8], size: usize, eof: bool) -> (Option<Result<Response, Error>>, bool) {
    let mut conn = with(get());
    for piece in answer.chunks(size) {
        receive(&mut conn, piece);
    }
    if eof && !conn.read_buf().is_empty() {
        conn.handle_read(NOW, 0);
    }
    let response = conn.poll_response();
    (response, conn.is_reusable())
}

#[test]
fn requests_are_exactly_these_bytes() {
    let version = Version {
        clock: 0x0123_4567_89ab_cdef,
        node: NodeId::from_bits(0xa1b2_c3d4),
    };
    let options = Options {
        expiry: Some(60),
        local: true,
        spread: false,
        version: Some(version),
        node: Some("0000000a london 6789"),
        close: true,
    };
    let value = Bytes::from_static(b"value");
    let mut conn = ClientConn::new(ClientLimits::default());
    conn.send(Outgoing::put(
        host(),
        &region(),
        b"a b/%\xff",
        value,
        &options,
    ));
    let agent = concat!("User-Agent: zerocache/", env!("CARGO_PKG_VERSION"));
    let head = format!(
        "PUT /london/a%20b%2F%25%FF?expiry=60&recurse=0 HTTP/1.1\r\nHost: 10.0.0.1:6789\r\n{agent}\r\n\
         Zc-Version: 0123456789abcdef-a1b2c3d4\r\nZc-Node: 0000000a london 6789\r\n\
         Connection: close\r\nContent-Length: 5\r\n\r\n"
    );
    // A small value goes out in the same write.
    let whole = [head.as_bytes(), b"value"].concat();
    assert_eq!(conn.write_buf(), whole);
    conn.handle_written(NOW, whole.len());
    assert_eq!(conn.write_buf(), b"");

    let large = Bytes::from(vec![b'v'; 100_000]);
    let mut conn = ClientConn::new(ClientLimits::default());
    conn.send(Outgoing::put(
        host(),
        &region(),
        b"k",
        large.clone(),
        &options,
    ));
    let head = conn.write_buf().len();
    conn.handle_written(NOW, head);
    assert_eq!(
        conn.write_buf().as_ptr(),
        large.as_ptr(),
        "a large value is not copied"
    );
    assert_eq!(write_all(&mut conn), large);

    let plain = Options::default();
    let spread = Options {
        spread: true,
        ..plain
    };
    let text = |request: &Outgoing| String::from_utf8(request.head_bytes().to_vec()).unwrap();
    let empty = Outgoing::put(host(), &region(), b"k", Bytes::new(), &plain);
    assert!(text(&empty).ends_with("\r\nContent-Length: 0\r\n\r\n"));
    assert!(text(&get()).starts_with("GET /london/key HTTP/1.1\r\n"));
    assert!(!text(&get()).contains("Content-Length"));
    let delete = Outgoing::delete(host(), &region(), b"k", &spread);
    assert!(text(&delete).starts_with("DELETE /london/k?recurse=1 HTTP/1.1\r\n"));
    let ping = Outgoing::path(host(), "/ping", &plain);
    assert!(text(&ping).starts_with("GET /ping HTTP/1.1\r\n"));
    for (key, path) in [
        (".", "%2E"),
        ("..", "%2E%2E"),
        ("...", "..."),
        ("a.b", "a.b"),
        ("-._~", "-._~"),
        ("+&=;?#", "%2B%26%3D%3B%3F%23"),
    ] {
        let request = Outgoing::delete(host(), &region(), key.as_bytes(), &plain);
        assert!(
            text(&request).starts_with(&format!("DELETE /london/{path} HTTP/1.1\r\n")),
            "{key}"
        );
    }
    // What would end the field is left out.
    let options = Options {
        node: Some("a\r\nX: y"),
        ..Options::default()
    };
    assert!(!text(&Outgoing::path(host(), "/ping", &options)).contains("X: y"));
}

#[test]
fn responses_of_all_framings() {
    let node = Some(NodeId::from_bits(0xa));
    type Case = (&'static str, bool, u16, &'static str, Option<NodeId>, bool);
    let cases: [Case; 13] = [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nZc-Node: 0000000a\r\n\r\nvalue",
            false,
            200,
            "value",
            node,
            true,
        ),
        (
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
            false,
            404,
            "",
            None,
            true,
        ),
        (
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nv",
            false,
            200,
            "v",
            None,
            false,
        ),
        (
            "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nv",
            false,
            200,
            "v",
            None,
            false,
        ),
        (
            "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nv",
            false,
            200,
            "v",
            None,
            true,
        ),
        (
            "HTTP/1.0 200 OK\r\n\r\nvalue",
            true,
            200,
            "value",
            None,
            false,
        ),
        ("HTTP/1.1 200 OK\r\n\r\n", true, 200, "", None, false),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nval\r\n2\r\nue\r\n0\r\n\r\n",
            false,
            200,
            "value",
            None,
            true,
        ),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
            false,
            200,
            "",
            None,
            true,
        ),
        (
            "HTTP/1.1 204 No Content\r\n\r\n",
            false,
            204,
            "",
            None,
            true,
        ),
        (
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
            false,
            304,
            "",
            None,
            true,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nZc-Node: junk\r\n\r\nv",
            false,
            200,
            "v",
            None,
            true,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nZc-Node: 0000000a paris 1\r\n\r\nv",
            false,
            200,
            "v",
            node,
            true,
        ),
    ];
    for (answer, eof, status, body, node, keep_alive) in cases {
        for size in [1, 7, 10_000] {
            let (response, reusable) = exchange(answer.as_bytes(), size, eof);
            let expected = Response {
                status,
                body: Bytes::copy_from_slice(body.as_bytes()),
                node,
                keep_alive,
            };
            assert_eq!(response, Some(Ok(expected)), "{answer:?} by {size}");
            assert_eq!(reusable, keep_alive, "{answer:?} by {size}");
        }
    }
}

#[test]
fn head_is_answered_without_a_body() {
    let mut conn = with(Outgoing::head(host(), &region(), b"k", &Options::default()));
    receive(&mut conn, b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n");
    assert_eq!(conn.poll_response().unwrap().unwrap().body.len(), 0);
    assert!(conn.is_reusable());
}

#[test]
fn garbage_is_an_error() {
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(65));
    let long = format!("HTTP/1.1 200 OK\r\nA: {}", "x".repeat(16 * 1024));
    let interim = "HTTP/1.1 100 Continue\r\n\r\n".repeat(9);
    let cases = [
        ("SSH-2.0-OpenSSH\r\n", Error::Malformed),
        ("HTTP/2.0 200 OK\r\n\r\n", Error::Malformed),
        ("HTTP/1.1 abc OK\r\n\r\n", Error::Malformed),
        ("HTTP/1.1 099 OK\r\n\r\n", Error::Malformed),
        ("HTTP/1.1 101 Switching\r\n\r\n", Error::Malformed),
        ("HTTP/1.1 200 OK\n\r\n", Error::Malformed),
        ("HTTP/1.1 200 OK\r\nA : b\r\n\r\n", Error::Malformed),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nv",
            Error::Malformed,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nv",
            Error::Malformed,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            Error::Malformed,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            Error::Malformed,
        ),
        (
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            Error::Malformed,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
            Error::Malformed,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 16777217\r\n\r\n",
            Error::TooLarge,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1000001\r\n",
            Error::TooLarge,
        ),
        (&many, Error::TooLarge),
        (&long, Error::TooLarge),
        (&interim, Error::Malformed),
    ];
    for (answer, error) in cases {
        let shown = &answer[..answer.len().min(60)];
        for size in [1, 50, 100_000] {
            let (response, reusable) = exchange(answer.as_bytes(), size, false);
            assert_eq!(response, Some(Err(error)), "{shown:?} by {size}");
            assert!(!reusable, "{shown:?}");
        }
    }
}

#[test]
fn an_end_too_soon_is_an_error() {
    assert_eq!(exchange(b"", 1, true).0, Some(Err(Error::Closed)));
    for answer in [
        &b"HTTP/1.1 200"[..],
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nvalu",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nvalue\r\n",
    ] {
        assert_eq!(exchange(answer, 100, true).0, Some(Err(Error::Truncated)));
        assert_eq!(exchange(answer, 100, false).0, None);
    }
}

#[test]
fn a_body_until_the_close_is_bounded() {
    let limits = ClientLimits {
        max_body: 10_000,
        ..ClientLimits::default()
    };
    for (len, fits) in [(10_000, true), (10_001, false)] {
        let mut conn = ClientConn::new(limits);
        conn.send(get());
        write_all(&mut conn);
        receive(&mut conn, b"HTTP/1.0 200 OK\r\n\r\n");
        receive(&mut conn, &vec![1; len]);
        if !conn.read_buf().is_empty() {
            conn.handle_read(NOW, 0);
        }
        match conn.poll_response().unwrap() {
            Ok(response) => assert!(fits && response.body.len() == len),
            Err(error) => assert!(!fits && error == Error::TooLarge),
        }
    }
}

#[test]
fn a_large_body_is_read_to_its_place() {
    let body: Vec<u8> = (0..1 << 20).map(|i| (i % 251) as u8).collect();
    let mut conn = with(get());
    receive(
        &mut conn,
        b"HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n",
    );
    assert_eq!(conn.read_buf().len(), 16 << 10);
    receive(&mut conn, &body[..500_000]);
    assert_eq!(conn.read_buf().len(), (1 << 20) - 500_000);
    receive(&mut conn, &body[500_000..]);
    assert_eq!(conn.poll_response().unwrap().unwrap().body, body);
    assert!(conn.is_reusable());
    conn.release();
    assert_eq!(conn.buffered(), 0);
    conn.send(get());
    write_all(&mut conn);
    receive(
        &mut conn,
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    );
    assert_eq!(conn.poll_response().unwrap().unwrap().status, 404);
}

#[test]
fn bytes_nobody_asked_for_end_a_connection() {
    let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    // Behind a response.
    let (response, reusable) = exchange(&[&ok[..], b"HTTP"].concat(), 1000, false);
    assert!(response.unwrap().is_ok() && !reusable);
    // In between.
    let mut conn = with(get());
    receive(&mut conn, ok);
    assert!(conn.poll_response().unwrap().is_ok() && conn.is_reusable());
    receive(&mut conn, b"H");
    assert!(!conn.is_reusable());
    // An end in between.
    let mut conn = with(get());
    receive(&mut conn, ok);
    assert!(conn.poll_response().unwrap().is_ok());
    conn.read_buf();
    conn.handle_read(NOW, 0);
    assert!(!conn.is_reusable());
    conn.send(get());
    assert_eq!(conn.poll_response(), Some(Err(Error::Closed)));
    assert!(conn.write_buf().is_empty());
}

#[test]
fn an_answer_before_the_request_was_out_ends_the_connection() {
    let mut conn = ClientConn::new(ClientLimits::default());
    let value = Bytes::from(vec![0; 1 << 20]);
    conn.send(Outgoing::put(
        host(),
        &region(),
        b"k",
        value,
        &Options::default(),
    ));
    conn.handle_written(NOW, 1000);
    receive(
        &mut conn,
        b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n",
    );
    assert_eq!(conn.poll_response().unwrap().unwrap().status, 413);
    assert!(!conn.is_reusable());
    assert!(conn.write_buf().is_empty());
}

#[test]
fn one_exchange_at_a_time() {
    let mut conn = with(get());
    conn.send(get());
    assert_eq!(conn.poll_response(), Some(Err(Error::Closed)));
    assert!(!conn.is_reusable());
}
