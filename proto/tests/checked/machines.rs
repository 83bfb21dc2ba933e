//! The machines as the checks see them, and their polls as the tests see them.

use super::{Checked, Machine};
use std::fmt::Debug;
use zerocache_proto::cluster::{self, Action, Cluster};
use zerocache_proto::http::ServerConn;
use zerocache_proto::link::{self, Link, Parcel, Report};
use zerocache_proto::mdns::{self, Mdns, Transmit};
use zerocache_proto::node::{Input, Node, Output};
use zerocache_proto::op::{Attempt, Copy, Fanout, FanoutEvent, Fetch, Handoff, Resend, Verdict};
use zerocache_proto::sync::{AntiEntropy, Ask, Ended, Question, Round};
use zerocache_proto::{Instant, Now};

/// No machine looks at the time of these polls.
const ANY: Instant = Instant::ORIGIN;

/// Both clocks of the tests' world at that time.
pub(crate) const fn clock(mono: Instant) -> Now {
    let unix_ms = 1_700_000_000_000 + mono.as_millis();
    Now { mono, unix_ms }
}

impl Machine for Mdns {
    type Action = Transmit;
    type Event = mdns::Event;

    fn due(&self) -> Option<Instant> {
        self.poll_timeout()
    }
    fn fire(&mut self, now: Instant) {
        self.handle_timeout(now);
    }
    fn next_action(&mut self, _: Instant) -> Option<Transmit> {
        self.poll_transmit()
    }
    fn next_event(&mut self) -> Option<mdns::Event> {
        self.poll_event()
    }
    fn face(&self) -> String {
        format!("{self:?}")
    }
    fn is_over(&self) -> bool {
        self.is_closed()
    }
}

impl Checked<Mdns> {
    pub(crate) fn poll_transmit(&mut self) -> Option<Transmit> {
        self.action(ANY)
    }
    pub(crate) fn poll_event(&mut self) -> Option<mdns::Event> {
        self.event()
    }
}

impl Machine for Cluster {
    type Action = Action;
    type Event = cluster::Event;

    fn due(&self) -> Option<Instant> {
        self.poll_timeout()
    }
    fn fire(&mut self, now: Instant) {
        self.handle_timeout(now);
    }
    fn next_action(&mut self, _: Instant) -> Option<Action> {
        self.poll_action()
    }
    fn next_event(&mut self) -> Option<cluster::Event> {
        self.poll_event()
    }
    fn face(&self) -> String {
        format!("{self:?}")
    }
    fn is_over(&self) -> bool {
        self.is_left()
    }
}

impl Checked<Cluster> {
    pub(crate) fn poll_action(&mut self) -> Option<Action> {
        self.action(ANY)
    }
    pub(crate) fn poll_event(&mut self) -> Option<cluster::Event> {
        self.event()
    }
}

impl Machine for Fetch {
    type Action = Attempt;
    type Event = Verdict;
    const ONE_EVENT: bool = true;

    fn due(&self) -> Option<Instant> {
        self.poll_timeout()
    }
    fn fire(&mut self, now: Instant) {
        self.handle_timeout(now);
    }
    fn next_action(&mut self, now: Instant) -> Option<Attempt> {
        self.poll_transmit(now)
    }
    fn next_event(&mut self) -> Option<Verdict> {
        self.poll_event()
    }
    fn face(&self) -> String {
        format!("{self:?}")
    }
}

impl Checked<Fetch> {
    pub(crate) fn poll_transmit(&mut self, now: Instant) -> Option<Attempt> {
        self.action(now)
    }
    pub(crate) fn poll_event(&mut self) -> Option<Verdict> {
        self.event()
    }
}

impl Machine for Fanout {
    type Action = Copy;
    type Event = FanoutEvent;

    fn due(&self) -> Option<Instant> {
        self.poll_timeout()
    }
    fn fire(&mut self, now: Instant) {
        self.handle_timeout(now);
    }
    fn next_action(&mut self, now: Instant) -> Option<Copy> {
        self.poll_transmit(now)
    }
    fn next_event(&mut self) -> Option<FanoutEvent> {
        self.poll_event()
    }
    fn face(&self) -> String {
        format!("{self:?}")
    }
    fn is_over(&self) -> bool {
        self.is_done()
    }
}

impl Checked<Fanout> {
    pub(crate) fn poll_transmit(&mut self, now: Instant) -> Option<Copy> {
        self.action(now)
    }
    pub(crate) fn poll_event(&mut self) -> Option<FanoutEvent> {
        self.event()
    }
    /// What the checks hold back is not told yet.
    pub(crate) fn is_done(&self) -> bool {
        self.events.is_empty() && self.machine.is_done()
    }
}

impl Machine for Handoff {
    type Action = Resend;
    type Event = std::convert::Infallible;

