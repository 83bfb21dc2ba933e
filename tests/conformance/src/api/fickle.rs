//! A peer of ours, to all appearances, that does with its connections what it should not.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use zerocache_proto::cache::{Config, NewRecord, NewValue, Shards as _, Unsharded};
use zerocache_proto::http::Reply;
use zerocache_proto::sync::Query;
use zerocache_proto::{Duration, Instant, NodeId, Now, Region};

/// What it does, and to which copy of each connection's.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Temper {
    /// Hangs up instead of answering every third one.
    Breaks,
    /// Answers every sixteenth one with nonsense.
    Babbles,
    /// Hangs up after answering every third one, and says so.
    Closes,
    /// Speaks HTTP/1.0 with all of them.
    IsOld,
    /// Takes its time over what it holds altogether, and tells of each key that it is its own value.
    Ponders,
}

/// The peer.
pub(crate) struct Fickle {
    pub(crate) addr: SocketAddr,
    taken: Arc<Mutex<BTreeSet<String>>>,
}

impl Fickle {
    pub(crate) fn new(temper: Temper) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let taken = Arc::new(Mutex::new(BTreeSet::new()));
        let shared = taken.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(stream), taken) = (stream, shared.clone()) else {
                    return;
                };
                thread::spawn(move || serve(&stream, temper, addr, &taken));
            }
        });
        Self { addr, taken }
    }

    /// How many different keys it has taken.
    pub(crate) fn taken(&self) -> usize {
        self.taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }
}

fn serve(
    stream: &TcpStream,
    temper: Temper,
    addr: SocketAddr,
    taken: &Mutex<BTreeSet<String>>,
) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let (kept, mut writer) = ("HTTP/1.1 200 OK\r\nContent-Length: ", stream);
    let mut copies = 0;
    loop {
        let target = request(&mut reader)?;
        let text = match target.as_str() {
            "/ping" => "pong".to_owned(),
            "/_zc/1/members" => format!("0000f1c1 london {addr} zc\n"),
            _ => String::new(),
        };
        if !text.is_empty() {
            let length = text.len();
            write!(writer, "{kept}{length}\r\nZc-Node: 0000f1c1\r\n\r\n{text}").ok()?;
            continue;
        }
        if matches!(temper, Temper::Ponders) && target.starts_with("/_zc/") {
            if let Some(page) = single(&target) {
                let length = page.len();
                write!(writer, "{kept}{length}\r\nZc-Node: 0000f1c1\r\n\r\n").ok()?;
                writer.write_all(&page).ok()?;
            }
            continue;
        }
        if target.starts_with("/_zc/") {
            // It has nothing to compare.
            write!(
                writer,
                "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
            )
            .ok()?;
            continue;
        }
        copies += 1;
        let answer = match temper {
            Temper::Breaks if copies % 3 == 0 => return None,
            Temper::Babbles if copies % 16 == 0 => {
                return writer.write_all(b"nonsense\r\n\r\n").ok();
            }
            Temper::Closes if copies % 3 == 0 => {
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
            }
            Temper::IsOld => "HTTP/1.0 200 OK\r\n\r\n",
            _ => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        };
        let key = target.split('?').next().unwrap_or_default();
        taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key.to_owned());
        writer.write_all(answer.as_bytes()).ok()?;
        if answer.contains("close") || answer.contains("1.0") {
            return None;
        }
    }
}

/// The answer to a question for a single key, if this is one.
fn single(target: &str) -> Option<Vec<u8>> {
    let query = Query::records(target.split_once('?')?.1.as_bytes())?;
    let Query::Key { key } = &query else {
        return None;
    };
    let region = Region::new("london").unwrap();
    let now = Now {
        mono: Instant::from_millis(1),
        unix_ms: 1_700_000_000_000,
    };
    let shards = Unsharded::new(Config::new(region.clone(), NodeId::from_bits(0xf1c1)));
    let (hash, record) = (
        shards.hash(key),
        NewRecord {
            value: NewValue::Copy(key),
            ttl: Duration::from_secs(60),
            origin: &region,
            version: None,
        },
    );
    let written = shards.with(hash, |shard| shard.put(now, hash, key, record));
    assert!(written.is_ok_and(|written| written.applied));
    match query.answer(now, &shards, false) {
        Reply::Page(_, _, page) => Some(page.to_vec()),
        _ => None,
    }
}

/// The target of the next request.
fn request(reader: &mut BufReader<&TcpStream>) -> Option<String> {
    let (mut target, mut length) = (None, 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("Content-Length: ") {
            length = value.parse().ok()?;
        }
        target = target.or_else(|| line.split(' ').nth(1).map(str::to_owned));
    }
    reader.read_exact(&mut vec![0; length]).ok()?;
    target
}
