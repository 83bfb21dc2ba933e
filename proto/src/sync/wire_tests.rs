use super::*;
use crate::cache::key_hash;
use crate::sync::MAX_PAGE;
use proptest::prelude::*;
use std::vec;

fn version(clock: u64) -> Version {
    Version {
        clock,
        node: NodeId::from_bits(7),
    }
}

fn records() -> [PageRecord<'static>; 4] {
    let at = |position, key, origin, body| PageRecord {
        position,
        key,
        version: version(position.wrapping_mul(3)),
        origin,
        body,
    };
    let value = Body::Value {
        remaining: 3_600_000,
        value: b"value",
    };
    [
        at(
            5,
            b"a".as_slice(),
            "london",
            Body::Tombstone { remaining: 0 },
        ),
        at(6, b"b", "london", value),
        at(1 << 40, b"c", "paris", Body::LeftOut { len: 1 << 33 }),
        at(u64::MAX - 1, b"d", "london", value),
    ]
}

fn page(records: &[PageRecord<'_>], next: Option<u64>) -> Vec<u8> {
    let mut page = PageWriter::new(MAX_PAGE);
    for record in records {
        let len = match record.body {
            Body::Value { value, .. } => value.len(),
            _ => 0,
        };
        page.push(record, len);
    }
    page.finish(next)
}

#[test]
fn pages_read_back() {
    for next in [None, Some(u64::MAX - 1)] {
        let records = records();
        let records = &records[..if next.is_some() { 3 } else { 4 }];
        let bytes = page(records, next);
        let body = PageBody::decode(&bytes).unwrap();
        assert_eq!((body.len, body.next), (records.len(), next));
        assert_eq!(body.records().collect::<Vec<_>>(), records);
    }
    let empty = page(&[], None);
    assert_eq!(PageBody::decode(&empty).unwrap().len, 0);
}

#[test]
fn a_page_is_as_the_documentation_has_it() {
    let bytes = page(&records()[..2], Some(9));
    let mut expected = vec![1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];
    expected.extend(b"\x01\x05\0\0\0\0\0\0\0\x0f\0\0\0\x07\x06london\x01a\x00");
    expected.extend(b"\x00\x01\0\0\0\0\0\0\0\x12\0\0\0\x07\x00\x01b\x80\xdd\xdb\x01\x05value");
    assert_eq!(bytes, expected);
}

#[test]
fn what_breaks_a_bound_is_malformed() {
    let whole = page(&records(), None);
    for len in 0..whole.len() {
        // Cut between two records it is a shorter page; every other cut shows.
        if let Ok(body) = PageBody::decode(&whole[..len]) {
            assert!(body.len < records().len());
        }
    }
    let good = page(&records()[..1], None);
    assert!(PageBody::decode(&good).is_ok());
    // Version, kind, origin's length and letters, key's length.
    for (at, byte) in [
        (0, 2),
        (16, 3),
        (30, 0),
        (30, 200),
        (31, b'/'),
        (37, 0),
        (37, 2),
    ] {
        let mut bad = good.clone();
        bad[at] = byte;
        assert!(PageBody::decode(&bad).is_err(), "{at} {byte}");
    }
    let record = PageRecord {
        key: &[b'k'; Target::MAX_KEY + 1],
        ..records()[0]
    };
    assert!(PageBody::decode(&page(&[record], None)).is_err());
    // A record at or behind the next page, and one that does not lie behind the one before.
    assert!(PageBody::decode(&page(&records()[..2], Some(6))).is_err());
    assert!(PageBody::decode(&page(&[records()[1], records()[1]], None)).is_err());
    // A number that is too long, and one that is too large.
    for number in [
        &[0xff; 11][..],
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2],
    ] {
        assert_eq!(Reader(number).number(), Err(Malformed));
    }
}

#[test]
fn digests_read_back() {
    let mut digest = Digest::new();
    for key in 0..100_u64 {
        digest.toggle(key_hash(&key.to_be_bytes()), version(key));
    }
    let body = DigestBody {
        settled: true,
        records: 100,
        weight: 12_345,
        digest,
    };
    let bytes = body.encode();
    assert_eq!(bytes.len(), DigestBody::LEN);
    assert_eq!(DigestBody::decode(&bytes), Ok(body));
    assert_eq!(DigestBody::decode(&bytes[1..]), Err(Malformed));
    assert_eq!(
        DigestBody::decode(&[&bytes[..], &[0]].concat()),
        Err(Malformed)
    );
    assert_eq!(
        DigestBody::decode(&[&[2], &bytes[1..]].concat()),
        Err(Malformed)
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_are_too_much_for_a_reader(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        flips in prop::collection::vec((16_usize..120, any::<u8>()), 0..4),
    ) {
        let _ = DigestBody::decode(&bytes);
        let mut near = page(&records(), None);
        for (at, byte) in flips {
            if let Some(slot) = near.get_mut(at) {
                *slot = byte;
            }
        }
        for bytes in [bytes, near] {
            if let Ok(body) = PageBody::decode(&bytes) {
                let records: Vec<_> = body.records().collect();
                prop_assert_eq!(records.len(), body.len);
                prop_assert!(records.is_sorted_by(|one, other| one.position < other.position));
                // What is right reads back as it was written.
                let again = page(&records, body.next);
                let again = PageBody::decode(&again).unwrap().records().collect::<Vec<_>>();
                prop_assert_eq!(again, records);
            }
        }
    }
}
