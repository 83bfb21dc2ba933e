//! I7: no stuck or spinning timer.

use zerocache_proto::Instant;

use crate::swarm::MS;
use crate::world::World;

/// Wake-ups in a row, all within a millisecond, that may bring nothing: each peer has a timer.
const IDLE_WAKES: u32 = 20;

/// A node's bounds are looked at once in so many events.
const LOOK: u64 = 64;

impl World {
    /// A timer was due at `now`, its node was told, and said that much.
    pub(crate) fn watch_tick(&mut self, index: usize, now: Instant, said: usize) {
        let due = self.hosts[index]
            .process
            .as_ref()
            .and_then(|process| process.poll_timeout());
        if due.is_some_and(|due| due <= now) {
            let text = format!("host {index}: a fired timer stays, due {due:?} at {now:?}");
            self.violate("I7", text);
        }
        if self.events % LOOK == 0 {
            self.expect_caps(index);
        }
        let at = self.now;
        let peers = self.hosts.len() as u32;
        let (since, count) = &mut self.hosts[index].idle_wakes;
        if said > 0 || at > *since + MS {
            (*since, *count) = (at, 0);
        } else {
            *count += 1;
            if *count > IDLE_WAKES + peers {
                let text = format!("host {index} is woken {count} times in a millisecond in vain");
                self.violate("I7", text);
            }
        }
    }
}