    fn due(&self) -> Option<Instant> {
        self.poll_timeout()
    }
    fn fire(&mut self, now: Instant) {
        self.handle_timeout(now);
    }
    fn next_action(&mut self, now: Instant) -> Option<Resend> {
        self.poll_transmit(now)
    }
    fn next_event(&mut self) -> Option<Self::Event> {
        None
    }
    fn face(&self) -> String {
        format!("{self:?}")
    }
}

impl Checked<Handoff> {
    pub(crate) fn poll_transmit(&mut self, now: Instant) -> Option<Resend> {
        self.action(now)
    }
}

impl<T: Parcel + Debug> Machine for Link<T> {
    type Action = link::Action<T>;
    type Event = Report<T>;

    fn due(&self) -> Option<Instant> {
        self.poll_timeout()
    }
    fn fire(&mut self, now: Instant) {
        self.handle_timeout(now);
    }
    fn next_action(&mut self, _: Instant) -> Option<Self::Action> {
        self.poll_action()
    }
    fn next_event(&mut self) -> Option<Self::Event> {
        self.poll_report()
    }
    fn face(&self) -> String {
        format!("{self:?}")
    }
    fn unsent(&self) -> usize {
        self.write_buf().len()
    }
}

impl<T: Parcel + Debug> Checked<Link<T>> {
    pub(crate) fn poll_action(&mut self) -> Option<link::Action<T>> {
        self.action(ANY)
    }
    pub(crate) fn poll_report(&mut self) -> Option<Report<T>> {
        self.event()
    }
}

/// Requests are lent, not queued: a time-out brings none forth.
impl Machine for ServerConn {
    type Action = std::convert::Infallible;
    type Event = std::convert::Infallible;

    fn due(&self) -> Option<Instant> {
        self.poll_timeout()
    }
    fn fire(&mut self, now: Instant) {
        self.handle_timeout(now);
    }
    fn next_action(&mut self, _: Instant) -> Option<Self::Action> {
        None
    }
    fn next_event(&mut self) -> Option<Self::Event> {
        None
    }
    fn face(&self) -> String {
        let ends = (self.is_closed(), self.wants_linger(), self.is_idle());
        let held = (self.buffered(), self.body_reserved(), self.body_wanted());
        format!("{ends:?} {held:?} {}", self.unsent())
    }
    fn unsent(&self) -> usize {
        self.write_buf().len()
    }
    fn is_over(&self) -> bool {
        self.is_closed()
    }
}

/// A node that has left still answers: it has no end.
impl Machine for Node {
    type Action = Output;
    type Event = std::convert::Infallible;

    fn due(&self) -> Option<Instant> {
        self.poll_timeout()
    }
    fn fire(&mut self, now: Instant) {
        self.handle(clock(now), Input::Tick);
    }
    fn next_action(&mut self, _: Instant) -> Option<Output> {
        self.poll_output()
    }
    fn next_event(&mut self) -> Option<Self::Event> {
        None
    }
    fn face(&self) -> String {
        let facts = self.facts(clock(ANY));
        format!("{facts:?} {:?} {}", self.view(), self.is_left())
    }
}

impl Checked<Node> {
    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.action(ANY)
    }
}

impl Machine for Round {
    type Action = Ask;
    type Event = Ended;
    const ONE_EVENT: bool = true;

    fn due(&self) -> Option<Instant> {
        self.poll_timeout()
    }
    fn fire(&mut self, now: Instant) {
        self.handle_timeout(now);
    }
    fn next_action(&mut self, now: Instant) -> Option<Ask> {
        self.poll_transmit(now)
    }
    fn next_event(&mut self) -> Option<Ended> {
        self.poll_event()
    }
    fn face(&self) -> String {
        format!("{self:?}")
    }
}

impl Checked<Round> {
    pub(crate) fn poll_transmit(&mut self, now: Instant) -> Option<Ask> {
        self.action(now)
    }
    pub(crate) fn poll_event(&mut self) -> Option<Ended> {
        self.event()
    }
}

impl Machine for AntiEntropy {
    type Action = Question;
    type Event = std::convert::Infallible;

    fn due(&self) -> Option<Instant> {
        self.poll_timeout()
    }
    fn fire(&mut self, now: Instant) {
        self.handle_timeout(now);
    }
    fn next_action(&mut self, now: Instant) -> Option<Question> {
        self.poll_transmit(now)
    }
    fn next_event(&mut self) -> Option<Self::Event> {
        None
    }
    fn face(&self) -> String {
        format!("{self:?}")
    }
}

impl Checked<AntiEntropy> {
    pub(crate) fn poll_transmit(&mut self, now: Instant) -> Option<Question> {
        self.action(now)
    }
}
