//! The least of HTTP that measures a node: one request after the other, on a kept connection.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

use zerocache_interop::{Failure, Outcome};

use crate::lab::Host;

/// No answer is waited for longer: far beyond what any bound allows.
const PATIENCE: Duration = Duration::from_secs(10);

/// So many requests are sent before the first answer is read.
const FLIGHT: usize = 64;

/// A client's way to one node, from one host.
pub(crate) struct Conn {
    host: Host,
    address: SocketAddrV4,
    stream: Option<BufReader<TcpStream>>,
}

/// An answer.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    /// From before the request, and the connection if one had to be made, to the last byte.
    pub(crate) took: Duration,
}

impl Conn {
    /// None is made yet.
    pub(crate) fn new(host: &Host, address: SocketAddrV4) -> Self {
        Self {
            host: host.clone(),
            address,
            stream: None,
        }
    }

    /// One request and its answer. A kept connection that has gone is made anew, once.
    pub(crate) fn ask(&mut self, method: &str, target: &str, body: &[u8]) -> Outcome<Reply> {
        let began = Instant::now();
        let mut request = self.head(method, target, body.len()).into_bytes();
        request.extend_from_slice(body);
        let answer = self.exchange(&request, 1).map_err(|Failure(why)| {
            let waited = began.elapsed();
            let to = self.address;
            Failure(format!(
                "{method} {target} at {to}: {why}, after {waited:.0?}"
            ))
        })?;
        let (status, body) = answer
            .into_iter()
            .next()
            .ok_or_else(|| Failure::new("no answer"))?;
        Ok(Reply {
            status,
            body,
            took: began.elapsed(),
        })
    }

    /// Many GETs in a few flights, which costs a busy machine fewer turns; statuses and bodies.
    pub(crate) fn read_all(&mut self, targets: &[String]) -> Outcome<Vec<(u16, Vec<u8>)>> {
        let mut answers = Vec::new();
        for flight in targets.chunks(FLIGHT) {
            let requests: String = flight.iter().map(|t| self.head("GET", t, 0)).collect();
            answers.extend(self.exchange(requests.as_bytes(), flight.len())?);
        }
        Ok(answers)
    }

    /// Sends requests at once and reads their answers; on a new connection if the kept one has gone.
    fn exchange(&mut self, requests: &[u8], count: usize) -> Outcome<Vec<(u16, Vec<u8>)>> {
        if let Some(stream) = self.stream.take() {
            if let Ok(answers) = self.attempt(stream, requests, count) {
                return Ok(answers);
            }
        }
        let stream = self.open()?;
        self.attempt(stream, requests, count)
    }

    fn attempt(
        &mut self,
        mut stream: BufReader<TcpStream>,
        requests: &[u8],
        count: usize,
    ) -> Outcome<Vec<(u16, Vec<u8>)>> {
        stream.get_mut().write_all(requests)?;
        let mut answers = Vec::new();
        let mut keep = true;
        for _ in 0..count {
            let (status, body, kept) = read(&mut stream)?;
            answers.push((status, body));
            keep = kept;
        }
        if keep {
            self.stream = Some(stream);
        }
        Ok(answers)
    }

    fn open(&self) -> Outcome<BufReader<TcpStream>> {
        let stream = self.host.connect(self.address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(BufReader::new(stream))
    }

    fn head(&self, method: &str, target: &str, length: usize) -> String {
        format!(
            "{method} {target} HTTP/1.1\r\nHost: {}\r\nContent-Length: {length}\r\n\r\n",
            self.address
        )
    }
}

fn read(stream: &mut BufReader<TcpStream>) -> Outcome<(u16, Vec<u8>, bool)> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|word| word.parse().ok());
    let status = status.ok_or_else(|| Failure(format!("answered {line:?}")))?;
    let (mut length, mut keep) = (0, line.starts_with("HTTP/1.1"));
    loop {
        line.clear();
        if stream.read_line(&mut line)? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse()?,
            "connection" => keep &= !value.trim().eq_ignore_ascii_case("close"),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok((status, body, keep))
}
