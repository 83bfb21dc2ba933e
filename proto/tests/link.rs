//! The way to one peer: what shares its connection, and what becomes of it when that breaks.

mod checked;

use checked::Checked;
use proptest::prelude::*;
use std::fmt;
use zerocache_proto::http::Host;
use zerocache_proto::link::{Action, Link, LinkLimits, Parcel};
use zerocache_proto::{Duration, Failure, Instant};

/// A request, by its number.
#[derive(Clone, PartialEq, Eq)]
struct Ask {
    n: u32,
    shares: bool,
    /// There is nothing to ask for from then on.
    until: Instant,
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
    fn write_to(&self, now: Instant, _: &Host, out: &mut Vec<u8>) {
        if now < self.until {
            out.extend(format!("<{}>", self.n).bytes());
        }
    }
}

fn ask(n: u32) -> Ask {
    Ask {
        n,
        shares: true,
        until: Instant::from_millis(1_000_000),
    }
}

const KEPT: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const CLOSED: &str = "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n";

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// A link, its driver, and the log of what it has it do.
struct Way {
    link: Checked<Link<Ask>>,
    log: Vec<String>,
    now: Instant,
}

impl Way {
    fn new() -> Self {
        Self::with(LinkLimits::default())
    }

    fn with(limits: LinkLimits) -> Self {
        Self {
            link: Checked::new(Link::new(([10, 0, 0, 1], 6789).into(), limits)),
            log: Vec::new(),
            now: at(0),
        }
    }

    /// One to a peer that is known to keep its connection.
    fn open() -> Self {
        Self::open_with(LinkLimits::default())
    }

    fn open_with(limits: LinkLimits) -> Self {
        let mut way = Self::with(limits);
        way.push(0);
        way.connected();
        way.receive(KEPT);
        assert_eq!(way.log(), ["connect", "<0>", "#0 200"]);
        way
    }

    /// Does what the link asks for, and notes it; so it is for what it tells.
    fn turn(&mut self) {
        while let Some(action) = self.link.poll_action() {
            self.log.push(match action {
                Action::Connect => "connect".to_owned(),
                Action::Close => "close".to_owned(),
                Action::Alone { parcel, .. } => format!("alone {parcel:?}"),
            });
        }
        let out = self.link.write_buf().to_vec();
        if !out.is_empty() {
            self.link.handle_written(self.now, out.len());
            self.log.push(String::from_utf8(out).expect("text"));
        }
        while let Some((ask, result)) = self.link.poll_report() {
            self.log.push(match result {
                Ok(answered) => format!("{ask:?} {}", answered.status),
                Err(why) => format!("{ask:?} {why:?}"),
            });
        }
        if !self.link.write_buf().is_empty() {
            self.turn();
        }
    }

    fn push(&mut self, n: u32) {
        self.push_ask(ask(n));
    }

    fn push_ask(&mut self, ask: Ask) {
        self.link
            .push(self.now, ask, self.now + Duration::from_millis(500));
        self.turn();
    }

    /// Several before the driver has its turn.
    fn push_all(&mut self, numbers: std::ops::Range<u32>) {
        for n in numbers {
            let deadline = self.now + Duration::from_millis(500);
            self.link.push(self.now, ask(n), deadline);
        }
        self.turn();
    }

    fn connected(&mut self) {
        self.link.handle_connected(self.now);
        self.turn();
    }

    fn receive(&mut self, bytes: &str) {
        let mut bytes = bytes.as_bytes();
        while !bytes.is_empty() {
            let room = self.link.read_buf();
            let n = room.len().min(bytes.len());
            if n == 0 {
                break;
            }
            room[..n].copy_from_slice(&bytes[..n]);
            self.link.handle_read(self.now, n);
            bytes = &bytes[n..];
        }
        self.turn();
    }

    fn eof(&mut self) {
        self.link.handle_read(self.now, 0);
        self.turn();
    }

    fn failed(&mut self, why: Failure) {
        self.link.handle_failed(self.now, why);
        self.turn();
    }

