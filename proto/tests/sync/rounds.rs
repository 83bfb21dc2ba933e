use crate::pair::{Contents, Node, at, round, round_with};
use proptest::prelude::*;
use zerocache_proto::Duration;
use zerocache_proto::sync::{DigestBody, Limits, MAX_PAGE, Query, Verdict, What};

/// What both hold is the same, but that a copy may end a little before its original.
fn assert_same(asked: &Contents, asking: &Contents, slack: Duration) {
    assert_eq!(asked.len(), asking.len());
    for ((key, theirs), (other, mine)) in asked.iter().zip(asking) {
        assert_eq!(
            (key, theirs.0, &theirs.1, &theirs.3),
            (other, mine.0, &mine.1, &mine.3)
        );
        assert!(mine.2 <= theirs.2 && theirs.2.saturating_since(mine.2) <= slack);
    }
}

/// Of both regions, with some deleted.
fn fill(node: &Node, keys: usize, len: usize) {
    for n in 0..keys {
        let origin = if n % 3 == 0 { "paris" } else { "london" };
        let seconds = 60 + n as u64 % 3600;
        node.put(
            at(n as u64),
            &format!("key-{n}"),
            &vec![n as u8; len],
            origin,
            seconds,
        );
    }
    for n in (0..keys).step_by(7) {
        node.delete(at(keys as u64), &format!("key-{n}"));
    }
}

#[test]
fn one_that_begins_with_nothing_gets_all_in_one_pass() {
    let (old, new) = (Node::roomy("london", 4), Node::roomy("london", 2));
    fill(&old, 5000, 100);
    let now = at(10_000);
    let (ended, log) = round(now, &new, &old);
    assert_eq!(ended.verdict, Verdict::Complete);
    assert!(ended.settled);
    assert_eq!(ended.tally.merged, 5000);
    assert_same(
        &old.contents(now),
        &new.contents(now),
        Duration::from_millis(1),
    );
    assert!(old.digest() == new.digest());
    let whole = |query: &Query| {
        matches!(
            query,
            Query::Page {
                what: What::Values,
                ..
            }
        )
    };
    assert!(log[1..].iter().all(|(query, _)| whole(query)), "{log:?}");
    // 100 bytes of value, 8 of key at most, 12 of version, and a few numbers.
    assert!(ended.tally.bytes < 5000 * 130 + 20_000, "{:?}", ended.tally);
}

#[test]
fn equals_show_each_other_their_digests_and_no_more() {
    let (one, other) = (Node::roomy("london", 4), Node::roomy("london", 1));
    fill(&one, 1000, 100);
    round(at(5000), &other, &one);
    let (ended, log) = round(at(6000), &one, &other);
    assert_eq!(ended.verdict, Verdict::Equal);
    assert_eq!(log, [(Query::Digest, DigestBody::LEN)]);
}

#[test]
fn of_a_few_differences_only_those_records_are_fetched() {
    let (one, other) = (Node::roomy("london", 4), Node::roomy("paris", 8));
    fill(&one, 3000, 2000);
    round(at(10_000), &other, &one);
    for n in 1..4 {
        one.put(at(11_000), &format!("new-{n}"), b"new", "london", 60);
    }
    one.put(at(11_000), "key-1", b"newer", "london", 60);
    one.delete(at(11_000), "key-2");
    let now = at(12_000);
    let (ended, log) = round(now, &other, &one);
    assert_eq!((ended.verdict, ended.tally.merged), (Verdict::Complete, 5));
    assert!(one.digest() == other.digest());
    assert_same(
        &one.contents(now),
        &other.contents(now),
        Duration::from_millis(2),
    );
    assert!(ended.tally.bytes < DigestBody::LEN as u64 + 2000, "{log:?}");
}

