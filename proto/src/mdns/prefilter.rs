//! Makes a datagram fit for the parser behind, which gives up a whole packet over one odd question
//! or record, and believes the header's counts.

use alloc::vec::Vec;

/// The longest datagram looked at (RFC 6762 §17).
const MAX_DATAGRAM: usize = 9_000;
/// Questions used of one packet; what follows is ignored.
const MAX_QUESTIONS: u16 = 64;
/// Records used of one packet, all sections together; what follows is ignored.
const MAX_RECORDS: u16 = 64;
const HEADER: usize = 12;

const A: u16 = 1;
const NULL: u16 = 10;
const PTR: u16 = 12;
const TXT: u16 = 16;
const AAAA: u16 = 28;
const SRV: u16 = 33;
const OPT: u16 = 41;
const NSEC: u16 = 47;
const ANY: u16 = 255;
/// A private-use type: the parser keeps such a record as opaque bytes.
const OPAQUE: u16 = 0xff00;
const CLASS_IN: u16 = 1;
const CLASS_NONE: u16 = 254;
/// Cache-flush in records, QU in questions (RFC 6762 §10.2, §5.4).
const TOP_BIT: u16 = 0x8000;

/// A copy of `datagram` that `simple_dns::Packet::parse` accepts, offsets unmoved: the Z bit cleared,
/// questions of other types asking NULL, records that are foreign or malformed made opaque, counts
/// lowered to what is really there and to 64 questions and 64 records.
///
/// `None` if it is longer than 9,000 bytes, shorter than a header, or its counts can not fit.
#[must_use]
pub fn prefilter(datagram: &[u8]) -> Option<Vec<u8>> {
    if datagram.len() > MAX_DATAGRAM {
        return None;
    }
    let body = datagram.len().checked_sub(HEADER)?;
    let counts = [
        u16_at(datagram, 4)?,
        u16_at(datagram, 6)?,
        u16_at(datagram, 8)?,
        u16_at(datagram, 10)?,
    ];
    let [questions, records @ ..] = counts.map(usize::from);
    let records = records.into_iter().fold(0, usize::saturating_add);
    let least = questions
        .saturating_mul(5)
        .saturating_add(records.saturating_mul(11));
    if least > body {
        return None;
    }

    let mut copy = datagram.to_vec();
    // RFC 6762 §18.8: Z must be ignored.
    *copy.get_mut(3)? &= !0x40;
    let kept = walk(&mut copy, counts);
    for (kept, at) in kept.into_iter().zip([4, 6, 8, 10]) {
        put_u16(&mut copy, at, kept)?;
    }
    Some(copy)
}

/// Cleans the sections of `copy`, up to the first entry that overruns or exceeds a cap; says how
/// many entries of each there are up to there.
fn walk(copy: &mut [u8], counts: [u16; 4]) -> [u16; 4] {
    let mut kept = [0_u16; 4];
    let mut at = HEADER;
    let mut records = 0_u16;
    for (section, (kept_here, count)) in kept.iter_mut().zip(counts).enumerate() {
        while *kept_here < count {
            let end = if section == 0 {
                (*kept_here < MAX_QUESTIONS).then(|| question(copy, at))
            } else {
                (records < MAX_RECORDS).then(|| record(copy, at))
            };
            let Some(Some(end)) = end else {
                return kept;
            };
            at = end;
            *kept_here = kept_here.saturating_add(1);
            records = records.saturating_add(u16::from(section > 0));
        }
    }
    kept
}

/// Cleans the question at `at`; the offset behind it.
fn question(copy: &mut [u8], at: usize) -> Option<usize> {
    let fixed = name(copy, at)?;
    let kind = u16_at(copy, fixed)?;
    let class = u16_at(copy, fixed.checked_add(2)?)?;
    let class_known = matches!(class & !TOP_BIT, CLASS_IN | ANY);
    if !class_known || !matches!(kind, A | PTR | TXT | AAAA | SRV | NSEC | ANY) {
        put_u16(copy, fixed, NULL)?;
    }
    if !class_known {
        put_u16(copy, fixed.checked_add(2)?, CLASS_NONE)?;
    }
    fixed.checked_add(4)
}