    /// Lets time pass, and fires what is due on the way.
    fn wait_until(&mut self, end: u64) {
        let end = at(end);
        while let Some(due) = self.link.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.link.handle_timeout(self.now);
            self.turn();
        }
        self.now = end;
        self.link.handle_timeout(end);
        self.turn();
    }

    fn log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }
}

#[test]
fn requests_that_meet_share_one_write() {
    let mut way = Way::open();
    way.push_all(1..4);
    assert_eq!(way.log(), ["<1><2><3>"]);
    way.push(4);
    way.receive(&KEPT.repeat(2));
    assert_eq!(way.log(), ["<4>", "#1 200", "#2 200"]);
    way.receive(&KEPT.repeat(2));
    assert_eq!(way.log(), ["#3 200", "#4 200"]);
}

#[test]
fn a_way_at_rest_wakes_nobody_even_if_a_buffer_is_taken_again() {
    let mut way = Way::open();
    assert!(!way.link.rests());
    way.wait_until(1_000);
    assert!(way.link.rests());
    // As one does who tries a read before it waits.
    assert!(!way.link.read_buf().is_empty());
    let idle = LinkLimits::default().idle;
    assert_eq!(way.link.poll_timeout(), Some(at(0) + idle));
    way.push(1);
    assert!(!way.link.rests());
    way.receive(KEPT);
    let released = way.now + Duration::from_secs(1);
    assert_eq!(way.link.poll_timeout(), Some(released));
}

#[test]
fn a_peer_first_has_to_show_that_it_keeps_connections() {
    let mut way = Way::new();
    way.push_all(0..3);
    assert_eq!(way.log(), ["connect"]);
    way.connected();
    assert_eq!(way.log(), ["<0>"]);
    way.receive(KEPT);
    assert_eq!(way.log(), ["<1><2>", "#0 200"]);
}

#[test]
fn one_that_does_not_gets_each_over_a_connection_of_its_own() {
    let mut way = Way::new();
    way.push_all(0..4);
    way.connected();
    way.receive(CLOSED);
    assert_eq!(way.log(), ["connect", "<0>", "close", "connect", "#0 200"]);
    way.connected();
    way.receive(CLOSED);
    assert_eq!(
        way.log(),
        ["<1>", "close", "alone #2", "alone #3", "#1 200"]
    );
    way.push(4);
    assert_eq!(way.log(), ["alone #4"]);
    // It may be another one after a while.
    way.wait_until(10_000);
    way.push(5);
    assert_eq!(way.log(), ["connect"]);
}

#[test]
fn an_answer_of_http_1_0_among_many_is_the_last() {
    let mut way = Way::open();
    way.push_all(1..4);
    way.receive(&format!("{KEPT}{CLOSED}"));
    assert_eq!(
        way.log(),
        ["<1><2><3>", "close", "connect", "#1 200", "#2 200"]
    );
    way.connected();
    way.receive(KEPT);
    assert_eq!(way.log(), ["<3>", "#3 200"]);
}

#[test]
fn what_may_not_share_goes_alone() {
    let mut way = Way::open();
    let mut long = ask(1);
    long.shares = false;
    way.push_ask(long);
    way.push(2);
    assert_eq!(way.log(), ["alone #1", "<2>"]);
}

#[test]
fn where_there_is_nothing_left_to_ask_nothing_is_asked() {
    let mut way = Way::new();
    let mut short = ask(1);
    short.until = at(20);
    way.push_ask(short);
    way.push(2);
    way.now = at(30);
    way.connected();
    assert_eq!(way.log(), ["connect", "<2>", "#1 200"]);
}

