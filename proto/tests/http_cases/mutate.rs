//! Requests gone wrong: the good cases of the table, changed by a seed.

use crate::cases::{Case, KEY};

/// What is put in, or takes the place of something.
const PIECES: [&[u8]; 40] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b"\n\n",
    b"\0",
    b" ",
    b"\t",
    b"\x0b",
    b"\x7f",
    b"\xff",
    b"\xc2\xa0",
    b":",
    b";",
    b",",
    b"#",
    b"?",
    b"%",
    b"/",
    b"*",
    b"\"",
    b"+",
    b"-",
    b"0",
    b"5",
    b"a",
    b"x",
    b"chunked",
    b"HTTP/1.0",
    b"HTTP/1.1",
    b"Content-Length: 5\r\n",
    b"Content-Length: 0\r\n",
    b"Content-Length: 99999999999999999999\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip\r\n",
    b"Connection: close\r\n",
    b"Connection: keep-alive\r\n",
    b"Expect: 100-continue\r\n",
    b"5\r\nvalue\r\n",
    b"0\r\n\r\n",
];

/// Changes without end, the same for the same seed.
pub(crate) struct Mutants {
    good: Vec<Vec<u8>>,
    state: u64,
}

impl Mutants {
    /// Of the good ones among `cases` that are not longer than `max` bytes.
    pub(crate) fn new(cases: &[Case], max: usize, seed: u64) -> Self {
        let good = cases.iter().filter(|case| case.is_good());
        let good = good.map(|case| case.bytes(KEY));
        Self {
            good: good.filter(|bytes| bytes.len() <= max).collect(),
            state: seed,
        }
    }

    /// SplitMix64: any seed will do.
    fn draw(&mut self, below: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % below.max(1) as u64) as usize
    }

    fn base(&mut self) -> Vec<u8> {
        let which = self.draw(self.good.len());
        self.good[which].clone()
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        let from = self.draw(bytes.len() + 1);
        let len = 1 + self.draw(4);
        let to = (from + len).min(bytes.len());
        match self.draw(8) {
            0 => drop(bytes.drain(from..to)),
            1 if from < to => bytes[from] ^= 1 << self.draw(8),
            2 if from < to => bytes[from] = self.draw(256) as u8,
            3 => {
                let twice = bytes[from..to].to_vec();
                bytes.splice(from..from, twice);
            }
            // Of another one, from somewhere to its end.
            4 => {
                let other = self.base();
                let at = self.draw(other.len());
                bytes.truncate(from);
                bytes.extend_from_slice(&other[at..]);
            }
            5 => {
                let piece = PIECES[self.draw(PIECES.len())];
                bytes.splice(from..to, piece.iter().copied());
            }
            6 => self.put_in_a_line(bytes, from),
            _ => {
                let piece = PIECES[self.draw(PIECES.len())];
                bytes.splice(from..from, piece.iter().copied());
            }
        }
    }

    /// The start of a line is where most pieces belong.
    fn put_in_a_line(&mut self, bytes: &mut Vec<u8>, from: usize) {
        let piece = PIECES[self.draw(PIECES.len())];
        let end = bytes[from..].iter().position(|byte| *byte == b'\n');
        let at = end.map_or(bytes.len(), |end| from + end + 1);
        bytes.splice(at..at, piece.iter().copied());
    }
}

impl Iterator for Mutants {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let mut bytes = self.base();
        for _ in 0..=self.draw(3) {
            self.change(&mut bytes);
        }
        Some(bytes)
    }
}
