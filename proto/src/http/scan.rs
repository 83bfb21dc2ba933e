//! Finding bytes, eight at a time.

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Where the first of `needles` is.
#[inline]
pub(super) fn find<const N: usize>(bytes: &[u8], needles: [u8; N]) -> Option<usize> {
    first(bytes, |word| any(word, needles))
}

/// Where the first byte is that `hits` marks. Of its result the lowest bit set has to be the top bit
/// of the first such byte; the bits above are not looked at.
#[inline(always)]
pub(super) fn first(bytes: &[u8], hits: impl Fn(u64) -> u64) -> Option<usize> {
    let mut rest = bytes;
    while let Some((word, after)) = rest.split_first_chunk::<8>() {
        let found = hits(u64::from_le_bytes(*word));
        if found != 0 {
            return Some(place(bytes.len().wrapping_sub(rest.len()), found));
        }
        rest = after;
    }
    if rest.is_empty() {
        return None;
    }
    if let Some(word) = bytes.last_chunk::<8>() {
        // The bytes looked at before once more: none of them is marked.
        let found = hits(u64::from_le_bytes(*word));
        return (found != 0).then(|| place(bytes.len().wrapping_sub(8), found));
    }
    let word = rest.iter().rev();
    let word = word.fold(0, |word, byte| (word << 8) | u64::from(*byte));
    let at = place(0, hits(word));
    (at < rest.len()).then_some(at)
}

/// The place of the lowest byte `found`, in a word that begins at `start`.
#[inline(always)]
const fn place(start: usize, found: u64) -> usize {
    start.wrapping_add((found.trailing_zeros() / 8) as usize)
}

/// Marks the bytes that are a needle. A byte behind one may be marked without being one: the borrow
/// of the subtraction runs on. So it is with the other marks.
#[inline(always)]
pub(super) fn any<const N: usize>(word: u64, needles: [u8; N]) -> u64 {
    needles.iter().fold(0, |hits, needle| {
        let zero = word ^ u64::from(*needle).wrapping_mul(LOW);
        hits | (zero.wrapping_sub(LOW) & !zero & HIGH)
    })
}

/// Marks the bytes below `least`, and those above `~`.
#[inline(always)]
pub(super) const fn outside(word: u64, least: u8) -> u64 {
    let below = word.wrapping_sub((least as u64).wrapping_mul(LOW));
    let above = word.wrapping_add(LOW);
    (below | above) & HIGH
}

/// Marks the bytes that are neither ASCII letters nor `-`: those and no others.
#[inline(always)]
pub(super) const fn not_name(word: u64) -> u64 {
    let lower = word | 0x20_u64.wrapping_mul(LOW);
    let from_a = (lower | HIGH).wrapping_sub(0x61_u64.wrapping_mul(LOW));
    let past_z = (lower & !HIGH).wrapping_add(0x05_u64.wrapping_mul(LOW));
    let other = word ^ 0x2d_u64.wrapping_mul(LOW);
    let not_dash = (other & !HIGH).wrapping_add(!HIGH) | other;
    (!from_a | past_z | word) & not_dash & HIGH
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

    #[test]
    fn the_first_byte_of_a_class_is_found_whatever_is_beside_it() {
        let is_text = |byte: u8| (b' '..=b'~').contains(&byte);
        let is_graphic = |byte: u8| byte.is_ascii_graphic();
        let is_name = |byte: u8| byte.is_ascii_alphabetic() || byte == b'-';
        for len in [1, 2, 7, 8, 9, 15, 16, 20] {
            for at in 0..len - 1 {
                for pair in 0..=u16::MAX {
                    let mut bytes = std::vec![b'a'; len];
                    bytes[at..at + 2].copy_from_slice(&pair.to_le_bytes());
                    let naive = |is: fn(u8) -> bool| bytes.iter().position(|byte| !is(*byte));
                    assert_eq!(first(&bytes, |word| outside(word, b' ')), naive(is_text));
                    assert_eq!(first(&bytes, |word| outside(word, b'!')), naive(is_graphic));
                    assert_eq!(first(&bytes, not_name), naive(is_name));
                }
            }
        }
    }
}
