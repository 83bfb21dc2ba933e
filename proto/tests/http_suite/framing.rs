//! Whatever two parsers could read differently is refused.

use crate::support::{Peer, play};

/// Refused with `status`, and nothing is handed out, then or later.
fn refused(script: &[u8], status: u16) {
    let shown = String::from_utf8_lossy(script);
    let mut peer = play(script);
    assert_eq!(peer.statuses(), [status], "{shown:?}");
    assert_eq!(
        peer.answers()[0].field("Connection"),
        Some("close"),
        "{shown:?}"
    );
    assert!(peer.conn.wants_linger(), "{shown:?}");
    peer.send("GET /smuggled/key HTTP/1.1\r\n\r\n");
    peer.eof();
    assert!(peer.seen.is_empty(), "{shown:?}");
    assert_eq!(peer.statuses(), [status], "{shown:?}");
    assert!(peer.conn.is_closed(), "{shown:?}");
}

#[test]
fn request_lines() {
    for line in [
        "GET /a/b HTTP/1.1\n\r\n",
        "GET  /a/b HTTP/1.1\r\n\r\n",
        "GET /a/b  HTTP/1.1\r\n\r\n",
        "GET /a/b HTTP/1.1 \r\n\r\n",
        "GET /a b HTTP/1.1\r\n\r\n",
        "GET\t/a/b\tHTTP/1.1\r\n\r\n",
        " GET /a/b HTTP/1.1\r\n\r\n",
        "GET /a/b\r\n\r\n",
        "GET /a/b \r\n\r\n",
        "GET /a/\0 HTTP/1.1\r\n\r\n",
        "GET /a/\x7f HTTP/1.1\r\n\r\n",
        "GET /a/b\rHTTP/1.1\r\n\r\n",
        "GET /a/b#c HTTP/1.1\r\n\r\n",
        "GET /a/b?c#d HTTP/1.1\r\n\r\n",
        "GET a/b HTTP/1.1\r\n\r\n",
        "GET * HTTP/1.1\r\n\r\n",
        "GET ?a HTTP/1.1\r\n\r\n",
        "CONNECT a:80 HTTP/1.1\r\n\r\n",
        "GET http:///a/b HTTP/1.1\r\n\r\n",
        "GET ftp://x/a/b HTTP/1.1\r\n\r\n",
        "GE(T /a/b HTTP/1.1\r\n\r\n",
        "GET /a/b HTTP/1.1\r\r\n\r\n",
        "GET /a/b http/1.1\r\n\r\n",
        "GET /a/b HTTP/1.x\r\n\r\n",
        "GET /a/b HTTP/11\r\n\r\n",
        "GET /a/b HTTP/1.10\r\n\r\n",
        "GET /a/b FTP/1.1\r\n\r\n",
        "\nGET /a/b HTTP/1.1\r\n\r\n",
        "\rGET /a/b HTTP/1.1\r\n\r\n",
        "\x16\x03\x01\x02\x00",
        "SSH-2.0-OpenSSH\r\n",
    ] {
        refused(line.as_bytes(), 400);
    }
    refused(b"GET /a/\xff HTTP/1.1\r\n\r\n", 400);
}

#[test]
fn versions() {
    for version in ["2.0", "0.9", "1.2", "3.0", "9.9"] {
        refused(format!("GET /a/b HTTP/{version}\r\n\r\n").as_bytes(), 505);
    }
    // The preface of HTTP/2 (RFC 9113 §3.4).
    refused(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505);
}

#[test]
fn header_fields() {
    for field in [
        "Name : value",
        "Name\t: value",
        " Name: value",
        "Name",
        ": value",
        "Na me: value",
        "Na\0me: value",
        "Name: va\0lue",
        "Name: va\x01lue",
        "Name: va\rlue",
        "Name: value\r\n folded",
        "Name: value\r\n\tfolded",
        "Name: value\nOther: value",
        "Host: a\r\nHost: a",
        "Host: a\r\nhost: b",
        "Zc-Version: 1",
        "Zc-Version: 0123456789abcdef-a1b2c3d4\r\nZc-Version: 0123456789abcdef-a1b2c3d4",
        "Zc-Node: a\r\nZc-Node: b",
    ] {
        refused(
            format!("GET /a/b HTTP/1.1\r\n{field}\r\n\r\n").as_bytes(),
            400,
        );
    }
    refused(b"GET /a/b HTTP/1.1\r\nName: value\n\r\n", 400);
    refused(b"GET /a/b HTTP/1.1\r\nName: value\r\n\n", 400);
    refused(
        b"PUT /a/b HTTP/1.1\r\nExpect: 200-ok\r\nContent-Length: 1\r\n\r\n",
        417,
    );
}