#[test]
fn a_connection_that_breaks_is_replaced_and_its_requests_sent_again() {
    let mut way = Way::open();
    way.push_all(1..4);
    way.receive(KEPT);
    way.eof();
    assert_eq!(way.log(), ["<1><2><3>", "#1 200", "close", "connect"]);
    // One at a time, since it may break under each.
    way.push(4);
    way.connected();
    assert_eq!(way.log(), ["<2>"]);
    way.receive(KEPT);
    assert_eq!(way.log(), ["<3><4>", "#2 200"]);
    // It is the next one that fails when that happens again, and no other.
    way.eof();
    way.connected();
    way.eof();
    assert_eq!(
        way.log(),
        ["close", "connect", "<3>", "close", "connect", "#3 Reset"]
    );
    way.connected();
    way.receive(KEPT);
    assert_eq!(way.log(), ["<4>", "#4 200"]);
}

#[test]
fn one_that_breaks_while_idle_is_forgotten() {
    let mut way = Way::open();
    way.eof();
    assert_eq!(way.log(), ["close"]);
    assert!(way.link.is_idle());
    way.push_all(1..3);
    way.connected();
    assert_eq!(way.log(), ["connect", "<1><2>"]);
}

#[test]
fn garbage_fails_the_request_that_it_answers() {
    let mut way = Way::open();
    way.push_all(1..4);
    way.receive(&format!("{KEPT}garbage\r\n\r\n{KEPT}"));
    assert_eq!(
        way.log(),
        ["<1><2><3>", "close", "connect", "#1 200", "#2 Malformed"]
    );
    way.connected();
    assert_eq!(way.log(), ["<3>"]);
}

#[test]
fn an_answer_too_many_fails_none() {
    let mut way = Way::open();
    way.push_all(1..3);
    way.receive(&KEPT.repeat(3));
    assert_eq!(way.log(), ["<1><2>", "close", "#1 200", "#2 200"]);
    assert!(way.link.is_idle());
}

#[test]
fn a_peer_that_can_not_be_reached_fails_all_that_wait_at_once() {
    let mut way = Way::new();
    way.push_all(0..2);
    way.failed(Failure::Refused);
    assert_eq!(way.log(), ["connect", "#0 Refused", "#1 Refused"]);
    assert!(way.link.is_idle());
    way.push(2);
    assert_eq!(way.log(), ["connect"]);
}

#[test]
fn one_request_whose_time_is_over_does_not_fail_the_others() {
    let mut way = Way::open();
    way.push(1);
    way.wait_until(300);
    way.push(2);
    way.wait_until(400);
    way.receive(&KEPT[..10]);
    // The peer is slow, but there: its answer to the first one is taken for that one's still.
    way.wait_until(600);
    assert_eq!(way.log(), ["<1>", "<2>", "#1 TimedOut"]);
    way.receive(&KEPT[10..]);
    way.receive(KEPT);
    assert_eq!(way.log(), ["#2 200"]);
}

#[test]
fn a_silent_connection_is_given_up_and_the_others_go_over_a_new_one() {
    let mut way = Way::open();
    way.push(1);
    way.wait_until(300);
    way.push(2);
    way.wait_until(500);
    assert_eq!(way.log(), ["<1>", "<2>", "close", "connect", "#1 TimedOut"]);
    way.connected();
    way.receive(KEPT);
    assert_eq!(way.log(), ["<2>", "#2 200"]);
}

#[test]
fn a_dead_peer_is_tried_once_in_a_while_however_many_requests_there_are() {
    let mut way = Way::new();
    for n in 0..100 {
        way.push(n);
        way.wait_until(u64::from(n) * 20 + 20);
    }
    way.wait_until(10_000);
    let log = way.log();
    let count = |what: &str| log.iter().filter(|line| line.contains(what)).count();
    assert_eq!(count("TimedOut"), 100);
    assert!((4..=6).contains(&count("connect")), "{log:?}");
    assert!(way.link.is_idle());
    assert_eq!(way.link.poll_timeout(), None);
}

