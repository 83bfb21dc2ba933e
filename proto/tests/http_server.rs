//! The server's side of a connection, played as byte scripts.

use zerocache_proto::Instant;
use zerocache_proto::http::{Limits, ServerConn, Status};

#[test]
fn smoke() {
    let mut conn = ServerConn::new(Instant::ORIGIN, Limits::default());
    let script = b"GET /a/b HTTP/1.1\r\nHost: x\r\n\r\nGET /a/c HTTP/1.1\r\n\r\n";
    conn.read_buf()[..script.len()].copy_from_slice(script);
    conn.handle_read(Instant::ORIGIN, script.len());
    let mut seen = Vec::new();
    while let Some((request, responder)) = conn.poll_request(Instant::ORIGIN) {
        seen.push(request.path.to_vec());
        responder.status(Status::NotFound);
    }
    assert_eq!(seen, [b"/a/b", b"/a/c"]);
    let out = String::from_utf8(conn.write_buf().to_vec()).unwrap();
    assert_eq!(
        out,
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".repeat(2)
    );
}