#[test]
fn tolerated_header_fields() {
    for field in [
        "Name: value \t",
        "Name:value",
        "Name:",
        "Name: caf\u{e9}",
        "Host:",
        "X-Zc-Version: 1",
    ] {
        let peer = play(format!("GET /a/b HTTP/1.1\r\n{field}\r\n\r\n"));
        assert_eq!(peer.statuses(), [200], "{field}");
    }
    assert_eq!(play("GET /a/b HTTP/1.1\r\n\r\n").statuses(), [200]);
    // An HTTP/1.0 client cannot mean it (RFC 9110 §10.1.1).
    let peer = play("PUT /a/b HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert!(peer.out.is_empty());
}

#[test]
fn ambiguous_lengths() {
    for fields in [
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 5",
        "Content-Length: +5",
        "Content-Length: -5",
        "Content-Length: 5_0",
        "Content-Length: 0x5",
        "Content-Length: 5.0",
        "Content-Length: 5 5",
        "Content-Length:",
        "Content-Length: five",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked;a=b",
        "Transfer-Encoding:",
        "Transfer-Encoding: \"chunked\"",
    ] {
        let script = format!("PUT /a/b HTTP/1.1\r\n{fields}\r\n\r\n0\r\n\r\n");
        refused(script.as_bytes(), 400);
    }
    refused(
        b"PUT /a/b HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    );
}

#[test]
fn malformed_chunks() {
    for body in [
        "\r\n",
        "5\r\nvalueX\r\n0\r\n\r\n",
        "5\r\nvalue\n0\r\n\r\n",
        "5\r\nvalue0\r\n\r\n",
        "5\nvalue\r\n0\r\n\r\n",
        "5\r\nvalue\r\r\n0\r\n\r\n",
        "0x5\r\nvalue\r\n0\r\n\r\n",
        "+5\r\nvalue\r\n0\r\n\r\n",
        "-5\r\nvalue\r\n0\r\n\r\n",
        "5_0\r\nvalue\r\n0\r\n\r\n",
        " 5\r\nvalue\r\n0\r\n\r\n",
        "5 \r\nvalue\r\n0\r\n\r\n",
        "5 5\r\nvalue\r\n0\r\n\r\n",
        "5;\r\nvalue\r\n0\r\n\r\n",
        "5;a\nb\r\nvalue\r\n0\r\n\r\n",
        "5;a\rb\r\nvalue\r\n0\r\n\r\n",
        "5;a\0\r\nvalue\r\n0\r\n\r\n",
        "5;=b\r\nvalue\r\n0\r\n\r\n",
        "g\r\nvalue\r\n0\r\n\r\n",
        ";a=b\r\nvalue\r\n0\r\n\r\n",
        "0\r\nName\r\n\r\n",
        "0\r\nName : value\r\n\r\n",
        "0\r\n folded\r\n\r\n",
        "0\r\nName: va\0lue\r\n\r\n",
        "0\r\nName: value\n\r\n",
        "0\r\nName: value\r\n\n",
        "0\r\n\n",
        "0\n\r\n",
    ] {
        let script = format!("PUT /a/b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        refused(script.as_bytes(), 400);
    }
}

#[test]
fn well_formed_chunks() {
    for (body, value) in [
        ("0\r\n\r\n", ""),
        ("000\r\n\r\n", ""),
        ("5\r\nvalue\r\n0\r\n\r\n", "value"),
        ("0005\r\nvalue\r\n0\r\n\r\n", "value"),
        ("2\r\nva\r\n1\r\nl\r\n2\r\nue\r\n0\r\n\r\n", "value"),
        ("A\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
        (
            "a;n=v;m=\"q; r\"\r\n0123456789\r\n0;last\r\n\r\n",
            "0123456789",
        ),
        ("a ; n\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
        ("5\r\n\r\n\r\n0\r\n0\r\n\r\n", "\r\n\r\n0"),
        ("0\r\nExpires: never\r\nX:\r\n\r\n", ""),
    ] {
        let head = "PUT /a/b HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n";
        let peer = play(format!("{head}{body}GET /a/c HTTP/1.1\r\n\r\n"));
        assert_eq!(peer.statuses(), [200, 200], "{body:?}");
        assert_eq!(peer.seen[0].body, value.as_bytes(), "{body:?}");
    }
}

#[test]
fn a_fault_behind_good_requests_takes_nothing_from_them() {
    let mut peer = Peer::new();
    peer.send("GET /a/b HTTP/1.1\r\n\r\nGET /a/c HTTP/1.1\r\nbad\r\n\r\nGET /a/d HTTP/1.1\r\n\r\n");
    assert_eq!(peer.statuses(), [200, 400]);
    assert_eq!(peer.seen.len(), 1);
}
