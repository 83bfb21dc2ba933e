//! One comparison with one peer, from the side of the one who asks.
//!
//! ```text
//! Digest --equal--> over
//!   | differs
//!   v
//! Page --none wanted, more pages--> Page
//!   | wanted          ^
//!   v                 | all of them here, more pages
//! Picked -------------+
//!   any: last page done, bound reached, failure, time over --> over
//! ```
//! Pages are of versions, and the wanted records picked out of them; or of whole values, as long as most
//! of those are wanted: a node that begins with nothing gets all in one pass.

use crate::count::Count;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::answer::digest;
use super::wire::{Body, DigestBody, PageBody, PageRecord};
use super::{Buckets, MAX_PAGE, MAX_PICKED, Query, What};
use crate::cache::{Claim, Merged, NewValue, Offer, Shards};
use crate::cluster::Peer;
use crate::op::Pace;
use crate::{Duration, Failure, Instant, NodeId, Now, Region};

/// What a round may cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// For one answer, beside what [`Pace::LEAST`] allows for its bytes.
    pub answer: Duration,
    /// For the round.
    pub round: Duration,
    /// Bytes of answers; the round ends with the answer that reaches it.
    pub bytes: u64,
    /// Records in answers, likewise; each answer counts as one more.
    pub records: u64,
    /// Bytes of answers a second.
    pub rate: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(10),
            round: Duration::from_secs(300),
            bytes: 1 << 30,
            records: 1 << 24,
            rate: 128 << 20,
        }
    }
}

/// Something to ask the peer, and to report on by `deadline`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ask {
    /// What to ask.
    pub query: Query,
    /// When it counts as failed.
    pub deadline: Instant,
}

/// How a round went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Both hold the same.
    Equal,
    /// All that differed has been looked at.
    Complete,
    /// A bound was reached before all had been looked at.
    Partial,
    /// The peer failed, or its answer was none. What was taken until then stays.
    Failed(Failure),
}

/// The end of a round.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ended {
    /// How it went.
    pub verdict: Verdict,
    /// Whether the peer had itself compared with others.
    pub settled: bool,
    /// What it took.
    pub tally: Tally,
}

/// What a round took.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Answers.
    pub answers: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Records in them, told by their versions or whole.
    pub seen: u64,
    /// Records taken over.
    pub merged: u64,
}

/// A round.
#[derive(Debug)]
pub struct Round {
    peer: Arc<Peer>,
    limits: Limits,
    step: Step,
    /// When the question under way was asked, and when it counts as failed.
    asked: Option<(Instant, Instant)>,
    /// The next question waits until then.
    not_before: Instant,
    until: Instant,
    what: What,
    buckets: Buckets,
    /// The length of the largest value asked for so far.
    largest: usize,
    /// This node, if the peer has missed writes of it.
    owing: Option<NodeId>,
    settled: bool,
    distrusts: bool,
    tally: Tally,
    ended: Option<Verdict>,
    told: bool,
}

#[derive(Debug)]
enum Step {
    Digest,
    /// The page that begins there.
    Page(u64),
    /// These records, and then the page that begins there.
    Picked(Vec<u64>, Option<u64>),
}

impl Round {
    /// A round with `peer`, which is to be one of ours.
    #[must_use]
    pub fn new(now: Instant, peer: Arc<Peer>, limits: Limits) -> Self {
        Self {
            peer,
            limits,
            step: Step::Digest,
            asked: None,
            not_before: now,
            until: now + limits.round,
            what: What::Versions,
            buckets: Buckets::ALL,
            largest: 0,
            owing: None,
            settled: false,
            distrusts: false,
            tally: Tally::default(),
            ended: None,
            told: false,
        }
    }

    /// The same with a peer that has missed writes of this node, `me`, and is told so.
    #[must_use]
    pub const fn owing(mut self, me: Option<NodeId>) -> Self {
        self.owing = me;
        self
    }

    /// Looks at all there is, whatever the digests say.
    pub(super) const fn distrust(&mut self) {
        self.distrusts = true;
    }

    /// Whom it asks.
    #[must_use]
    pub const fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    /// Whether it is known to have compared with others itself.
    pub(super) const fn is_settled(&self) -> bool {
        self.settled
    }

