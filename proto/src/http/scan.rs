//! Finding bytes, eight at a time.

/// Where the first of `needles` is.
pub(super) fn find<const N: usize>(bytes: &[u8], needles: [u8; N]) -> Option<usize> {
    let mut at = 0_usize;
    while let Some(word) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let hits = hits(u64::from_le_bytes(*word), needles);
        if hits != 0 {
            return Some(at.saturating_add((hits.trailing_zeros() / 8) as usize));
        }
        at = at.saturating_add(8);
    }
    let rest = bytes.get(at..)?;
    let found = rest.iter().position(|byte| needles.contains(byte))?;
    Some(at.saturating_add(found))
}

/// The lowest bit set is the top bit of the first byte that is a needle. Bytes behind it may have
/// theirs set without being one: the borrow of the subtraction runs on.
fn hits<const N: usize>(word: u64, needles: [u8; N]) -> u64 {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    needles.iter().fold(0, |hits, needle| {
        let zero = word ^ u64::from(*needle).wrapping_mul(LOW);
        hits | (zero.wrapping_sub(LOW) & !zero & HIGH)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_any_is_found_at_every_place() {
        for len in 0..40 {
            for at in 0..len {
                for byte in [b'a', b'b', 0x80, 0xff, 0] {
                    let mut bytes = std::vec![b'.'; len];
                    bytes[at] = byte;
                    // Neighbours that differ by one borrow from each other.
                    if let Some(next) = bytes.get_mut(at + 1) {
                        *next = byte.wrapping_add(1);
                    }
                    let naive = bytes.iter().position(|b| [b'a', 0xff].contains(b));
                    assert_eq!(find(&bytes, [b'a', 0xff]), naive);
                    assert_eq!(find(&bytes, [byte]), Some(at));
                }
            }
            assert_eq!(find(&std::vec![b'.'; len], [b'a', b'b']), None);
        }
    }
}
