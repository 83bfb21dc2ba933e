//! A host that lies, and counts what it gets for it.

use std::net::{Ipv4Addr, SocketAddrV4};

use serde_json::{Value, json};

use crate::failure::{Failure, Outcome};
use crate::lab::Host;
use crate::process::Driver;
use crate::python::script;

/// What a service answers.
#[derive(Clone, Copy, Debug)]
pub struct Answers<'a> {
    /// To `GET /ping`: a whole response.
    pub ping: &'a str,
    /// To anything else.
    pub other: &'a str,
}

/// The response of a node to `GET /ping`.
pub const PONG: &str = "HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\npong";
/// The response of a node to a write.
pub const DONE: &str = "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n";

/// One announcement, true or not.
#[derive(Clone, Copy, Debug)]
pub struct Lie<'a> {
    /// Eight hex digits.
    pub id: &'a str,
    /// The TXT record's `region`.
    pub region: &'a str,
    /// Where the node is said to be.
    pub at: SocketAddrV4,
    /// The source of the datagram: an address, if not the host's, and a port.
    pub from: (Option<Ipv4Addr>, u16),
    /// Whom it is sent to, if not the group.
    pub to: Option<Ipv4Addr>,
    /// Seconds; 0 is a goodbye.
    pub ttl: u32,
    /// The TTL of the multicast packet.
    pub hops: u8,
}

/// What came to a service.
#[derive(Clone, Debug, Default)]
pub struct Noted {
    /// Connections made.
    pub connections: u64,
    /// The first line of each request.
    pub requests: Vec<String>,
    /// Bytes of requests in all.
    pub bytes: u64,
}

/// What came back to a resolver's questions.
#[derive(Clone, Debug, Default)]
pub struct Echo {
    /// The bytes of one question.
    pub asked: u64,
    /// The bytes of each answer.
    pub answers: Vec<u64>,
    /// How long it was listened for, milliseconds.
    pub millis: u64,
}

/// The host.
#[derive(Debug)]
pub struct Stranger {
    driver: Driver,
}

impl<'a> Lie<'a> {
    /// As a node of london announces itself.
    #[must_use]
    pub const fn new(id: &'a str, at: SocketAddrV4) -> Self {
        Self {
            id,
            region: "london",
            at,
            from: (None, 5353),
            to: None,
            ttl: 120,
            hops: 255,
        }
    }
}

impl Noted {
    /// Whether nothing came but questions whether a node is there, one at least.
    #[must_use]
    pub fn only_pings(&self) -> bool {
        let ping = |line: &String| line.starts_with("GET /ping ");
        !self.requests.is_empty() && self.requests.iter().all(ping)
    }

    /// How many values came.
    #[must_use]
    pub fn values(&self) -> usize {
        let puts = self.requests.iter();
        puts.filter(|line| line.starts_with("PUT ")).count()
    }
}

impl Stranger {
    /// One on a host.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(host: &Host) -> Outcome<Self> {
        let mut command = host.command("python3");
        command.arg(script("stranger.py"));
        command.arg(host.address().to_string());
        let (driver, _) = Driver::spawn(command, "stranger", &host.log("stranger"))?;
        Ok(Self { driver })
    }

    /// Has it listen.
    ///
    /// # Errors
    /// When it can not.
    pub fn listen(&mut self, at: SocketAddrV4, answers: Answers<'_>) -> Outcome {
        let Answers { ping, other } = answers;
        let (ip, port) = (at.ip().to_string(), at.port());
        let wanted = json!({"op": "listen", "at": ip, "port": port, "ping": ping, "other": other});
        self.driver.ask(&wanted).map(|_| ())
    }

    /// Has it announce something, once.
    ///
    /// # Errors
    /// When it can not.
    pub fn announce(&mut self, lie: Lie<'_>) -> Outcome {
        let text = |address: Option<Ipv4Addr>| address.map(|address| address.to_string());
        let wanted = json!({
            "op": "announce",
            "name": lie.id,
            "region": lie.region,
            "at": lie.at.ip().to_string(),
            "port": lie.at.port(),
            "source": text(lie.from.0),
            "source_port": lie.from.1,
            "to": text(lie.to),
            "ttl": lie.ttl,
            "hops": lie.hops,
        });
        self.driver.ask(&wanted).map(|_| ())
    }

    /// What came to one of its services so far.
    ///
    /// # Errors
    /// When there is no such service.
    pub fn noted(&mut self, at: SocketAddrV4) -> Outcome<Noted> {
        let (ip, port) = (at.ip().to_string(), at.port());
        let wanted = json!({"op": "noted", "at": ip, "port": port});
        let answer = Value::Object(self.driver.ask(&wanted)?);
        let lines = answer["requests"].as_array().into_iter().flatten();
        Ok(Noted {
            connections: number(&answer["connections"])?,
            requests: lines.filter_map(Value::as_str).map(str::to_owned).collect(),
            bytes: number(&answer["bytes"])?,
        })
    }

    /// Sends one request as it is; the first line of the answer.
    ///
    /// # Errors
    /// When there is none.
    pub fn say(&mut self, to: SocketAddrV4, text: &str) -> Outcome<String> {
        let (ip, port) = (to.ip().to_string(), to.port());
        let wanted = json!({"op": "say", "to": ip, "port": port, "text": text});
        let answer = self.driver.ask(&wanted)?;
        let line = answer.get("line").and_then(Value::as_str);
        Ok(line.unwrap_or_default().to_owned())
    }

    /// Asks a node for nodes, by unicast and so often, as a resolver does that knows no multicast DNS.
    ///
    /// # Errors
    /// When it can not.
    pub fn ask(&mut self, node: Ipv4Addr, times: u32) -> Outcome<Echo> {
        let wanted = json!({"op": "ask", "to": node.to_string(), "times": times});
        let answer = Value::Object(self.driver.ask(&wanted)?);
        let answers = answer["answers"].as_array().into_iter().flatten();
        Ok(Echo {
            asked: number(&answer["asked"])?,
            answers: answers.map(number).collect::<Outcome<_>>()?,
            millis: number(&answer["millis"])?,
        })
    }
}

fn number(value: &Value) -> Outcome<u64> {
    let number = value.as_u64();
    number.ok_or_else(|| Failure(format!("{value} where a number should be")))
}