#[test]
fn each_takes_what_is_newer_at_the_other() {
    let (one, other) = (Node::roomy("london", 2), Node::roomy("paris", 2));
    for (node, first) in [(&one, 1000), (&other, 2000)] {
        node.put(at(first), "both", b"b", "london", 60);
        node.put(at(first), "mine", b"m", "london", 60);
        node.put(at(first), &format!("only-{first}"), b"o", "paris", 60);
    }
    one.put(at(3000), "mine", b"newest", "london", 60);
    one.delete(at(3000), "only-1000");
    other.delete(at(3000), "both");
    let now = at(4000);
    round(now, &one, &other);
    round(now, &other, &one);
    assert!(one.digest() == other.digest());
    let contents = other.contents(now);
    let value = |key: &str| contents[key.as_bytes()].3.as_deref();
    assert_eq!(value("both"), None);
    assert_eq!(value("mine"), Some(&b"newest"[..]));
    assert_eq!(value("only-1000"), None);
    assert_eq!(value("only-2000"), Some(&b"o"[..]));
}

#[test]
fn pages_are_bounded_but_for_one_record_alone() {
    let (old, new) = (Node::roomy("london", 2), Node::roomy("london", 2));
    for (n, len) in [
        10, 40_000, 64_000, 70_000, 250_000, 300_000, 5_000_000, 4096, 4097,
    ]
    .into_iter()
    .enumerate()
    {
        for copy in 0..4 {
            old.put(
                at(1),
                &format!("{n}-{copy}"),
                &vec![n as u8; len],
                "london",
                60,
            );
        }
    }
    // Once by values, and once by versions and picks.
    for filled in [false, true] {
        let new = if filled {
            Node::roomy("london", 3)
        } else {
            Node::roomy("london", 2)
        };
        if filled {
            fill(&new, 100, 10);
        }
        let (ended, log) = round(at(1000), &new, &old);
        assert_eq!(ended.verdict, Verdict::Complete);
        let contents = new.contents(at(1000));
        for (key, record) in &old.contents(at(1000)) {
            assert_eq!(contents.get(key).map(|mine| &mine.3), Some(&record.3));
        }
        let most = log
            .iter()
            .map(|(_, len)| *len)
            .filter(|len| *len > MAX_PAGE);
        // The four of 5 MB and of 300 kB.
        assert_eq!(most.count(), 8, "{log:?}");
    }
    drop(new);
}

#[test]
fn a_full_one_takes_nothing_old_and_keeps_what_it_has() {
    let (large, small) = (
        Node::roomy("london", 1),
        Node::new("london", 1, 100, u64::MAX),
    );
    for n in 0..300 {
        large.put(at(n), &format!("key-{n}"), b"v", "london", 600);
        small.put(at(n), &format!("own-{n}"), b"v", "london", 600);
    }
    let evictions = small.evictions(at(1000));
    assert_eq!(evictions, 200);
    let before = small.contents(at(1000));
    for now in [1000, 2000, 3000] {
        let (ended, _) = round(at(now), &small, &large);
        assert_eq!((ended.verdict, ended.tally.merged), (Verdict::Complete, 0));
    }
    assert_eq!(small.contents(at(3000)), before);
    // What is newer than what it has still comes.
    large.put(at(4000), "own-299", b"newer", "london", 600);
    large.delete(at(4000), "own-298");
    let (ended, _) = round(at(5000), &small, &large);
    assert_eq!(ended.tally.merged, 2);
    let contents = small.contents(at(5000));
    assert_eq!(contents[&b"own-299"[..]].3.as_deref(), Some(&b"newer"[..]));
    assert_eq!(contents[&b"own-298"[..]].3, None);
    assert_eq!(small.evictions(at(5000)), evictions);
}

#[test]
fn one_with_less_room_fills_up_and_no_further() {
    let (large, small) = (
        Node::roomy("london", 1),
        Node::new("london", 1, 100, u64::MAX),
    );
    for n in 0..300 {
        large.put(at(n), &format!("key-{n}"), b"v", "london", 600);
    }
    let (ended, _) = round(at(1000), &small, &large);
    assert_eq!(ended.tally.merged, 100);
    let (ended, _) = round(at(2000), &small, &large);
    assert_eq!((ended.tally.merged, small.evictions(at(2000))), (0, 0));
}