#[test]
fn all_is_bounded() {
    let limits = LinkLimits {
        depth: 4,
        waiting: 3,
        ..LinkLimits::default()
    };
    let mut way = Way::open_with(limits);
    way.push_all(1..10);
    assert_eq!(
        way.log(),
        ["<1><2><3><4>", "#8 Overloaded", "#9 Overloaded"]
    );
    way.receive(&KEPT.repeat(2));
    assert_eq!(way.log(), ["<5><6>", "#1 200", "#2 200"]);
    // What the socket does not take holds up the rest.
    let limits = LinkLimits {
        unsent: 7,
        ..LinkLimits::default()
    };
    let mut way = Way::open_with(limits);
    let deadline = at(500);
    (1..9).for_each(|n| way.link.push(at(0), ask(n), deadline));
    assert_eq!(way.link.write_buf(), b"<1><2><3>");
    way.link.handle_written(at(0), 6);
    assert_eq!(way.link.write_buf(), b"<3><4><5>");
}

#[test]
fn an_idle_connection_is_closed_before_the_peer_would() {
    let mut way = Way::open();
    way.wait_until(44_999);
    assert_eq!(way.log(), [""; 0]);
    way.wait_until(45_000);
    assert_eq!(way.log(), ["close"]);
    assert!(way.link.is_idle());
}

#[test]
fn only_a_request_that_none_is_before_measures_the_way() {
    let mut way = Way::open();
    way.link.push(at(100), ask(1), at(600));
    way.link.push(at(100), ask(2), at(600));
    way.now = at(107);
    let out = way.link.write_buf().len();
    way.link.handle_written(at(100), out);
    let answers = KEPT.repeat(2);
    way.link.read_buf()[..answers.len()].copy_from_slice(answers.as_bytes());
    way.link.handle_read(at(107), answers.len());
    let rtts: Vec<_> = std::iter::from_fn(|| way.link.poll_report())
        .map(|(_, result)| result.unwrap().rtt)
        .collect();
    assert_eq!(rtts, [Some(Duration::from_millis(7)), None]);
}

/// What a peer may do, or a driver.
#[derive(Clone, Debug)]
enum Event {
    Push(bool),
    Connected,
    Failed,
    Answer(u8),
    Eof,
    Pass(u16),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => any::<bool>().prop_map(Event::Push),
        3 => Just(Event::Connected),
        1 => Just(Event::Failed),
        4 => (0_u8..6).prop_map(Event::Answer),
        1 => Just(Event::Eof),
        2 => (0_u16..700).prop_map(Event::Pass),
    ];
    prop::collection::vec(event, 0..80)
}

proptest! {
    /// Whatever happens, each request comes to exactly one end, and by its deadline.
    #[test]
    fn each_request_ends_once(events in events()) {
        let mut way = Way::with(LinkLimits { depth: 3, waiting: 4, ..LinkLimits::default() });
        let mut pushed = 0;
        for event in events {
            match event {
                Event::Push(shares) => {
                    way.push_ask(Ask { shares, ..ask(pushed) });
                    pushed += 1;
                }
                Event::Connected => way.connected(),
                Event::Failed => way.failed(Failure::Refused),
                Event::Answer(0) => way.receive(CLOSED),
                Event::Answer(1) => way.receive("?\r\n\r\n"),
                Event::Answer(n) => way.receive(&KEPT.repeat(n.into())),
                Event::Eof => way.eof(),
                Event::Pass(millis) => {
                    let end = way.now.as_millis() + u64::from(millis);
                    way.wait_until(end);
                }
            }
        }
        let end = way.now.as_millis();
        way.wait_until(end + 500);
        let log = way.log();
        for n in 0..pushed {
            let ends = log.iter().filter(|line| {
                line.starts_with(&format!("#{n} ")) || **line == format!("alone #{n}")
            });
            prop_assert_eq!(ends.count(), 1, "#{} in {:?}", n, log);
        }
    }
}

#[test]
fn who_was_paused_sends_nothing_that_is_too_late() {
    let mut way = Way::new();
    way.push(1);
    assert_eq!(way.log(), ["connect"]);
    way.now = at(30_000);
    way.connected();
    assert_eq!(way.log(), ["#1 TimedOut"]);
    way.link.push(way.now, ask(2), way.now);
    way.turn();
    assert_eq!(way.log(), ["#2 TimedOut"]);
}
