//! What connections allocate: nothing for a warm GET, a value's memory once for a PUT.

use allocation_counter::measure;
use bytes::Bytes;
use zerocache_proto::Instant;
use zerocache_proto::http::{Body, HttpDate, Limits, Method, ServerConn, Status, Target};
use zerocache_store::Value;

const NOW: Instant = Instant::ORIGIN;
const MIB: usize = 1 << 20;

/// What a driver does with a read's worth of requests.
fn turn(conn: &mut ServerConn, script: &[u8], value: Value<'_>) -> Option<Bytes> {
    let mut stored = None;
    let mut rest = script;
    while !rest.is_empty() {
        let room = conn.read_buf();
        let n = room.len().min(rest.len());
        room[..n].copy_from_slice(&rest[..n]);
        conn.handle_read(NOW, n);
        rest = &rest[n..];
        while let Some((request, responder)) = conn.poll_request(NOW) {
            let target = Target::parse(request.path, request.query);
            let found = target.is_ok_and(|target| target.key().is_ok_and(|key| key.is_some()));
            match (request.method, request.body) {
                (Method::Put, Body::Owned(body)) => {
                    stored = Some(body);
                    responder.status(Status::Ok);
                }
                (Method::Get, _) if found => responder.value(value),
                _ => responder.status(Status::NotFound),
            }
        }
        while !conn.write_buf().is_empty() {
            let n = conn.write_buf().len();
            conn.handle_written(NOW, n);
        }
    }
    stored
}

fn warm() -> ServerConn {
    let mut conn = ServerConn::new(NOW, Limits::default());
    conn.set_date(HttpDate::from_unix_seconds(784_111_777));
    conn
}

#[test]
fn a_warm_get_allocates_nothing() {
    let get = "GET /london/some-key HTTP/1.1\r\nHost: 10.0.0.1:6789\r\nUser-Agent: \
               python-requests/2.34.2\r\nAccept-Encoding: gzip, deflate\r\nAccept: */*\r\n\
               Connection: keep-alive\r\n\r\n";
    let small = [7; 128];
    let shared = Bytes::from(vec![7; 60_000]);
    let large = Bytes::from(vec![7; MIB]);
    // The first clone of a `Bytes` made from a `Vec` sets its counter up.
    drop((shared.clone(), large.clone()));
    let cases = [
        (get.to_owned(), Value::Inline(&small)),
        (get.repeat(16), Value::Inline(&small)),
        (get.replace("some", "none/none"), Value::Inline(&small)),
        (get.to_owned(), Value::Shared(&shared)),
        (get.to_owned(), Value::Shared(&large)),
    ];
    for (script, value) in cases {
        let mut conn = warm();
        turn(&mut conn, script.as_bytes(), value);
        let cost = measure(|| {
            for _ in 0..1000 {
                turn(&mut conn, script.as_bytes(), value);
            }
        });
        assert_eq!(cost.count_total, 0, "{cost:?}");
    }
}

#[test]
fn a_small_put_allocates_nothing_here() {
    let script = format!(
        "PUT /a/b HTTP/1.1\r\nContent-Length: 4096\r\n\r\n{}",
        "v".repeat(4096)
    );
    let mut conn = warm();
    turn(&mut conn, script.as_bytes(), Value::Inline(b""));
    let cost = measure(|| {
        for _ in 0..1000 {
            turn(&mut conn, script.as_bytes(), Value::Inline(b""));
        }
    });
    assert_eq!(cost.count_total, 0, "{cost:?}");
}

/// Every byte is read to the place where it stays, but for those the allocation held when it grew:
/// 16, 64 and 256 KiB of a MiB. So the memory asked for, all sizes together, is that of the value
/// plus what was copied, and that is less than the value.
#[test]
fn a_large_put_copies_its_value_at_most_once() {
    let mut conn = warm();
    turn(&mut conn, b"GET /a/b HTTP/1.1\r\n\r\n", Value::Inline(b"v"));
    let head = format!("PUT /a/b HTTP/1.1\r\nContent-Length: {MIB}\r\n\r\n");
    let script = [head.as_bytes(), &vec![7; MIB]].concat();
    let mut stored = None;
    let cost = measure(|| stored = turn(&mut conn, &script, Value::Inline(b"")));
    let stored = stored.unwrap();
    assert_eq!(stored, script[head.len()..]);
    let copied = cost.bytes_total - MIB as u64;
    assert!(copied < MIB as u64 / 3 + 4096, "{cost:?}");
    assert!(cost.bytes_max < MIB as u64 * 5 / 4 + 4096, "{cost:?}");
    // What is kept is the value and no more: nothing is shrunk or copied at the end.
    let kept = cost.bytes_current;
    assert!((MIB as i64..MIB as i64 + 64).contains(&kept), "{cost:?}");
    let cost = measure(|| drop(stored));
    assert_eq!(cost.bytes_current, -(MIB as i64), "{cost:?}");
}

#[test]
fn an_idle_connection_holds_nothing() {
    let cost = measure(|| {
        let mut conn = warm();
        turn(&mut conn, b"GET /a/b HTTP/1.1\r\n\r\n", Value::Inline(b"v"));
        let due = conn.poll_timeout().unwrap();
        conn.handle_timeout(due);
        assert!(conn.is_idle());
        core::mem::forget(conn);
    });
    assert!(cost.count_total > 0);
    assert_eq!(cost.bytes_current, 0, "{cost:?}");
}
