//! The contract of every machine, checked wherever a test lets one know that time has passed:
//!
//! - whatever is queued is visible: nothing happens before the time `poll_timeout` tells;
//! - firing a timer moves it, beyond `now`;
//! - an early or repeated `handle_timeout` does nothing;
//! - nothing comes out after the end, and no timer is set;
//! - an idle poll changes nothing. (That it takes the same time in any state, `contract.rs` measures.)

#![expect(dead_code, reason = "each test file uses a part")]

use std::collections::VecDeque;
use std::fmt::Debug;
use std::ops::{Deref, DerefMut};

use zerocache_proto::{Duration, Instant};

pub(crate) mod machines;

/// What all machines have in common.
pub(crate) trait Machine {
    /// What it wants done.
    type Action: Debug;
    /// What it tells.
    type Event: Debug;
    /// Its first event is its last word.
    const ONE_EVENT: bool = false;

    fn due(&self) -> Option<Instant>;
    fn fire(&mut self, now: Instant);
    fn next_action(&mut self, now: Instant) -> Option<Self::Action>;
    fn next_event(&mut self) -> Option<Self::Event>;
    /// What else can be seen of it, or all of its state.
    fn face(&self) -> String;
    /// Bytes that wait to be taken out otherwise than by `next_*`.
    fn unsent(&self) -> usize {
        0
    }
    fn is_over(&self) -> bool {
        false
    }
}

/// A machine under the checks: use it as the machine itself.
///
/// What comes out during a check is kept for the next poll.
#[derive(Debug)]
pub(crate) struct Checked<M: Machine> {
    machine: M,
    actions: VecDeque<M::Action>,
    events: VecDeque<M::Event>,
    calls: u32,
    /// The one event has come.
    told: bool,
    over: bool,
}

impl<M: Machine> Checked<M> {
    pub(crate) const fn new(machine: M) -> Self {
        Self {
            machine,
            actions: VecDeque::new(),
            events: VecDeque::new(),
            calls: 0,
            told: false,
            over: false,
        }
    }

    /// Time has passed.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        let due = self.machine.due();
        if let Some(due) = due.filter(|due| *due <= now) {
            if due > Instant::ORIGIN {
                self.does_nothing(due - Duration::from_nanos(1));
            }
            self.machine.fire(now);
            self.collect(now);
            let next = self.machine.due();
            assert!(
                next.is_none_or(|next| next > now),
                "a fired timer stays: due {due:?}, fired {now:?}, then {next:?}"
            );
        }
        self.does_nothing(now);
    }

    /// Nothing is due yet or any more.
    fn does_nothing(&mut self, now: Instant) {
        self.collect(now);
        // Telling all of a machine's state takes long.
        let look = self.calls < 32 || self.calls % 64 == 0;
        self.calls += 1;
        let seen = |machine: &M| (machine.due(), look.then(|| machine.face()));
        let before = seen(&self.machine);
        self.machine.fire(now);
        let came = self.collect(now);
        assert_eq!(
            came, 0,
            "an early or repeated call at {now:?} does something"
        );
        let after = seen(&self.machine);
        assert_eq!(
            before, after,
            "an early or repeated call at {now:?} changes something"
        );
    }

    /// Takes out what there is, and polls once more in vain; how much there was.
    fn collect(&mut self, now: Instant) -> usize {
        let before = self.actions.len() + self.events.len();
        loop {
            let action = self.machine.next_action(now);
            let event = self.machine.next_event();
            if action.is_none() && event.is_none() {
                break;
            }
            self.told |= event.is_some();
            self.actions.extend(action);
            self.events.extend(event);
        }
        let came = self.actions.len() + self.events.len() - before;
        let due = self.machine.due();
        if self.machine.next_action(now).is_some() || self.machine.next_event().is_some() {
            unreachable!("an idle poll at {now:?} brings something forth");
        }
        assert_eq!(self.machine.due(), due, "an idle poll moves the timer");
        self.check_end(came);
        came
    }

    fn check_end(&mut self, came: usize) {
        let ended = self.machine.is_over() || (M::ONE_EVENT && self.told);
        if self.over {
            assert_eq!(came, 0, "something comes out after the end");
            assert!(ended, "the end is taken back");
        }
        if ended {
            assert_eq!(self.machine.due(), None, "a timer is set after the end");
            assert_eq!(self.machine.unsent(), 0, "bytes wait after the end");
        }
        self.over = ended;
    }

    /// The next thing to do.
    pub(crate) fn action(&mut self, now: Instant) -> Option<M::Action> {
        let kept = self.actions.pop_front();
        kept.or_else(|| {
            let action = self.machine.next_action(now);
            self.check_end(usize::from(action.is_some()));
            action
        })
    }

    /// The next thing told.
    fn event(&mut self) -> Option<M::Event> {
        let kept = self.events.pop_front();
        kept.or_else(|| {
            let event = self.machine.next_event();
            let came = usize::from(event.is_some());
            self.check_end(came);
            self.told |= event.is_some();
            event
        })
    }
}

impl<M: Machine> Deref for Checked<M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.machine
    }
}

impl<M: Machine> DerefMut for Checked<M> {
    fn deref_mut(&mut self) -> &mut M {
        &mut self.machine
    }
}
