//! `link`: the way to a peer, whose connections come, stall, break, and bring what they like. Each request
//! comes to one end, in its time; what is written is whole requests, none twice on a connection.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use zerocache_proto::http::{ClientLimits, Host};
use zerocache_proto::link::{Action, Link, LinkLimits, Parcel};
use zerocache_proto::{Failure, Instant};

use crate::checked::Checked;

const STEPS: usize = 300;
/// No sooner than this does it come to rest by itself.
const MOST_TURNS: usize = 10_000;
/// Small, so that few requests reach every one of them.
const LIMITS: LinkLimits = LinkLimits {
    depth: 4,
    unsent: 40,
    waiting: 8,
    idle: Duration::from_secs(45),
    client: ClientLimits {
        max_head: 600,
        max_headers: 8,
        max_body: 1_500,
        read_buffer: 256,
    },
};
/// Bytes of the longest request.
const LONGEST: usize = 16;
const KEPT: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const CLOSED: &[u8] = b"HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// What may happen.
#[derive(Arbitrary, Debug)]
enum Step<'a> {
    Push {
        shares: bool,
        nothing: bool,
        ms: u16,
    },
    Connected,
    Failed(Failure),
    /// So many answers, in pieces of so many bytes.
    Answers {
        count: u8,
        piece: u8,
    },
    /// The last answer of this connection.
    Refusal,
    Bytes(&'a [u8]),
    Eof,
    Written(u8),
    Milliseconds(u16),
    Timer,
}

/// A request: its number between angle brackets, or nothing at all.
#[derive(Clone)]
struct Ask {
    n: u32,
    shares: bool,
    nothing: bool,
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.n)
    }
}

impl Parcel for Ask {
    fn may_share(&self) -> bool {
        self.shares
    }

