//! Writes on their way to the peers.

use crate::count::Count;
use alloc::sync::Arc;

use super::exchange::{Order, Purpose};
use super::{Node, Timer, Work};
use crate::cache::Shards as _;
use crate::op::{Fanout, FanoutEvent, Resend};
use crate::service::Write;
use crate::{Failure, Now, Point};

/// Spreads under way at a time; a write beyond that waits in the peers' queues.
pub(super) const MAX_SPREADS: usize = 1024;

/// One write's spread.
#[derive(Debug)]
pub(super) struct Spread {
    pub(super) fanout: Fanout,
    write: Write,
    /// The connection whose answer waits for it.
    waiting: Option<u64>,
}

impl Node {
    /// Begins to spread a write.
    pub(super) fn spread(&mut self, now: Now, write: Write, waiting: Option<u64>) {
        if self.spreads.len() >= MAX_SPREADS || self.rng.hits(Point::SpreadsFull) {
            let key = Arc::from(&*write.key);
            for (peer, recurse) in write.receivers(&self.view) {
                self.handoff
                    .push(now.mono, peer.id, &key, write.kind(), recurse);
            }
            if let Some(conn) = waiting {
                self.acknowledge(now, conn);
            }
            return;
        }
        let (view, rng) = (self.view.clone(), self.rng.fork());
        let spread = Spread {
            fanout: Fanout::new(now.mono, view, write.scope, self.ack, rng).carrying(write.bulk()),
            write,
            waiting,
        };
        let id = self.next_spread;
        self.next_spread.grow(1);
        self.spreads.insert(id, spread);
        self.work.push_back(Work::Spread(id));
    }

    /// Does what a spread asks for.
    pub(super) fn step(&mut self, now: Now, id: u64) {
        let Some(spread) = self.spreads.get_mut(&id) else {
            return;
        };
        while let Some(copy) = spread.fanout.poll_transmit(now.mono) {
            match spread.write.request_for(now.mono, &copy.peer, copy.recurse) {
                Some(_) if !self.freight.load(copy.peer.id, spread.write.bulk()) => {
                    let full = Err(Failure::Overloaded);
                    spread.fanout.handle_result(now.mono, copy.id, full);
                }
                Some(request) => {
                    let (addr, peer) = (copy.peer.addr, copy.peer.id);
                    let purpose = Purpose::Copy {
                        spread: id,
                        copy: copy.id,
                        peer,
                        bulk: spread.write.bulk(),
                        measures: spread.write.measures(copy.recurse),
                    };
                    let order = Order {
                        addr,
                        request,
                        deadline: copy.deadline,
                        purpose,
                    };
                    let (timers, output) = (&mut self.timers, &mut self.output);
                    self.exchanges.begin(now.mono, order, timers, output);
                }
                // Its life is over: nobody misses it.
                None => spread.fanout.handle_result(now.mono, copy.id, Ok(200)),
            }
        }
        let mut acknowledged = None;
        while let Some(event) = spread.fanout.poll_event() {
            match event {
                FanoutEvent::Acked => acknowledged = spread.waiting.take(),
                FanoutEvent::Undelivered { peer, recurse } => {
                    let key = Arc::from(&*spread.write.key);
                    let kind = spread.write.kind();
                    self.handoff.push(now.mono, peer.id, &key, kind, recurse);
                }
            }
        }
        self.timers
            .set(Timer::Spread(id), spread.fanout.poll_timeout());
        if spread.fanout.is_done() {
            self.spreads.remove(&id);
            self.timers.set(Timer::Spread(id), None);
        }
        if let Some(conn) = acknowledged {
            self.acknowledge(now, conn);
        }
    }

    /// A copy was answered, or failed.
    pub(super) fn copied(&mut self, now: Now, id: u64, copy: u16, result: Result<u16, Failure>) {
        if let Some(spread) = self.spreads.get_mut(&id) {
            spread.fanout.handle_result(now.mono, copy, result);
            self.work.push_back(Work::Spread(id));
        }
    }

    /// Sends a peer the present state of a key that it has missed a write of.
    pub(super) fn resend(&mut self, now: Now, resend: Resend) {
        let Resend {
            peer: id,
            key,
            recurse,
            ..
        } = resend;
        let Some(peer) = self.view.peers().find(|peer| peer.id == id).cloned() else {
            if !self.cluster.knows(id) {
                // It went while the write was under way to it.
                return self.handoff.handle_gone(id);
            }
            let away = Err(Failure::Unreachable);
            return self.handoff.handle_result(now.mono, id, &key, away);
        };
        let hash = self.shards.hash(&key);
        let write = self.shards.with(hash, |shard| {
            let record = shard.record(now, hash, &key)?;
            Some(Write::of(&key, &record))
        });
        let request = write.and_then(|write| {
            let request = write.request_for(now.mono, &peer, recurse)?;
            Some((request, write.measures(recurse), write.bytes()))
        });
        match request {
            Some((request, measures, bytes)) => {
                let latency = self.view.latency_of(&peer);
                let deadline = self.handoff.prolong(now.mono, id, &key, bytes, latency);
                let order = Order {
                    addr: peer.addr,
                    request,
                    deadline,
                    purpose: Purpose::Resend {
                        peer: id,
                        key,
                        measures,
                    },
                };
                self.begin(now, order);
            }
            // The key holds nothing any more: there is nothing to miss.
            None => self.handoff.handle_result(now.mono, id, &key, Ok(())),
        }
    }
}
