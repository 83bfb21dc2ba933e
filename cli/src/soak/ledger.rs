//! What one client wrote, and what may therefore be read.
//!
//! A key has one writer, which numbers its writes. A write that was acknowledged is to be found, or a
//! later one of the same key. Two things are known not to be promised, and are allowed for:
//! a write that its region's only copy died with within [`SPREADING`], and a write that a stopped
//! node took up late: a client that got no answer asked the next node, so its request was sent twice.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long copies of a write may take, beyond its acknowledgement, to be on other nodes.
pub(super) const SPREADING: Duration = Duration::from_secs(1);
/// How many writes of a key are kept before those that no longer matter are forgotten.
const KEPT: usize = 32;
/// How long a write that was sent twice may still be taken up.
const LATE: Duration = Duration::from_secs(30);

/// One write.
#[derive(Clone, Copy, Debug)]
pub(super) struct Write {
    pub(super) serial: u64,
    /// Of a value; else a DELETE.
    pub(super) put: bool,
    pub(super) began: Instant,
    /// When it was acknowledged, if it was.
    pub(super) acknowledged: Option<Instant>,
    /// How many requests it took.
    pub(super) tries: u64,
}

/// The writes of one client.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    keys: BTreeMap<usize, Vec<Write>>,
}

/// What a node's answer is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The last acknowledged write, or a later one.
    Right,
    /// An earlier one, taken up late by a node that had been stopped.
    Late,
    /// An acknowledged write is gone, or a deleted value is back.
    Wrong,
}

impl Ledger {
    /// Notes a write; `killed` is when nodes of the client's region were.
    pub(super) fn note(&mut self, key: usize, write: Write, killed: &[Instant]) {
        let writes = self.keys.entry(key).or_default();
        writes.push(write);
        if writes.len() > KEPT {
            let now = write.began;
            // A kill may yet come that takes the newest ones with it.
            let old = writes.partition_point(|write| write.began + 2 * SPREADING < now);
            let firm = firm(&writes[..old], killed).unwrap_or(0);
            let mut at = 0;
            writes.retain(|write| {
                at += 1;
                at > firm || (twice(write) && now.duration_since(write.began) < LATE)
            });
        }
    }

    /// The keys written.
    pub(super) fn keys(&self) -> impl Iterator<Item = usize> {
        self.keys.keys().copied()
    }

    /// What should be there, in words.
    pub(super) fn wanted(&self, key: usize, killed: &[Instant]) -> String {
        let writes = self.keys.get(&key).map_or(&[][..], Vec::as_slice);
        match firm(writes, killed).map(|at| writes[at]) {
            Some(write) if write.put => format!("write {} or a later one", write.serial),
            Some(write) => format!("nothing since DELETE {}", write.serial),
            None => "one of its writes".to_owned(),
        }
    }

    /// Judges what a node has under `key`: a write's serial, or nothing.
    pub(super) fn judge(&self, key: usize, serial: Option<u64>, killed: &[Instant]) -> Found {
        let Some(writes) = self.keys.get(&key) else {
            return if serial.is_none() {
                Found::Right
            } else {
                Found::Wrong
            };
        };
        let is = |write: &&Write| match serial {
            Some(serial) => write.put && write.serial == serial,
            None => !write.put,
        };
        let firm = firm(writes, killed);
        if writes[firm.unwrap_or(0)..].iter().any(|write| is(&write)) {
            return Found::Right;
        }
        match firm {
            // Nothing is promised of this key: it may as well be gone.
            None if serial.is_none() => Found::Right,
            Some(firm)
                if writes[..firm]
                    .iter()
                    .any(|write| twice(write) && is(&write)) =>
            {
                Found::Late
            }
            _ => Found::Wrong,
        }
    }
}

/// The last write that must not be lost.
fn firm(writes: &[Write], killed: &[Instant]) -> Option<usize> {
    writes.iter().rposition(|write| {
        write.acknowledged.is_some_and(|end| {
            !killed
                .iter()
                .any(|at| (write.began..end + SPREADING).contains(at))
        })
    })
}

/// Whether more than one node may have got it.
const fn twice(write: &Write) -> bool {
    write.tries > 1 || write.acknowledged.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(writes: &[(u64, bool, bool, u64)], killed: &[Instant], t: Instant) -> Ledger {
        let mut ledger = Ledger::default();
        for (serial, put, acknowledged, tries) in writes {
            let began = t + Duration::from_secs(*serial);
            let write = Write {
                serial: *serial,
                put: *put,
                began,
                acknowledged: acknowledged.then_some(began + Duration::from_millis(1)),
                tries: *tries,
            };
            ledger.note(0, write, killed);
        }
        ledger
    }

    #[test]
    fn the_last_acknowledged_write_or_a_later_one_is_right() {
        let t = Instant::now();
        let writes = [(1, true, true, 1), (2, true, true, 1), (3, true, false, 2)];
        let ledger = written(&writes, &[], t);
        let judge = |serial| ledger.judge(0, serial, &[]);
        assert_eq!(judge(Some(1)), Found::Wrong);
        assert_eq!(judge(None), Found::Wrong);
        assert_eq!(judge(Some(2)), Found::Right);
        assert_eq!(judge(Some(3)), Found::Right);
        assert_eq!(judge(Some(4)), Found::Wrong);
    }

    #[test]
    fn what_was_deleted_stays_so() {
        let t = Instant::now();
        let ledger = written(&[(1, true, true, 1), (2, false, true, 1)], &[], t);
        assert_eq!(ledger.judge(0, None, &[]), Found::Right);
        assert_eq!(ledger.judge(0, Some(1), &[]), Found::Wrong);
        assert_eq!(ledger.judge(9, None, &[]), Found::Right);
        assert_eq!(ledger.judge(9, Some(1), &[]), Found::Wrong);
    }

    #[test]
    fn a_write_sent_twice_may_be_taken_up_late() {
        let t = Instant::now();
        let ledger = written(&[(1, true, true, 2), (2, true, true, 1)], &[], t);
        assert_eq!(ledger.judge(0, Some(1), &[]), Found::Late);
        assert_eq!(ledger.judge(0, Some(2), &[]), Found::Right);
        assert_eq!(ledger.judge(0, None, &[]), Found::Wrong);
    }

    #[test]
    fn a_write_may_go_with_a_node_killed_at_once_but_not_one_before() {
        let t = Instant::now();
        let killed = [t + Duration::from_millis(2_500)];
        let ledger = written(&[(1, true, true, 1), (2, true, true, 1)], &killed, t);
        assert_eq!(ledger.judge(0, Some(1), &killed), Found::Right);
        assert_eq!(ledger.judge(0, None, &killed), Found::Wrong);
        assert_eq!(ledger.judge(0, Some(1), &[]), Found::Wrong);
    }

    #[test]
    fn a_long_life_is_forgotten_but_for_what_matters() {
        let t = Instant::now();
        let mut writes: Vec<_> = (1..500).map(|serial| (serial, true, true, 1)).collect();
        writes.push((500, true, true, 2));
        writes.push((501, true, true, 1));
        let ledger = written(&writes, &[], t);
        assert!(ledger.keys.get(&0).is_some_and(|kept| kept.len() <= KEPT));
        assert_eq!(ledger.judge(0, Some(500), &[]), Found::Late);
        assert_eq!(ledger.judge(0, Some(501), &[]), Found::Right);
        assert_eq!(ledger.judge(0, Some(499), &[]), Found::Wrong);
    }
}