    fn write_to(&self, _: Instant, _: &Host, out: &mut Vec<u8>) {
        if !self.nothing {
            out.extend(format!("<{}>", self.n).bytes());
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Conn {
    Closed,
    Connecting,
    Open,
}

struct World {
    link: Checked<Link<Ask>>,
    now: Instant,
    conn: Conn,
    /// What this connection has taken.
    written: Vec<u8>,
    pushed: u32,
    /// The time that each request has which has not come to its end.
    pending: BTreeMap<u32, Instant>,
}

/// One link and what happens to it.
pub(crate) fn run(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let mut world = World {
        link: Checked::new(Link::new(([10, 0, 0, 1], 6789).into(), LIMITS)),
        now: Instant::from_millis(1),
        conn: Conn::Closed,
        written: Vec::new(),
        pushed: 0,
        pending: BTreeMap::new(),
    };
    let mut steps = 0;
    while !u.is_empty() && steps < STEPS {
        steps += 1;
        let Ok(step) = u.arbitrary() else {
            break;
        };
        world.step(step);
    }
    world.end();
}

impl World {
    fn step(&mut self, step: Step<'_>) {
        let now = self.now;
        match step {
            Step::Push {
                shares,
                nothing,
                ms,
            } => self.push(shares, nothing, ms),
            Step::Connected if self.conn == Conn::Connecting => {
                self.conn = Conn::Open;
                self.link.handle_connected(now);
            }
            // Late news of a connection that nobody wants any more.
            Step::Connected => self.link.handle_connected(now),
            // That one is the link's own word, which is looked at below.
            Step::Failed(Failure::TimedOut) => {}
            Step::Failed(why) => {
                if self.conn == Conn::Connecting {
                    self.conn = Conn::Closed;
                }
                self.link.handle_failed(now, why);
            }
            Step::Answers { count, piece } => {
                let bytes = KEPT.repeat(usize::from(count % 8));
                self.receive(&bytes, usize::from(piece));
            }
            Step::Refusal => self.receive(CLOSED, usize::MAX),
            Step::Bytes(bytes) => self.receive(bytes, usize::MAX),
            Step::Eof => self.link.handle_read(now, 0),
            Step::Written(count) => self.write(usize::from(count)),
            Step::Milliseconds(ms) => {
                self.now = now + Duration::from_millis(ms.into());
                self.link.handle_timeout(self.now);
            }
            Step::Timer => {
                self.now = self.link.poll_timeout().unwrap_or(now).max(now);
                self.link.handle_timeout(self.now);
            }
        }
        self.obey();
    }

    fn push(&mut self, shares: bool, nothing: bool, ms: u16) {
        self.pushed += 1;
        let n = self.pushed;
        let deadline = self.now + Duration::from_millis(ms.into());
        self.pending.insert(n, deadline);
        let ask = Ask { n, shares, nothing };
        self.link.push(self.now, ask, deadline);
    }

    fn receive(&mut self, mut bytes: &[u8], piece: usize) {
        while !bytes.is_empty() {
            let room = self.link.read_buf();
            assert!(room.is_empty() || self.conn == Conn::Open, "reads too soon");
            let count = room.len().min(bytes.len()).min(piece.max(1));
            if count == 0 {
                return;
            }
            room[..count].copy_from_slice(&bytes[..count]);
            bytes = &bytes[count..];
            self.link.handle_read(self.now, count);
            self.obey();
        }
    }

    fn write(&mut self, count: usize) {
        let count = count.min(self.link.write_buf().len());
        if count > 0 {
            self.written
                .extend_from_slice(&self.link.write_buf()[..count]);
            self.link.handle_written(self.now, count);
        }
    }

    /// Does what it wants done, and takes its reports.
    fn obey(&mut self) {
        while let Some(action) = self.link.poll_action() {
            match action {
                Action::Connect => {
                    assert_eq!(self.conn, Conn::Closed, "two connections");
                    self.conn = Conn::Connecting;
                    self.written.clear();
                }
                Action::Close => {
                    assert_ne!(self.conn, Conn::Closed, "closes nothing");
                    self.conn = Conn::Closed;
                }
                Action::Alone { parcel, .. } => self.over(parcel.n),
            }
        }
        while let Some((ask, result)) = self.link.poll_report() {
            let late = result == Err(Failure::TimedOut);
            // Whatever comes when its time is over is not even looked at.
            assert!(ask.shares || late, "{ask:?} is none of its business");
            if let (true, Some(time)) = (late, self.pending.get(&ask.n)) {
                assert!(*time <= self.now, "{ask:?} is given up early");
            }
            self.over(ask.n);
        }
        let unsent = self.link.write_buf().len();
        assert!(unsent == 0 || self.conn == Conn::Open, "writes too soon");
        assert!(unsent < LIMITS.unsent + LONGEST, "{unsent} bytes unsent");
        let most = LIMITS.waiting + LIMITS.depth;
        assert!(self.pending.len() <= most, "too many wait");
        self.whole();
    }

    fn over(&mut self, n: u32) {
        assert!(self.pending.remove(&n).is_some(), "#{n} ends twice");
    }

    /// Whether what is written and is to be written is requests, each once.
    fn whole(&self) {
        let unsent = self.link.write_buf();
        let bytes = [&self.written[..], unsent].concat();
        if self.conn != Conn::Open || bytes.is_empty() {
            return;
        }
        let text = std::str::from_utf8(&bytes).expect("our own text");
        let mut seen = BTreeSet::new();
        for request in text.split_inclusive('>') {
            let number = request.strip_prefix('<').and_then(|n| n.strip_suffix('>'));
            let number: u32 = number.and_then(|n| n.parse().ok()).expect("a whole one");
            assert!(number <= self.pushed && seen.insert(number), "{text}");
        }
    }

    /// Without a word from the peer, all comes to its end.
    fn end(&mut self) {
        for _ in 0..MOST_TURNS {
            if self.link.is_idle() {
                break;
            }
            self.step(Step::Timer);
        }
        assert!(self.link.is_idle(), "never rests");
        assert!(self.pending.is_empty(), "{:?} forgotten", self.pending);
        assert_eq!(self.link.poll_timeout(), None);
    }
}
