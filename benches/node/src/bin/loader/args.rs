//! The command line: `--name value`, nothing else.

use crate::protocol::Protocol;
use std::net::SocketAddr;
use std::time::Duration;

pub(crate) const USAGE: &str = "\
loader --server HOST:PORT [--pid PID] [--protocol http|memcached|meta|resp] [--mode get|mix|put]
       [--value BYTES] [--keys N] [--connections N] [--depth N] [--rate REQUESTS_PER_SECOND]
       [--warm-up SECONDS] [--seconds SECONDS | --requests N] [--fill KEYS] [--hold CONNECTIONS] [--reconnect]

Loads a server from one thread and prints what was seen, as one line of JSON. Every answer's status and length
are checked. With --pid: the processor time of all of the server's threads, and its memory.

--fill puts that many keys, each once, and measures that. --hold opens that many connections, asks each one thing
and leaves them idle. --depth requests leave in one write, the next ones when all their answers are there. With
--rate, requests leave when they are due, and are timed from then. --reconnect makes each batch a connection of its
own, for servers that close after each answer.";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Get,
    /// Nine gets to a put.
    Mix,
    Put,
    /// Each key once, in order.
    Fill,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    Time(Duration),
    Requests(u64),
}

pub(crate) struct Args {
    pub(crate) server: SocketAddr,
    pub(crate) pid: Option<u32>,
    pub(crate) protocol: Protocol,
    pub(crate) mode: Mode,
    pub(crate) value: usize,
    pub(crate) keys: u32,
    pub(crate) connections: usize,
    pub(crate) depth: u32,
    pub(crate) rate: Option<f64>,
    pub(crate) warm_up: Duration,
    pub(crate) until: Until,
    pub(crate) hold: usize,
    pub(crate) reconnect: bool,
}

impl Args {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut server = None;
        let mut args = Self {
            server: SocketAddr::from(([127, 0, 0, 1], 0)),
            pid: None,
            protocol: Protocol::Http,
            mode: Mode::Get,
            value: 128,
            keys: 1_000,
            connections: 16,
            depth: 1,
            rate: None,
            warm_up: Duration::from_millis(100),
            until: Until::Time(Duration::from_secs(1)),
            hold: 0,
            reconnect: false,
        };
        while let Some(name) = words.next() {
            if name == "--reconnect" {
                args.reconnect = true;
                continue;
            }
            let word = words.next().ok_or_else(|| format!("{name} of what?"))?;
            let unknown = || format!("{name} {word}?");
            match name.as_str() {
                "--server" => server = Some(word.parse().map_err(|_| unknown())?),
                "--pid" => args.pid = Some(number(&word)?),
                "--protocol" => args.protocol = Protocol::named(&word).ok_or_else(unknown)?,
                "--mode" => args.mode = Mode::named(&word).ok_or_else(unknown)?,
                "--value" => args.value = number(&word)?,
                "--keys" => args.keys = number(&word)?,
                "--connections" => args.connections = number(&word)?,
                "--depth" => args.depth = number(&word)?,
                "--rate" => args.rate = Some(number(&word)?),
                "--warm-up" => args.warm_up = seconds(&word)?,
                "--seconds" => args.until = Until::Time(seconds(&word)?),
                "--requests" => args.until = Until::Requests(number(&word)?),
                "--fill" => {
                    args.keys = number(&word)?;
                    args.mode = Mode::Fill;
                    args.warm_up = Duration::ZERO;
                    args.until = Until::Requests(args.keys.into());
                }
                "--hold" => args.hold = number(&word)?,
                _ => return Err(unknown()),
            }
        }
        args.server = server.ok_or("--server is missing")?;
        if args.connections == 0 || args.keys == 0 || !(1..=64).contains(&args.depth) {
            return Err("out of bounds".to_owned());
        }
        Ok(args)
    }
}

impl Mode {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "get" => Self::Get,
            "mix" => Self::Mix,
            "put" => Self::Put,
            _ => return None,
        })
    }
}

fn number<N: std::str::FromStr>(word: &str) -> Result<N, String> {
    word.parse().map_err(|_| format!("{word} is no number"))
}

fn seconds(word: &str) -> Result<Duration, String> {
    let seconds = number(word)?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
