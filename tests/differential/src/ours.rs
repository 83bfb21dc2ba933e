//! The core's reading.

use crate::Message;
use zerocache_proto::Instant;
use zerocache_proto::http::{Limits, Method, ServerConn, Status};

/// Each request in `bytes`, and where it ends if they come one by one.
pub(crate) fn read(bytes: &[u8], one_by_one: bool) -> Vec<(Message, usize)> {
    let mut conn = ServerConn::new(Instant::ORIGIN, Limits::default());
    let (mut messages, mut sent) = (Vec::new(), 0);
    while sent < bytes.len() {
        let room = conn.read_buf();
        let most = if one_by_one { 1 } else { usize::MAX };
        let n = room.len().min(bytes.len() - sent).min(most);
        if n == 0 {
            break;
        }
        room[..n].copy_from_slice(&bytes[sent..sent + n]);
        conn.handle_read(Instant::ORIGIN, n);
        sent += n;
        serve(&mut conn, sent, &mut messages);
    }
    messages
}

fn serve(conn: &mut ServerConn, sent: usize, messages: &mut Vec<(Message, usize)>) {
    loop {
        while let Some((request, responder)) = conn.poll_request(Instant::ORIGIN) {
            let message = Message {
                method: match request.method {
                    Method::Get => Some("GET"),
                    Method::Head => Some("HEAD"),
                    Method::Put => Some("PUT"),
                    Method::Delete => Some("DELETE"),
                    Method::Other => None,
                },
                path: request.path.to_vec(),
                query: request.query.map(<[u8]>::to_vec),
                body: request.body.to_vec(),
            };
            messages.push((message, sent));
            responder.status(Status::NotFound);
        }
        let n = conn.write_buf().len();
        if n == 0 {
            return;
        }
        conn.handle_written(Instant::ORIGIN, n);
    }
}