#[test]
fn what_is_about_to_end_is_left_alone() {
    let (old, new) = (Node::roomy("london", 1), Node::roomy("london", 1));
    old.put(at(0), "short", b"v", "london", 3);
    old.put(at(0), "long", b"v", "london", 60);
    let (ended, _) = round(at(1500), &new, &old);
    assert_eq!(ended.tally.merged, 1);
    assert!(new.contents(at(1500)).contains_key(&b"long"[..]));
}

#[test]
fn a_copy_of_a_copy_ends_no_later() {
    let nodes: Vec<_> = (0..4).map(|_| Node::roomy("london", 1)).collect();
    nodes[0].put(at(0), "k", b"v", "london", 60);
    nodes[0].delete(at(0), "gone");
    for (n, pair) in nodes.windows(2).enumerate() {
        round(at(1000 * n as u64 + 1000), &pair[1], &pair[0]);
    }
    let (first, last) = (nodes[0].contents(at(5000)), nodes[3].contents(at(5000)));
    assert_same(&first, &last, Duration::from_millis(3));
}

#[test]
fn a_bound_ends_a_round_and_the_next_one_goes_on() {
    let (old, new) = (Node::roomy("london", 4), Node::roomy("london", 1));
    fill(&old, 5000, 1000);
    let limits = Limits {
        bytes: 1 << 20,
        ..Limits::default()
    };
    let (mut verdicts, mut merged) = (Vec::new(), 0);
    for n in 0..20 {
        let (ended, _) = round_with(at(10_000 + 100 * n), &new, limits, |now, query| {
            Ok((200, old.answer(now, query)))
        });
        assert!(ended.tally.bytes < (1 << 20) + MAX_PAGE as u64);
        assert!(ended.verdict != Verdict::Partial || ended.tally.merged > 0);
        merged += ended.tally.merged;
        verdicts.push(ended.verdict);
        if ended.verdict == Verdict::Complete {
            break;
        }
    }
    assert!(verdicts.len() > 3, "{verdicts:?}");
    assert_eq!((verdicts.last(), merged), (Some(&Verdict::Complete), 5000));
    assert!(old.digest() == new.digest());
}

#[test]
fn answers_come_no_faster_than_the_rate() {
    let (old, new) = (Node::roomy("london", 4), Node::roomy("london", 1));
    fill(&old, 5000, 1000);
    let limits = Limits {
        rate: 1 << 20,
        ..Limits::default()
    };
    let mut times = Vec::new();
    let (ended, log) = round_with(at(10_000), &new, limits, |now, query| {
        times.push(now.mono);
        Ok((200, old.answer(now, query)))
    });
    let took = times[times.len() - 1].saturating_since(times[0]);
    let last = log[log.len() - 1].1 as u64;
    let bytes = ended.tally.bytes - last;
    assert!(
        took >= Duration::from_millis(bytes * 1000 / (1 << 20)),
        "{took:?} {bytes}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn whatever_two_nodes_hold_two_rounds_make_it_the_same(
        shards in (1..5_usize, 1..5_usize),
        writes in prop::collection::vec(
            (any::<bool>(), 0..400_u32, prop::option::of(0..3000_usize), any::<bool>(), 30..100_u64),
            0..800,
        ),
    ) {
        let nodes = [Node::roomy("london", shards.0), Node::roomy("paris", shards.1)];
        for (n, (node, key, len, own, seconds)) in writes.into_iter().enumerate() {
            let (node, key) = (&nodes[usize::from(node)], format!("key-{key}"));
            match len {
                Some(len) => {
                    let origin = if own { "london" } else { "paris" };
                    node.put(at(n as u64), &key, &vec![n as u8; len], origin, seconds);
                }
                None => node.delete(at(n as u64), &key),
            }
        }
        let now = at(2000);
        let (first, _) = round(now, &nodes[0], &nodes[1]);
        let (second, _) = round(now, &nodes[1], &nodes[0]);
        for ended in [first, second] {
            prop_assert!(matches!(ended.verdict, Verdict::Complete | Verdict::Equal));
        }
        prop_assert!(nodes[0].digest() == nodes[1].digest());
        for (one, other) in [(0, 1), (1, 0)] {
            let (ended, _) = round(now, &nodes[one], &nodes[other]);
            prop_assert_eq!(ended.verdict, Verdict::Equal);
        }
    }
}
