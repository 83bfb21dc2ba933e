//! Numbers as text, without a detour through `fmt`.

use alloc::vec::Vec;

/// A number in decimal: its digits, then the end of a head.
pub(super) struct Decimal {
    text: [u8; 24],
    digits: usize,
}

impl Decimal {
    #[inline]
    pub(super) fn new(n: usize) -> Self {
        let mut text = [0; 24];
        let digits = n.checked_ilog10().map_or(1, |log| log.saturating_add(1)) as usize;
        let (number, end) = text.split_at_mut_checked(digits).unwrap_or_default();
        let mut rest = n;
        for slot in number.iter_mut().rev() {
            *slot = b'0' | (rest % 10) as u8;
            rest /= 10;
        }
        if let Some(end) = end.first_chunk_mut() {
            *end = *b"\r\n\r\n";
        }
        Self { text, digits }
    }

    /// The digits alone.
    pub(super) fn digits(&self) -> &[u8] {
        self.text.get(..self.digits).unwrap_or_default()
    }

    /// Appends a number and the end of the head: what follows `Content-Length: `.
    #[inline]
    pub(super) fn push_with_end(n: usize, out: &mut Vec<u8>) {
        let start = out.len();
        // Copied whole and cut, which takes no call.
        let len = if n < 10_000 {
            let (text, len) = short(n as u64);
            out.extend_from_slice(&text);
            len
        } else {
            let Self { text, digits } = Self::new(n);
            out.extend_from_slice(&text);
            digits.saturating_add(4)
        };
        out.truncate(start.saturating_add(len));
    }
}

/// At most four digits and the end of a head, and how many bytes that is.
#[inline]
const fn short(n: u64) -> ([u8; 8], usize) {
    // Two digits in each half, then one in each byte, the first one in the lowest: 103 / 1024 is near
    // enough to a tenth.
    let pairs = (n / 100) | ((n % 100) << 16);
    let tens = (pairs.wrapping_mul(103) >> 10) & 0x000f_000f;
    let digits = tens | (pairs.wrapping_sub(tens.wrapping_mul(10)) << 8);
    // The last digit stays, be it a zero.
    let zeros = (digits | (1 << 24)).trailing_zeros() / 8;
    let text = u64::from_le_bytes(*b"0000\r\n\r\n") | digits;
    let text = text.wrapping_shr(zeros.wrapping_mul(8));
    (text.to_le_bytes(), 8_u32.wrapping_sub(zeros) as usize)
}

/// Appends the lowest hex digits of a number, 16 of them at most.
pub(super) fn push_hex(out: &mut Vec<u8>, number: u64, digits: usize) {
    let mut text = [0; 16];
    for (pair, byte) in text.chunks_exact_mut(2).zip(number.to_be_bytes()) {
        let digits = [byte >> 4, byte & 0xf].map(|digit| {
            let letter = if digit > 9 { b'a' - b'0' - 10 } else { 0 };
            digit.wrapping_add(b'0').wrapping_add(letter)
        });
        pair.copy_from_slice(&digits);
    }
    let start = text.len().saturating_sub(digits);
    out.extend_from_slice(text.get(start..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::vec::Vec;

    #[test]
    fn numbers_are_written_as_they_are() {
        let powers = (0..20).map(|power| 10_usize.pow(power));
        let around = powers.flat_map(|power| power.saturating_sub(2)..power.saturating_add(2));
        for n in around.chain(0..10_100).chain([usize::MAX]) {
            assert_eq!(Decimal::new(n).digits(), format!("{n}").as_bytes());
            let mut out = Vec::new();
            Decimal::push_with_end(n, &mut out);
            assert_eq!(out, format!("{n}\r\n\r\n").as_bytes());
        }
    }

    #[test]
    fn so_are_versions() {
        for n in [0, 1, 0xfedc_ba98_7654_3210, u64::MAX] {
            let mut out = Vec::new();
            push_hex(&mut out, n, 16);
            push_hex(&mut out, n, 8);
            assert_eq!(out, format!("{n:016x}{:08x}", n & 0xffff_ffff).as_bytes());
        }
    }
}
