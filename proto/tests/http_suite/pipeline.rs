//! Many exchanges over one connection.

use zerocache_proto::http::{ClientLimits, End, Pipeline};

/// A connection over which as many requests were sent, `0..`.
fn with(requests: u32) -> Pipeline<u32> {
    let mut conn = Pipeline::new(ClientLimits::default());
    for tag in 0..requests {
        let refused = conn.push(tag, |tag, out| out.extend(format!("<{tag}>").bytes()));
        assert_eq!(refused, None);
    }
    write(&mut conn);
    conn
}

fn write(conn: &mut Pipeline<u32>) -> Vec<u8> {
    let out = conn.write_buf().to_vec();
    conn.handle_written(out.len());
    out
}

/// Gives it bytes, as far as it takes them; what was answered.
fn receive(conn: &mut Pipeline<u32>, bytes: &[u8]) -> Vec<(u32, u16)> {
    let mut answers = Vec::new();
    let mut taken = 0;
    while taken < bytes.len() {
        let room = conn.read_buf();
        let n = room.len().min(bytes.len() - taken);
        if n == 0 {
            break;
        }
        room[..n].copy_from_slice(&bytes[taken..taken + n]);
        conn.handle_read(n);
        answers.extend(std::iter::from_fn(|| conn.poll_answer()));
        taken += n;
    }
    answers
}

fn rest(conn: &mut Pipeline<u32>) -> Vec<u32> {
    conn.take_unanswered().collect()
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

#[test]
fn requests_leave_together_and_answers_belong_to_them_by_order() {
    let mut conn = Pipeline::new(ClientLimits::default());
    for tag in 0..3 {
        conn.push(tag, |tag, out| out.extend(format!("<{tag}>").bytes()));
    }
    assert_eq!(write(&mut conn), b"<0><1><2>");
    assert_eq!((conn.len(), conn.unsent()), (3, 0));
    let answers = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n\
                   HTTP/1.1 103 Early Hints\r\n\r\n\
                   HTTP/1.1 409 Conflict\r\nContent-Length: 10\r\n\r\ntoo early\n\
                   HTTP/1.1 204 No Content\r\n\r\n";
    for size in 1..=answers.len() {
        let mut conn = with(3);
        let mut seen = Vec::new();
        for piece in answers.as_bytes().chunks(size) {
            seen.extend(receive(&mut conn, piece));
        }
        assert_eq!(seen, [(0, 200), (1, 409), (2, 204)], "in pieces of {size}");
        assert_eq!((conn.len(), conn.end()), (0, None));
    }
}

#[test]
fn what_the_socket_takes_in_pieces_is_sent_once() {
    let mut conn = Pipeline::new(ClientLimits::default());
    let mut out = Vec::new();
    for tag in 0..100 {
        conn.push(tag, |tag, out| out.extend(format!("<{tag}>").bytes()));
        let n = conn.write_buf().len().min(3);
        out.extend_from_slice(&conn.write_buf()[..n]);
        conn.handle_written(n);
    }
    out.extend(write(&mut conn));
    let all: String = (0..100).map(|tag| format!("<{tag}>")).collect();
    assert_eq!(String::from_utf8(out).unwrap(), all);
}

#[test]
fn a_request_that_is_nothing_is_handed_back() {
    let mut conn = with(1);
    assert_eq!(conn.push(7, |_, _| {}), Some(7));
    assert_eq!((conn.len(), conn.unsent()), (1, 0));
}

#[test]
fn a_peer_that_closes_answers_one_and_the_others_are_unanswered() {
    for answer in [
        "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\nuntil the end",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        let mut conn = with(3);
        let mut answers = receive(&mut conn, answer.as_bytes());
        answers.extend(receive(&mut conn, OK.as_bytes()));
        assert_eq!(answers, [(0, 200)], "{answer}");
        assert_eq!(conn.end(), Some(End::Refused));
        assert!(conn.read_buf().is_empty() && conn.write_buf().is_empty());
        assert_eq!(conn.push(9, |_, out| out.push(b'x')), Some(9));
        assert_eq!(rest(&mut conn), [1, 2]);
    }
}

#[test]
fn an_answer_before_the_request_was_out_is_the_last() {
    let mut conn = Pipeline::new(ClientLimits::default());
    for tag in 0..2 {
        conn.push(tag, |_, out| out.extend_from_slice(b"0123456789"));
    }
    conn.handle_written(15);
    let two = OK.repeat(2);
    assert_eq!(receive(&mut conn, two.as_bytes()), [(0, 200), (1, 200)]);
    assert_eq!(conn.end(), Some(End::Refused));
}

#[test]
fn a_connection_that_breaks_leaves_what_it_has_not_answered() {
    for part in [0, 1, 20, OK.len() - 1] {
        let mut conn = with(3);
        let answers = format!("{OK}{}", &OK[..part]);
        assert_eq!(receive(&mut conn, answers.as_bytes()), [(0, 200)]);
        conn.handle_read(0);
        assert_eq!(conn.poll_answer(), None);
        assert_eq!(conn.end(), Some(End::Closed));
        assert_eq!(rest(&mut conn), [1, 2], "after {part} bytes of an answer");
    }
}

#[test]
fn garbage_ends_it() {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(20 << 10));
    for garbage in [
        "hello\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        &"HTTP/1.1 100 Continue\r\n\r\n".repeat(9),
        &long,
    ] {
        let mut conn = with(3);
        let answers = format!("{OK}{garbage}{OK}");
        assert_eq!(receive(&mut conn, answers.as_bytes()), [(0, 200)]);
        assert_eq!(conn.end(), Some(End::Malformed));
        assert_eq!(rest(&mut conn), [1, 2]);
    }
}

#[test]
fn so_does_an_answer_that_nobody_waits_for() {
    let mut conn = with(2);
    let three = OK.repeat(3);
    assert_eq!(receive(&mut conn, three.as_bytes()), [(0, 200), (1, 200)]);
    assert_eq!(conn.end(), Some(End::Malformed));
    let mut idle = with(0);
    assert_eq!(receive(&mut idle, b"H"), []);
    assert_eq!(idle.end(), Some(End::Malformed));
}

#[test]
fn a_head_that_only_resembles_the_one_before_is_read_anew() {
    let mut conn = with(4);
    let answers = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n\
                   HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n\
                   HTTP/1.1 200 OK\r\nContent-Length: 01\r\n\r\nx\
                   HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let statuses = [(0, 200), (1, 200), (2, 200), (3, 200)];
    assert_eq!(receive(&mut conn, answers.as_bytes()), statuses);
    assert_eq!(conn.end(), Some(End::Refused));
}

#[test]
fn an_idle_one_holds_no_buffer_once_told() {
    let mut conn = with(1);
    receive(&mut conn, OK.as_bytes());
    assert!(conn.buffered() > 0);
    conn.release();
    assert_eq!(conn.buffered(), 0);
}
