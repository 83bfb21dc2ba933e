//! Peers that fail, lie, or say nonsense: the round ends, what was there before stays.

use crate::pair::{Node, at, round_with};
use bytes::Bytes;
use proptest::prelude::*;
use zerocache_proto::Failure;
use zerocache_proto::cache::Digest;
use zerocache_proto::sync::{DigestBody, Limits, Query, Verdict};

fn old() -> Node {
    let node = Node::roomy("london", 2);
    for n in 0..300 {
        node.put(at(n), &format!("key-{n}"), &[7; 100], "london", 60);
    }
    node
}

/// How a round ends whose answers `answer` makes of the right ones.
fn verdict(answer: impl Fn(usize, &Query, Bytes) -> Result<(u16, Bytes), Failure>) -> Verdict {
    let (old, new) = (old(), Node::roomy("london", 1));
    new.put(at(0), "own", b"v", "london", 60);
    let mut asked = 0;
    let (ended, _) = round_with(at(1000), &new, Limits::default(), |now, query| {
        asked += 1;
        answer(asked, query, old.answer(now, query))
    });
    let contents = new.contents(at(1000));
    assert!(contents.contains_key(&b"own"[..]));
    ended.verdict
}

#[test]
fn a_failure_ends_the_round() {
    for (failure, expected) in [
        (Err(Failure::Reset), Failure::Reset),
        (Ok((503, Bytes::new())), Failure::Overloaded),
        // A stock node, or one that does not know the path.
        (Ok((404, Bytes::new())), Failure::Malformed),
        (Ok((200, Bytes::new())), Failure::Malformed),
        (Ok((200, Bytes::from_static(b"pong"))), Failure::Malformed),
    ] {
        for turn in 1..3 {
            let verdict = verdict(|n, _, body| match n == turn {
                true => failure.clone(),
                false => Ok((200, body)),
            });
            assert_eq!(verdict, Verdict::Failed(expected));
        }
    }
}

#[test]
fn an_answer_that_does_not_come_is_not_waited_for() {
    use crate::checked::Checked;
    use crate::pair::peer;
    use zerocache_proto::sync::Round;
    let limits = Limits::default();
    let now = at(1000).mono;
    let mut round = Checked::new(Round::new(now, peer(), limits));
    let ask = round.poll_transmit(now).expect("the digest");
    assert_eq!(ask.deadline, now + limits.answer);
    round.handle_timeout(ask.deadline);
    let ended = round.poll_event().expect("over");
    assert_eq!(ended.verdict, Verdict::Failed(Failure::TimedOut));
    // Late.
    let node = Node::roomy("london", 1);
    round.handle_answer(at(20_000), &node.shards, Ok((200, b"late")));
    assert_eq!(round.poll_transmit(at(20_000).mono), None);
}

#[test]
fn a_page_has_time_for_its_bytes_and_ends_with_its_node() {
    use crate::pair::peer;
    use zerocache_proto::sync::Round;
    let (old, new) = (Node::roomy("london", 1), Node::roomy("london", 1));
    old.put(at(1), "large", &vec![0; 1 << 20], "london", 600);
    new.put(at(1), "other", b"v", "london", 600);
    let mut round = Round::new(at(1000).mono, peer(), Limits::default());
    let mut times = Vec::new();
    for step in 0..3 {
        let now = at(1000 + step);
        let ask = round.poll_transmit(now.mono).expect("a question");
        times.push(ask.deadline.saturating_since(now.mono).as_secs());
        if step < 2 {
            let body = old.answer(now, &ask.query);
            round.handle_answer(now, &new.shards, Ok((200, &body)));
        }
    }
    // The digest; a page of 256 KiB; the large value, 8 KiB a second.
    assert_eq!(times, [10, 42, 138]);
    round.handle_down();
    let ended = round.poll_event().expect("over");
    assert_eq!(ended.verdict, Verdict::Failed(Failure::Unreachable));
}

#[test]
fn pages_without_end_have_one() {
    let node = Node::roomy("london", 1);
    let other = DigestBody {
        settled: true,
        records: 1,
        weight: 1,
        digest: {
            let mut digest = Digest::new();
            digest.buckets_mut()[5] = 1;
            digest
        },
    };
    let page = |next: u64| {
        let mut page = vec![1, 0, 0, 0, 0, 0, 0, 0];
        page.extend(next.to_be_bytes());
        Bytes::from(page)
    };
    // Each begins behind the one before, so that all there is to stop them is a bound.
    let limits = Limits {
        records: 1000,
        ..Limits::default()
    };
    let (ended, log) = round_with(at(0), &node, limits, |_, query| match query {
        Query::Page { from, .. } => Ok((200, page(from + 1))),
        _ => Ok((200, other.encode().into())),
    });
    assert_eq!((ended.verdict, log.len()), (Verdict::Partial, 1000));
    // One that leads to itself, or back.
    for next in [0, 7] {
        let (ended, log) = round_with(at(0), &node, limits, |_, query| match query {
            Query::Page { from: 0, .. } if next > 0 => Ok((200, page(next))),
            Query::Page { .. } => Ok((200, page(next))),
            _ => Ok((200, other.encode().into())),
        });
        assert_eq!(ended.verdict, Verdict::Failed(Failure::Malformed));
        assert!(log.len() <= 3);
    }
}

#[test]
fn picks_that_bring_nothing_end_the_round() {
    let (old, new) = (old(), Node::roomy("london", 1));
    for n in 0..250 {
        new.put(at(n), &format!("own-{n}"), b"v", "london", 60);
    }
    let (ended, _) = round_with(
        at(1000),
        &new,
        Limits::default(),
        |now, query| match query {
            Query::Picked { at } => {
                // Says that not even the first one had room.
                let mut page = vec![1, 0, 0, 0, 0, 0, 0, 0];
                page.extend(at[0].to_be_bytes());
                Ok((200, page.into()))
            }
            _ => Ok((200, old.answer(now, query))),
        },
    );
    assert_eq!(ended.verdict, Verdict::Failed(Failure::Malformed));
}

#[test]
fn versions_of_the_future_are_not_fetched() {
    let (old, new) = (Node::roomy("london", 1), Node::roomy("london", 1));
    old.put(at(60_000), "mad", b"v", "london", 600);
    // It is a minute earlier here.
    let (ended, log) = round_with(at(1000), &new, Limits::default(), |_, query| {
        Ok((200, old.answer(at(60_000), query)))
    });
    assert_eq!((ended.verdict, ended.tally.merged), (Verdict::Complete, 0));
    assert!(log.len() <= 3);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn flipped_bytes_end_it_or_are_taken_for_what_they_say(
        flips in prop::collection::vec((0..3_usize, any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let verdict = verdict(|n, _, body| {
            let mut body = body.to_vec();
            for (turn, at, byte) in &flips {
                if *turn + 1 == n {
                    let at = at.index(body.len());
                    body[at] = *byte;
                }
            }
            Ok((200, body.into()))
        });
        let ends = [Verdict::Complete, Verdict::Partial, Verdict::Failed(Failure::Malformed)];
        prop_assert!(ends.contains(&verdict), "{verdict:?}");
    }
}