/// Cleans the record at `at`; the offset behind it.
fn record(copy: &mut [u8], at: usize) -> Option<usize> {
    let fixed = name(copy, at)?;
    let kind = u16_at(copy, fixed)?;
    let class = u16_at(copy, fixed.checked_add(2)?)?;
    let len = u16_at(copy, fixed.checked_add(8)?)?;
    let start = fixed.checked_add(10)?;
    let end = start.checked_add(usize::from(len))?;
    let bytes = copy.get(..end)?;
    let good = match kind {
        OPT => chunks(bytes, start, 4, |head| u16_at(head, 2).map(usize::from)),
        _ if class & !TOP_BIT != CLASS_IN => false,
        A => len == 4,
        AAAA => len == 16,
        PTR => name(bytes, start) == Some(end),
        SRV => start
            .checked_add(6)
            .is_some_and(|target| name(bytes, target) == Some(end)),
        TXT => chunks(bytes, start, 1, |head| head.first().map(|&n| n.into())),
        NSEC => name(bytes, start).is_some_and(|at| windows(bytes, at)),
        _ => false,
    };
    if !good {
        put_u16(copy, fixed, OPAQUE)?;
        put_u16(copy, fixed.checked_add(2)?, CLASS_IN)?;
    }
    Some(end)
}

/// The offset behind the name at `start`; `None` if it overruns, exceeds 255 bytes, or points
/// anywhere but backwards (what was rewritten lies behind, the header is no place for names).
fn name(bytes: &[u8], start: usize) -> Option<usize> {
    let (mut at, mut floor, mut length) = (start, start, 0_usize);
    let mut end = None;
    loop {
        let first = *bytes.get(at)?;
        let next = at.checked_add(1)?;
        match first {
            0 => return Some(end.unwrap_or(next)),
            1..=63 => {
                let label = usize::from(first);
                length = length.checked_add(label)?.checked_add(1)?;
                if length > 254 {
                    return None;
                }
                at = next.checked_add(label)?;
            }
            0xc0..=0xff => {
                let target = usize::from(u16_at(bytes, at)? & 0x3fff);
                if !(HEADER..floor).contains(&target) {
                    return None;
                }
                end = end.or(next.checked_add(1));
                (at, floor) = (target, target);
            }
            _ => return None,
        }
    }
}

/// Whether the rest of `bytes` from `at` on is chunks, each with a head of `head` bytes that tells
/// the length behind it.
fn chunks(bytes: &[u8], at: usize, head: usize, length: impl Fn(&[u8]) -> Option<usize>) -> bool {
    let mut rest = bytes.get(at..).unwrap_or_default();
    while !rest.is_empty() {
        let Some((start, behind)) = rest.split_at_checked(head) else {
            return false;
        };
        let Some((_, after)) = length(start).and_then(|n| behind.split_at_checked(n)) else {
            return false;
        };
        rest = after;
    }
    true
}

/// Whether the rest of `bytes` from `at` on is NSEC type bitmaps: windows of 1 to 32 bytes, in
/// rising order (RFC 4034 §4.1.2).
fn windows(bytes: &[u8], at: usize) -> bool {
    let mut rest = bytes.get(at..).unwrap_or_default();
    let mut last = None;
    while let [window, length, bitmap @ ..] = rest {
        let Some((_, after)) = bitmap.split_at_checked(usize::from(*length)) else {
            return false;
        };
        if !(1..=32).contains(length) || last >= Some(*window) {
            return false;
        }
        last = Some(*window);
        rest = after;
    }
    rest.is_empty()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let pair = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_be_bytes(*pair))
}

fn put_u16(bytes: &mut [u8], at: usize, value: u16) -> Option<()> {
    *bytes.get_mut(at..)?.first_chunk_mut()? = value.to_be_bytes();
    Some(())
}
