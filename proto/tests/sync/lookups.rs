//! A single key looked up: what an answer is worth, and what comes of it here.

use crate::pair::{Node, at, peer};
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use zerocache_proto::cluster::{Event, View};
use zerocache_proto::http::Reply;
use zerocache_proto::sync::{AntiEntropy, LOOKUP_TIME, Limits, Lookup, MAX_ASKED_KEY, Query};
use zerocache_proto::{Failure, Region};

/// A node that has just begun and sees one peer.
fn cold() -> AntiEntropy {
    let mut view = View::empty(Region::new("london").expect("a name"), None);
    view.local.push(peer());
    AntiEntropy::new(Arc::new(view), Limits::default(), 7)
}

fn lookup(key: &str) -> Lookup {
    let lookup = cold().look_up(at(1000).mono, key.as_bytes());
    let lookup = lookup.expect("somebody to ask");
    assert_eq!(lookup.deadline, at(1000).mono + LOOKUP_TIME);
    lookup
}

fn settle(here: &Node, lookup: &Lookup, body: &[u8]) -> Reply {
    lookup.settle(at(1100), &here.shards, Ok((200, body)))
}

fn value(bytes: &[u8]) -> Reply {
    Reply::Value(Bytes::copy_from_slice(bytes))
}

#[test]
fn values_of_any_size_come_with_the_last_moment_of_their_lives() {
    let (there, here) = (Node::roomy("london", 2), Node::roomy("london", 3));
    for (n, len) in [0, 1, 4096, 4097, 70_000, 600_000].into_iter().enumerate() {
        let (key, bytes) = (format!("key-{n}"), vec![7; len]);
        there.put(at(0), &key, &bytes, "paris", 2);
        let lookup = lookup(&key);
        let body = there.answer(at(1050), &lookup.query);
        assert_eq!(settle(&here, &lookup, &body), value(&bytes));
        let (_, _, expires, _) = here.contents(at(1100))[key.as_bytes()];
        // 950 ms were left, and are counted from before they were told.
        assert_eq!(expires.as_millis(), 1950);
    }
    // 50 ms were left, and they are over since long: it was asked for at 1000.
    let body = there.answer(at(1950), &lookup("late").query);
    let lookup = lookup("key-1");
    assert_eq!(
        settle(&Node::roomy("london", 1), &lookup, &body),
        Lookup::MISS
    );
    let body = there.answer(at(1950), &lookup.query);
    assert_eq!(
        settle(&Node::roomy("london", 1), &lookup, &body),
        Lookup::MISS
    );
}

#[test]
fn what_came_here_meanwhile_goes_first() {
    let (there, here) = (Node::roomy("london", 1), Node::roomy("london", 1));
    there.put(at(0), "key", b"old", "london", 60);
    there.put(at(0), "deleted", b"old", "london", 60);
    here.put(at(1001), "key", b"new", "london", 60);
    here.delete(at(1001), "deleted");
    for (key, expected) in [("key", value(b"new")), ("deleted", Lookup::MISS)] {
        let lookup = lookup(key);
        let body = there.answer(at(1050), &lookup.query);
        assert_eq!(settle(&here, &lookup, &body), expected);
    }
}

#[test]
fn what_has_no_room_here_is_answered_all_the_same() {
    let (there, here) = (Node::roomy("london", 1), Node::new("london", 1, 1, 100));
    there.put(at(0), "key", &[7; 5000], "london", 60);
    let lookup = lookup("key");
    let body = there.answer(at(1050), &lookup.query);
    assert_eq!(settle(&here, &lookup, &body), value(&[7; 5000]));
    assert!(here.contents(at(1100)).is_empty());
}

#[test]
fn an_answer_that_is_none_is_a_miss() {
    let (there, here) = (Node::roomy("london", 1), Node::roomy("london", 1));
    there.put(at(0), "key", b"value", "london", 60);
    there.put(at(0), "other", b"value", "london", 60);
    let lookup = lookup("key");
    let other = there.answer(
        at(1050),
        &Query::Key {
            key: b"other".to_vec(),
        },
    );
    for answer in [
        Err(Failure::TimedOut),
        Err(Failure::Refused),
        Ok((404, &b""[..])),
        Ok((403, &b"for nodes, which say who they are\n"[..])),
        Ok((200, &b"pong"[..])),
        Ok((200, &other[..])),
    ] {
        assert_eq!(lookup.settle(at(1100), &here.shards, answer), Lookup::MISS);
    }
    assert!(here.contents(at(1100)).is_empty());
}

#[test]
fn whom_to_ask_and_when_not_to() {
    let now = at(1000).mono;
    let mut sync = cold();
    assert!(sync.look_up(now, &[b'x'; MAX_ASKED_KEY]).is_some());
    assert!(sync.look_up(now, &[b'x'; MAX_ASKED_KEY + 1]).is_none());
    sync.end_lookup();
    // Its only peer is no node of ours; then it has none.
    let mut stock = (*peer()).clone();
    stock.capable = false;
    let mut view = View::empty(stock.region.clone(), None);
    view.local.push(Arc::new(stock));
    sync.handle_event(now, &Event::ViewChanged(Arc::new(view)));
    assert!(sync.look_up(now, b"key").is_none());
    let mut leaving = cold();
    leaving.leave();
    assert!(leaving.look_up(now, b"key").is_none());
}

proptest! {
    #[test]
    fn any_answer_is_survived(body in prop::collection::vec(any::<u8>(), 0..300), cut in 0_usize..80, flip in 0_usize..80) {
        let (there, here) = (Node::roomy("london", 1), Node::roomy("london", 1));
        there.put(at(0), "key", b"value", "london", 60);
        let lookup = lookup("key");
        settle(&here, &lookup, &body);
        let right = there.answer(at(1050), &lookup.query);
        let mut wrong = right.to_vec();
        wrong.truncate(cut);
        if let Some(byte) = wrong.get_mut(flip) {
            *byte ^= 0x55;
        }
        settle(&here, &lookup, &wrong);
        prop_assert!(here.contents(at(1100)).len() <= 1);
    }
}
