//! Plain blocking sockets, and answers as bytes.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// The longest anything is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A connection on which no read or write waits for ever.
pub(crate) fn open(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Reads until the peer closes or resets.
pub(crate) fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let (mut all, mut part) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut part) {
            Ok(0) => return all,
            Ok(n) => all.extend_from_slice(&part[..n]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return all,
            Err(error) => panic!("after {:?}: {error}", String::from_utf8_lossy(&all)),
        }
    }
}

/// One request over a connection of its own; all that comes until it is closed.
pub(crate) fn raw(addr: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = open(addr);
    // It may be refused, and the connection closed, before all is written.
    let _ = stream.write_all(request);
    rest(&mut stream)
}

/// `method target` with `body`: status and body of the answer.
pub(crate) fn http(addr: SocketAddr, method: &str, target: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let mut request = format!(
        "{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    let answer = raw(addr, &request);
    let (answer, _) = Answer::parse(&answer, method == "HEAD").unwrap_or_else(|| {
        panic!("{method} {target}: {:?}", String::from_utf8_lossy(&answer));
    });
    (answer.status, answer.body)
}

/// An answer, without its interim ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The head, status line included, as it came.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The first whole answer in `bytes`, if there is one, and where it ends.
    pub(crate) fn parse(bytes: &[u8], to_head: bool) -> Option<(Self, usize)> {
        let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.split(' ').nth(1)?.parse().ok()?;
        if (100..200).contains(&status) {
            return Self::parse(&bytes[end..], to_head).map(|(answer, at)| (answer, end + at));
        }
        let mut answer = Self {
            status,
            head,
            body: Vec::new(),
        };
        let length = match answer.field("content-length") {
            Some(length) if !to_head => length.parse().ok()?,
            _ => 0,
        };
        answer.body = bytes.get(end..end + length)?.to_vec();
        Some((answer, end + length))
    }

    /// The value of a header field, by its name in lower case.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

/// Reads one answer; nothing must follow it but what `left` keeps for the next.
pub(crate) fn read_answer(stream: &mut TcpStream, left: &mut Vec<u8>, to_head: bool) -> Answer {
    let mut part = [0; 16 << 10];
    loop {
        if let Some((answer, end)) = Answer::parse(left, to_head) {
            left.drain(..end);
            return answer;
        }
        match stream.read(&mut part) {
            Ok(n) if n > 0 => left.extend_from_slice(&part[..n]),
            end => panic!(
                "{end:?} where an answer should be, after {:?}",
                String::from_utf8_lossy(left)
            ),
        }
    }
}
