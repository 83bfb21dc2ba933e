//! One number for all that has happened: two runs are the same if theirs are.

use std::collections::VecDeque;

/// Words of a long message that are hashed side by side.
const LANES: usize = 8;

/// The hash of a run so far, and its last events in words if they are wanted.
#[derive(Clone, Debug)]
pub struct Trace {
    hash: u64,
    /// Of what happened to whom and when, but not of any bytes.
    rhythm: u64,
    events: u64,
    /// How many of the last events are kept in words; 0 for none.
    keep: usize,
    lines: VecDeque<String>,
}

impl Trace {
    /// An empty trace that keeps that many lines.
    #[must_use]
    pub const fn new(keep: usize) -> Self {
        Self {
            hash: 0xcbf2_9ce4_8422_2325,
            rhythm: 0xcbf2_9ce4_8422_2325,
            events: 0,
            keep,
            lines: VecDeque::new(),
        }
    }

    /// The hash of all that has happened.
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.hash
    }

    /// The hash of what happened to whom and when, whatever bytes went to and fro.
    #[must_use]
    pub const fn rhythm(&self) -> u64 {
        self.rhythm
    }

    /// How many events there were.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// The last events in words.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    pub(crate) const fn word(&mut self, word: u64) {
        self.hash = mix(self.hash, word);
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.word(bytes.len() as u64);
        let lines = bytes.chunks_exact(8 * LANES);
        let words = lines.remainder().chunks_exact(8);
        let rest = words.remainder();
        if bytes.len() >= 8 * LANES {
            // Side by side: each step of one waits for the last.
            let mut lanes: [u64; LANES] = std::array::from_fn(|lane| self.hash ^ lane as u64);
            for line in lines {
                let words = line.chunks_exact(8).filter_map(<[u8]>::first_chunk);
                for (lane, word) in lanes.iter_mut().zip(words) {
                    *lane = mix(*lane, u64::from_be_bytes(*word));
                }
            }
            lanes.into_iter().for_each(|lane| self.word(lane));
        }
        for word in words.filter_map(<[u8]>::first_chunk) {
            self.word(u64::from_be_bytes(*word));
        }
        if !rest.is_empty() {
            let rest = rest.iter();
            self.word(rest.fold(0, |word, byte| word << 8 | u64::from(*byte)));
        }
    }

    /// Something happened to `host`; `say` tells it in words.
    pub(crate) fn event(&mut self, at: u64, host: usize, kind: u8, say: impl FnOnce() -> String) {
        self.events += 1;
        self.rhythm = mix(mix(self.rhythm, at), (host as u64) << 8 | u64::from(kind));
        self.word(self.rhythm);
        if self.keep > 0 {
            if self.lines.len() >= self.keep {
                self.lines.pop_front();
            }
            let (s, us) = (at / 1_000_000_000, at % 1_000_000_000 / 1000);
            self.lines
                .push_back(format!("{s:4}.{us:06} host {host:2}: {}", say()));
        }
    }
}

const fn mix(hash: u64, word: u64) -> u64 {
    let mixed = (hash ^ word).wrapping_mul(0x9fb2_1c65_1e98_df25);
    mixed ^ (mixed >> 29)
}
