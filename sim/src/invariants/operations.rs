//! I4, I6, I8, I13, G16: what clients ask, and what they are answered.

use zerocache_proto::op::{Kind, Rung, Verdict};
use zerocache_proto::{Duration, Failure};

use super::Timed;
use crate::client::Done;
use crate::model::{Operation, value, writer};
use crate::sniff::{Asked, What};
use crate::swarm::{MS, SECOND};
use crate::world::World;

/// A clock that runs fast may show a nanosecond more when the timer that it set fires.
const ROUNDED: Duration = Duration::from_nanos(1);
/// The longest a node may wait for its peers before it answers a write; a fast or slow clock is
/// allowed for.
const ACK_WAIT: u64 = 400 * MS + 25 * MS;

impl World {
    /// A process sends a request.
    pub(crate) fn watch_request(&mut self, from: usize, to: usize, asked: &Asked) {
        self.watch_target(from, to, asked);
        if let Some(version) = asked.version {
            self.watch_copy(from, to, asked, version);
        }
    }

    /// A process sends an answer, to a request it had read whole at `whole_at`.
    pub(crate) fn watch_answer(
        &mut self,
        from: usize,
        to: usize,
        asked: Option<Asked>,
        whole_at: Option<u64>,
        status: Option<u16>,
    ) {
        let Some((asked, status)) = asked.zip(status) else {
            let text = format!("host {from} says to host {to} what is no answer to a request");
            return self.violate("I8", text);
        };
        match asked.what {
            What::Put | What::Delete if asked.version.is_none() => {
                let since = whole_at
                    .unwrap_or(self.now)
                    .max(self.hosts[from].running_since);
                if self.now > since + ACK_WAIT {
                    let text = format!(
                        "host {from} answers {asked:?} after {} ms",
                        (self.now - since) / MS
                    );
                    self.violate("G16", text);
                }
            }
            _ => {}
        }
        if status >= 500 {
            self.coverage.saw("an answer of 5xx");
        }
    }

    /// A client's operation has ended.
    pub(crate) fn watch_done(&mut self, client: usize, done: &Done) {
        let Some(operation) = self.model.operation(done.op).cloned() else {
            return;
        };
        let now = self.now;
        if let Some(operation) = self.model.operation_mut(done.op) {
            operation.ended = Some(now);
            operation.acknowledged =
                matches!(done.verdict, Verdict::Stored | Verdict::Deleted { .. });
            if operation.acknowledged {
                let key = operation.key;
                self.model.latest.insert(key, done.op);
            }
        }
        if !matches!(done.verdict, Verdict::Unreachable(_)) {
            self.watch.timed.push(Timed {
                reads: operation.kind == Kind::Get,
                found: done.verdict == Verdict::Hit,
                begun: operation.started,
                took: now - operation.started,
            });
        }
        let asked = done.asked.first();
        if let (Some(first), Some((Rung::Local, id))) = (&mut self.watch.first, asked) {
            first.entry(client).or_default().push(*id);
        }
        self.note(client, 17, || {
            format!(
                "operation {} ends: {:?} of {operation:?}",
                done.op, done.verdict
            )
        });
        if done.took > operation.kind.budget() + ROUNDED {
            let text = format!(
                "operation {} of host {client} took {:?}: {operation:?}",
                done.op, done.took
            );
            self.violate("I6", text);
        }
        if done.failures.contains(&Failure::Malformed) {
            let text = format!(
                "operation {} of host {client} got an answer that is none",
                done.op
            );
            self.violate("I8", text);
        }
        self.coverage.saw(match &done.verdict {
            Verdict::Hit => "hit",
            Verdict::Miss => "miss",
            Verdict::Stored => "stored",
            Verdict::Deleted { .. } => "deleted",
            Verdict::Refused { .. } => "refused",
            Verdict::Unreachable(_) if done.asked.is_empty() => "no node known",
            Verdict::Unreachable(_) => "unreachable",
        });
        if done.asked.len() >= 4 {
            self.coverage.saw("fourth rung");
        }
        if done.asked.len() >= 2 && !done.failures.is_empty() {
            self.coverage.saw("fallback after a failure");
        }
        if let Verdict::Refused { status } = done.verdict {
            let text = format!(
                "operation {} of host {client} is refused with {status}",
                done.op
            );
            self.violate("I8", text);
        }
        if done.verdict == Verdict::Hit {
            self.watch_hit(client, &operation, done);
        }
    }

    /// I4, I13: a value read is one that was written whole, and not past its life.
    fn watch_hit(&mut self, client: usize, read: &Operation, done: &Done) {
        let now = self.now;
        let write = writer(&done.body);
        let Some((op, written)) =
            write.and_then(|op| Some((op, self.model.operation(op)?.clone())))
        else {
            let text = format!(
                "operation {} of host {client} read what nobody wrote",
                done.op
            );
            return self.violate("I13", text);
        };
        if written.key != read.key || value(op, written.size) != done.body {
            let text = format!(
                "operation {} of host {client} read {} bytes of {written:?}",
                done.op,
                done.body.len()
            );
            return self.violate("I13", text);
        }
        if let Some(since) = self.model.outdated(&written, read.started) {
            self.watch.stale_reads.push((now - since) / MS);
        }
        // What is on its way when its life ends still arrives.
        let late = done.took.as_nanos() as u64;
        let drift = u64::from(written.ttl) * 1_000 * MS / 1_000_000 * self.knobs.drift_ppm * 2;
        let unseen = match self.watch.unseen_at {
            at if at > written.started => at + u64::from(written.ttl) * SECOND,
            _ => 0,
        };
        if self.now > written.expires.max(unseen) + late + drift + MS {
            let text = format!(
                "operation {} of host {client} read {written:?} {} ms after its life",
                done.op,
                (self.now - written.expires) / MS
            );
            self.violate("I4", text);
        }
    }
}