    /// What to ask next; poll after `new` and after each `handle_*`.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Ask> {
        let idle = self.ended.is_none() && self.asked.is_none();
        if !idle || now < self.not_before {
            return None;
        }
        let query = match &self.step {
            Step::Digest => self.owing.map_or(Query::Digest, |by| Query::Owed { by }),
            Step::Page(from) => Query::Page {
                what: self.what,
                from: *from,
                buckets: self.buckets,
            },
            Step::Picked(wanted, _) => Query::Picked {
                at: wanted.iter().take(MAX_PICKED).copied().collect(),
            },
        };
        let bytes = match &self.step {
            Step::Digest => 0,
            Step::Page(_) => MAX_PAGE,
            Step::Picked(..) => MAX_PAGE.max(self.largest),
        };
        let deadline = (now + self.limits.answer + Pace::LEAST.time_for(bytes)).min(self.until);
        self.asked = Some((now, deadline));
        Some(Ask { query, deadline })
    }

    /// The answer's status and body, or why there was none.
    pub fn handle_answer<S: Shards>(
        &mut self,
        now: Now,
        shards: &S,
        answer: Result<(u16, &[u8]), Failure>,
    ) {
        let Some((sent, _)) = self.asked.take().filter(|_| self.ended.is_none()) else {
            return;
        };
        let read = match answer {
            Ok((200, body)) => self.read(now, sent, shards, body),
            // Overloaded, or leaving.
            Ok((503, _)) => Err(Failure::Overloaded),
            Ok(_) => Err(Failure::Malformed),
            Err(failure) => Err(failure),
        };
        match read {
            Ok(verdict) => self.ended = verdict.or_else(|| self.bound()),
            Err(failure) => self.ended = Some(Verdict::Failed(failure)),
        }
    }

    /// The peer is out of routing: nothing more is to be had of it.
    pub fn handle_down(&mut self) {
        self.ended = self.ended.or(Some(Verdict::Failed(Failure::Unreachable)));
    }

    /// When [`handle_timeout`](Self::handle_timeout) or [`poll_transmit`](Self::poll_transmit) has
    /// work.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match (self.ended, self.asked) {
            (Some(_), _) => None,
            (None, Some((_, deadline))) => Some(deadline),
            (None, None) => Some(self.not_before.min(self.until)),
        }
    }

    /// Gives up what has taken too long.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.ended.is_some() {
            return;
        }
        if self.asked.is_some_and(|(_, deadline)| deadline <= now) {
            self.ended = Some(Verdict::Failed(Failure::TimedOut));
        } else if self.until <= now {
            self.ended = Some(Verdict::Partial);
        }
    }

    /// How it went, once it is over; told once.
    pub const fn poll_event(&mut self) -> Option<Ended> {
        let Some(verdict) = self.ended else {
            return None;
        };
        if self.told {
            return None;
        }
        self.told = true;
        Some(Ended {
            verdict,
            settled: self.settled,
            tally: self.tally,
        })
    }

    /// Takes an answer; the verdict if it was the last.
    fn read<S: Shards>(
        &mut self,
        now: Now,
        sent: Instant,
        shards: &S,
        body: &[u8],
    ) -> Result<Option<Verdict>, Failure> {
        self.tally.answers.grow(1);
        self.tally.bytes.grow(body.len() as u64);
        let nanos = (body.len() as u64).saturating_mul(1_000_000_000);
        let nanos = nanos.checked_div(self.limits.rate.max(1)).unwrap_or(0);
        self.not_before = sent + Duration::from_nanos(nanos);
        let step = core::mem::replace(&mut self.step, Step::Digest);
        let next = match step {
            Step::Digest => return self.compare(shards, body),
            Step::Page(from) => {
                let page = PageBody::decode(body).map_err(|_| Failure::Malformed)?;
                if page.next.is_some_and(|next| next <= from) {
                    return Err(Failure::Malformed);
                }
                let taken = self.take(now, sent, shards, &page);
                self.adapt(page.len, &taken);
                match taken.wanted.is_empty() {
                    true => page.next,
                    false => {
                        self.step = Step::Picked(taken.wanted, page.next);
                        return Ok(None);
                    }
                }
            }
            Step::Picked(mut wanted, after) => {
                let page = PageBody::decode(body).map_err(|_| Failure::Malformed)?;
                let asked = wanted.len().min(MAX_PICKED);
                let done = match page.next {
                    None => asked,
                    // One more at least, or it would go on for ever.
                    Some(next) => match wanted.iter().take(asked).position(|at| *at >= next) {
                        Some(done) if done > 0 => done,
                        _ => return Err(Failure::Malformed),
                    },
                };
                self.take(now, sent, shards, &page);
                wanted.drain(..done);
                if !wanted.is_empty() {
                    self.step = Step::Picked(wanted, after);
                    return Ok(None);
                }
                after
            }
        };
        match next {
            Some(from) => {
                self.step = Step::Page(from);
                Ok(None)
            }
            None => Ok(Some(Verdict::Complete)),
        }
    }

    /// The peer's digest is there.
    fn compare<S: Shards>(&mut self, shards: &S, body: &[u8]) -> Result<Option<Verdict>, Failure> {
        let theirs = DigestBody::decode(body).map_err(|_| Failure::Malformed)?;
        let mine = digest(shards, false);
        self.settled = theirs.settled;
        self.buckets = match self.distrusts {
            true => Buckets::ALL,
            false => Buckets::differing(&mine.digest, &theirs.digest),
        };
        if self.buckets.is_empty() {
            return Ok(Some(Verdict::Equal));
        }
        // Else most of what is told by its version would be asked for again.
        if mine.records.saturating_mul(4) <= theirs.records {
            self.what = What::Values;
        }
        self.step = Step::Page(0);
        Ok(None)
    }

    /// Takes over what is wanted of a page.
    fn take<S: Shards>(
        &mut self,
        now: Now,
        sent: Instant,
        shards: &S,
        page: &PageBody<'_>,
    ) -> Taken {
        let mut taken = Taken::default();
        let mut origin: Option<Region> = None;
        for record in page.records() {
            let known = origin
                .take()
                .filter(|known| known.as_str() == record.origin);
            // A page's names have been read once already, and were right.
            let Some(region) = known.or_else(|| Region::new(record.origin).ok()) else {
                continue;
            };
            match offer(&record, &region, sent) {
                Err(claim) => {
                    let hash = shards.hash(record.key);
                    let wants =
                        |shard: &mut crate::cache::Shard| shard.wants(now, hash, record.key, claim);
                    if shards.with(hash, wants) {
                        self.largest = self.largest.max(claim.value.unwrap_or_default());
                        taken.wanted.push(record.position);
                    }
                }
                Ok(offer) => {
                    let hash = shards.hash(record.key);
                    let result =
                        shards.with(hash, |shard| shard.merge(now, hash, record.key, offer));
                    taken.whole.grow(1);
                    // What it displaced is dropped here, where the shard is no longer locked.
                    taken
                        .merged
                        .grow(usize::from(matches!(result, Merged::Applied(_))));
                }
            }
            origin = Some(region);
        }
        self.tally.seen.grow(page.len as u64);
        self.tally.merged.grow(taken.merged as u64);
        taken
    }

    /// Values are asked for with their versions as long as at least half of them are of use.
    fn adapt(&mut self, all: usize, taken: &Taken) {
        match self.what {
            What::Values if taken.merged.saturating_mul(2) < taken.whole => {
                self.what = What::Versions
            }
            What::Versions
                if all >= MAX_PICKED
                    && taken.wanted.len().saturating_mul(10) >= all.saturating_mul(9) =>
            {
                self.what = What::Values;
            }
            _ => {}
        }
    }

    fn bound(&self) -> Option<Verdict> {
        let records = self.tally.seen.saturating_add(self.tally.answers);
        let full = self.tally.bytes >= self.limits.bytes || records >= self.limits.records;
        full.then_some(Verdict::Partial)
    }
}

/// What came of a page.
#[derive(Default)]
struct Taken {
    /// Records with their values, and tombstones.
    whole: usize,
    /// Those of them taken over.
    merged: usize,
    /// The positions of what is wanted and was left out.
    wanted: Vec<u64>,
}

/// A page's record as what it offers; or only claims, if its value was left out. The end of its life is
/// counted from when the page was asked for, which is before the peer told how much is left of it: a
/// copy of a copy never lives longer.
pub(super) fn offer<'a>(
    record: &PageRecord<'a>,
    origin: &'a Region,
    asked: Instant,
) -> Result<Offer<'a>, Claim<'a>> {
    let version = record.version;
    let (remaining, value) = match record.body {
        Body::Value { remaining, value } => (remaining, Some(NewValue::Copy(value))),
        Body::Tombstone { remaining } => (remaining, None),
        Body::LeftOut { len } => {
            return Err(Claim {
                version,
                origin,
                value: Some(usize::try_from(len).unwrap_or(usize::MAX)),
            });
        }
    };
    Ok(Offer {
        version,
        origin,
        expires: asked + Duration::from_millis(remaining),
        value,
    })
}
