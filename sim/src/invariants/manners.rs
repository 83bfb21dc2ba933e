//! I3, I15: manners of multicast DNS.

use std::net::{IpAddr, SocketAddr};

use zerocache_proto::mdns::Destination;

use crate::dns::{Message, PTR};
use crate::swarm::{Discovery, MS, SECOND};
use crate::world::World;

/// A record is not multicast again for a second (RFC 6762 §6); a fast clock is allowed for.
const AGAIN: u64 = 950 * MS;
/// Or a quarter of one, if a name is being probed for and so has to be defended (§8.1).
const DEFENCE: u64 = 230 * MS;
/// For so long after a probe.
const PROBED: u64 = 5 * SECOND;
/// A shared record is not told before all have had time to be first (§6).
const EARLY: u64 = 19 * MS;
/// Whatever is said then was asked for.
const SETTLED: u64 = 10 * SECOND;
/// How late an answer is at most: the known answers to come, and the second between two.
const LATE: u64 = 3 * SECOND;
/// Goodbyes of an orderly exit.
const GOODBYES: u32 = 3;

/// What an observer of one host remembers of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Talk {
    /// Since when it has been on its link.
    pub(crate) linked_at: u64,
    /// When it last heard a goodbye of itself, after which it announces itself again.
    buried_at: u64,
    /// When it was last asked anything, and before that; 0 for never.
    asked: [u64; 2],
    /// Goodbyes said since its process began.
    goodbyes: u32,
}

impl Talk {
    pub(crate) const fn starting(now: u64) -> Self {
        Self {
            linked_at: now,
            buried_at: 0,
            asked: [0; 2],
            goodbyes: 0,
        }
    }
}

impl World {
    /// A process sends a datagram.
    pub(crate) fn watch_datagram(
        &mut self,
        from: usize,
        to: Destination,
        message: Option<&Message>,
    ) {
        if let Destination::Unicast(to) = to {
            return self.watch_unicast(from, to);
        }
        let Some(message) = message else {
            let text = format!("host {from} multicasts what is no message");
            return self.violate("I15", text);
        };
        if message.probes {
            self.watch.probed_at = self.now;
        }
        if !message.is_answer {
            return;
        }
        if self.hosts[from].leaving {
            let gone = message.answers.iter().all(|record| record.ttl == 0);
            self.hosts[from].talk.goodbyes += u32::from(gone);
            return;
        }
        self.watch_pace(from, message);
        self.watch_jitter(from, message);
    }

    fn watch_unicast(&mut self, from: usize, to: SocketAddr) {
        let bits = |ip: IpAddr| match ip {
            IpAddr::V4(ip) => ip.to_bits(),
            IpAddr::V6(_) => 0,
        };
        let prefix = match self.knobs.discovery {
            Discovery::LinkEach => 16,
            Discovery::OneLink | Discovery::Static => 8,
        };
        let away = bits(to.ip()) ^ bits(self.hosts[from].addr.ip());
        if away >> (32 - prefix) != 0 {
            let text = format!("host {from} answers {to}, who is not on its link");
            self.violate("I15", text);
        }
    }

    /// One multicast of a record a second.
    fn watch_pace(&mut self, from: usize, message: &Message) {
        let now = self.now;
        let defends = self.watch.probed_at + PROBED > now && self.watch.probed_at > 0;
        let least = if defends { DEFENCE } else { AGAIN };
        for record in message.answers.iter().filter(|record| record.ttl > 0) {
            let key = (from, self.hosts[from].incarnation, record.what.clone());
            let last = self.watch.said.insert(key, now);
            let linked = self.hosts[from].talk.linked_at;
            if let Some(last) = last.filter(|last| *last >= linked && now < *last + least) {
                let what = String::from_utf8_lossy(&record.what);
                let since = (now - last) / MS;
                let text = format!("host {from} multicasts {what:?} again after {since} ms");
                self.violate("I15", text);
            }
        }
        if self.watch.said.len() > 2_000 {
            self.watch.said.retain(|_, at| now < *at + AGAIN);
        }
    }

    /// Shared records are told 20 to 120 ms after they were asked for, and not unasked; but whoever lives
    /// on says goodbye for the dead, and brings in somebody else for them.
    fn watch_jitter(&mut self, from: usize, message: &Message) {
        let host = &self.hosts[from];
        let begun = host.up_since.max(host.talk.linked_at);
        let begun = begun.max(host.running_since).max(host.talk.buried_at);
        let defends = self.watch.probed_at + PROBED > self.now;
        let own = host.id;
        let shared = message
            .answers
            .iter()
            .any(|record| record.kind == PTR && record.is_of(own));
        if !shared || self.now < begun + SETTLED || defends {
            return;
        }
        let [last, before] = host.talk.asked.map(|asked| self.now - asked);
        let text = if last < EARLY && before > LATE {
            format!("host {from} answers after {} us", last / 1_000)
        } else if last > LATE {
            format!(
                "host {from} multicasts what nobody has asked for in {} ms",
                last / MS
            )
        } else {
            return;
        };
        self.violate("I15", text);
    }

    /// A process reads a datagram.
    pub(crate) fn watch_heard(&mut self, index: usize, message: Option<&Message>) {
        let own = self.hosts[index].id;
        let gone = |message: &Message| {
            let mut gone = message.answers.iter().filter(|record| record.ttl == 0);
            gone.any(|record| record.is_of(own))
        };
        if message.is_some_and(gone) {
            self.hosts[index].talk.buried_at = self.now;
        }
        if message.is_none_or(|message| message.asks) {
            let [last, _] = self.hosts[index].talk.asked;
            self.hosts[index].talk.asked = [self.now, last];
        }
    }

    /// A process has left in good order.
    pub(crate) fn watch_exit(&mut self, index: usize) {
        let host = &self.hosts[index];
        let left = host.left_at.unwrap_or(self.now);
        let begun = host
            .up_since
            .max(host.talk.linked_at)
            .max(host.running_since);
        let known = self.knobs.discovery.is_heard() && left > begun + SETTLED;
        let linked = !self.net.unlinked.has(index) && host.paused_until.is_none();
        if known && linked && host.talk.goodbyes < GOODBYES {
            let text = format!("host {index} leaves after {} goodbyes", host.talk.goodbyes);
            self.violate("I3", text);
        }
        if known && linked {
            self.coverage.saw("goodbyes said");
        }
    }
}
