//! Keys kept for a peer's return: coalescing, bounds, back-off.

mod checked;

use checked::Checked;
use proptest::prelude::*;
use std::sync::Arc;
use zerocache_proto::op::{Change, Handoff, HandoffLimits, Resend};
use zerocache_proto::{Duration, Failure, Instant, NodeId};

const LIMITS: HandoffLimits = HandoffLimits {
    peers: 2,
    keys: 3,
    bytes: 10_000,
    window: 2,
};

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn id(n: u32) -> NodeId {
    NodeId::from_bits(n)
}

fn key(text: &str) -> Arc<[u8]> {
    text.as_bytes().into()
}

fn put(handoff: &mut Checked<Handoff>, now: u64, peer: u32, text: &str) {
    handoff.push(at(now), id(peer), &key(text), Change::Put, false);
}

fn delete(handoff: &mut Checked<Handoff>, now: u64, peer: u32, text: &str) {
    handoff.push(at(now), id(peer), &key(text), Change::Delete, false);
}

fn due(handoff: &mut Checked<Handoff>, now: u64) -> Vec<Resend> {
    std::iter::from_fn(|| handoff.poll_transmit(at(now))).collect()
}

fn keys(sent: &[Resend]) -> Vec<String> {
    let text = |resend: &Resend| String::from_utf8_lossy(&resend.key).into_owned();
    sent.iter().map(text).collect()
}

fn done(handoff: &mut Checked<Handoff>, now: u64, sent: &[Resend]) {
    for resend in sent {
        handoff.handle_result(at(now), resend.peer, &resend.key, Ok(()));
    }
}

#[test]
fn keys_wait_a_second_and_go_when_the_peer_is_up() {
    let mut handoff = Checked::new(Handoff::new(LIMITS, 1));
    put(&mut handoff, 0, 1, "a");
    let first = handoff.poll_timeout().expect("a turn");
    assert!((at(800)..=at(1_200)).contains(&first));
    assert!(due(&mut handoff, 700).is_empty());
    handoff.handle_up(at(700), id(1));
    assert_eq!(handoff.poll_timeout(), Some(at(700)));
    let sent = due(&mut handoff, 700);
    assert_eq!(keys(&sent), ["a"]);
    assert_eq!(sent[0].deadline, at(1_700));
    done(&mut handoff, 710, &sent);
    assert!(handoff.is_empty() && handoff.poll_timeout().is_none());
}

#[test]
fn a_key_waits_once_with_its_latest_change() {
    let mut handoff = Checked::new(Handoff::new(LIMITS, 1));
    put(&mut handoff, 0, 1, "a");
    delete(&mut handoff, 1, 1, "a");
    put(&mut handoff, 2, 1, "b");
    assert_eq!(handoff.len(), 2);
    handoff.handle_up(at(5), id(1));
    let sent = due(&mut handoff, 5);
    assert_eq!(keys(&sent), ["a", "b"]);
    assert_eq!(sent[0].change, Change::Delete);
    // Written again while it is on its way: it goes again.
    put(&mut handoff, 6, 1, "a");
    done(&mut handoff, 7, &sent);
    let again = due(&mut handoff, 7);
    assert_eq!(
        (keys(&again), again[0].change),
        (vec!["a".into()], Change::Put)
    );
    done(&mut handoff, 8, &again);
    assert!(handoff.is_empty());
}

#[test]
fn when_it_is_full_the_oldest_store_goes_before_any_removal() {
    let mut handoff = Checked::new(Handoff::new(LIMITS, 1));
    delete(&mut handoff, 0, 1, "d1");
    put(&mut handoff, 0, 1, "p1");
    put(&mut handoff, 0, 1, "p2");
    put(&mut handoff, 0, 1, "p3");
    delete(&mut handoff, 0, 1, "d2");
    delete(&mut handoff, 0, 1, "d3");
    assert_eq!((handoff.len(), handoff.dropped()), (3, 3));
    delete(&mut handoff, 0, 1, "d4");
    handoff.handle_up(at(5), id(1));
    let sent = due(&mut handoff, 5);
    assert_eq!(keys(&sent), ["d2", "d3"], "a window of two");
    done(&mut handoff, 6, &sent);
    assert_eq!(keys(&due(&mut handoff, 6)), ["d4"]);
}

#[test]
fn whoever_misses_what_was_dropped_is_told_of_once() {
    let mut handoff = Checked::new(Handoff::new(LIMITS, 1));
    for n in 0..3 {
        put(&mut handoff, 0, 1, &n.to_string());
    }
    assert_eq!(handoff.poll_owed(), None);
    put(&mut handoff, 0, 1, "3");
    put(&mut handoff, 0, 1, "4");
    put(&mut handoff, 0, 2, "0");
    // There is no queue for a third one.
    put(&mut handoff, 0, 3, "0");
    let owed: Vec<_> = std::iter::from_fn(|| handoff.poll_owed()).collect();
    assert_eq!(owed, [id(1), id(3)]);
    handoff.handle_gone(id(2));
    assert_eq!(
        (handoff.poll_owed(), handoff.poll_owed()),
        (Some(id(2)), None)
    );
    handoff.handle_gone(id(2));
    assert_eq!(handoff.poll_owed(), None);
}

#[test]
fn bytes_and_peers_are_bounded() {
    let mut handoff = Checked::new(Handoff::new(LIMITS, 1));
    for n in 0..3 {
        put(&mut handoff, 0, 1, &format!("{n}{}", "x".repeat(4_000)));
    }
    assert_eq!((handoff.len(), handoff.dropped()), (2, 1));
    put(&mut handoff, 0, 1, &"y".repeat(20_000));
    assert_eq!(handoff.len(), 0);
    put(&mut handoff, 0, 1, "a");
    put(&mut handoff, 0, 2, "a");
    put(&mut handoff, 0, 3, "a");
    assert_eq!(handoff.len(), 2);
    handoff.handle_gone(id(1));
    put(&mut handoff, 0, 3, "a");
    handoff.handle_up(at(1), id(3));
    assert_eq!(due(&mut handoff, 1)[0].peer, id(3));
}

#[test]
fn failures_back_off_from_one_second_to_sixty() {
    let mut handoff = Checked::new(Handoff::new(LIMITS, 1));
    put(&mut handoff, 0, 1, "a");
    put(&mut handoff, 0, 1, "b");
    let mut gaps = Vec::new();
    let mut last = at(0);
    for _ in 0..12 {
        let now = handoff.poll_timeout().expect("a turn");
        gaps.push(now.saturating_since(last).as_millis() as u64);
        let sent: Vec<Resend> = std::iter::from_fn(|| handoff.poll_transmit(now)).collect();
        assert_eq!(sent.len(), 1, "one at a time while it fails");
        last = now;
        handoff.handle_result(now, id(1), &sent[0].key, Err(Failure::Refused));
    }
    assert!(
        gaps.windows(2).take(5).all(|pair| pair[1] > pair[0]),
        "{gaps:?}"
    );
    assert!(
        gaps.iter().all(|gap| (800..=60_000).contains(gap)),
        "{gaps:?}"
    );
    assert!(gaps[8..].iter().all(|gap| *gap >= 40_000), "{gaps:?}");
    assert_eq!(handoff.len(), 2);
}

#[test]
fn a_key_has_time_for_what_it_holds() {
    let mut handoff = Checked::new(Handoff::new(LIMITS, 1));
    put(&mut handoff, 0, 1, "a");
    handoff.handle_up(at(0), id(1));
    assert_eq!(due(&mut handoff, 0)[0].deadline, at(1_000));
    let far = Duration::from_millis(350);
    let deadline = handoff.prolong(at(0), id(1), b"a", 80 << 10, far);
    assert_eq!(deadline, at(11_400));
    assert_eq!(handoff.poll_timeout(), Some(deadline));
    handoff.handle_timeout(at(11_399));
    assert_eq!(handoff.poll_timeout(), Some(deadline), "still on its way");
    handoff.handle_result(at(11_399), id(1), b"a", Ok(()));
    assert!(handoff.is_empty() && handoff.poll_timeout().is_none());
    // Nothing is on its way.
    handoff.prolong(at(11_400), id(1), b"a", 1, far);
    assert!(handoff.poll_timeout().is_none());
}

#[test]
fn what_is_never_reported_on_goes_again() {
    let mut handoff = Checked::new(Handoff::new(LIMITS, 1));
    put(&mut handoff, 0, 1, "a");
    handoff.handle_up(at(0), id(1));
    assert_eq!(due(&mut handoff, 0).len(), 1);
    assert_eq!(handoff.poll_timeout(), Some(at(0) + Handoff::DEADLINE));
    handoff.handle_timeout(at(1_000));
    let next = handoff.poll_timeout().expect("a turn");
    assert!(next > at(1_000));
    assert_eq!(due(&mut handoff, next.as_millis() + 1).len(), 1);
    handoff.handle_gone(id(1));
    assert!(handoff.poll_timeout().is_none() && handoff.is_empty());
}

proptest! {
    #[test]
    fn nothing_is_lost_but_what_is_counted(
        steps in prop::collection::vec((0_u8..8, 0_u8..4, 0_u8..6, 0_u64..3_000), 1..300),
    ) {
        let limits = HandoffLimits { peers: 3, keys: 4, bytes: 100_000, window: 2 };
        let mut handoff = Checked::new(Handoff::new(limits, 9));
        let mut flying: Vec<Resend> = Vec::new();
        let mut now = at(0);
        for (step, peer, text, wait) in steps {
            let (peer, text) = (id(u32::from(peer)), key(&format!("{text}")));
            match step {
                0 | 1 => handoff.push(now, peer, &text, Change::Put, false),
                2 => handoff.push(now, peer, &text, Change::Delete, true),
                3 => handoff.handle_up(now, peer),
                4 => handoff.handle_gone(peer),
                5 => {
                    if let Some(resend) = flying.pop() {
                        handoff.handle_result(now, resend.peer, &resend.key, Ok(()));
                    }
                }
                6 => {
                    if let Some(resend) = flying.pop() {
                        handoff.handle_result(now, resend.peer, &resend.key, Err(Failure::Reset));
                    }
                }
                _ => now = now + Duration::from_millis(wait),
            }
            handoff.handle_timeout(now);
            flying.retain(|resend| resend.deadline > now);
            flying.extend(std::iter::from_fn(|| handoff.poll_transmit(now)));
            prop_assert!(handoff.poll_timeout().is_none_or(|due| due > now));
            prop_assert!(handoff.len() <= 3 * (4 + 2));
        }
        // Left alone with peers that answer, it empties.
        for _ in 0..200 {
            let Some(due) = handoff.poll_timeout() else { break };
            now = now.max(due);
            handoff.handle_timeout(now);
            while let Some(resend) = handoff.poll_transmit(now) {
                handoff.handle_result(now, resend.peer, &resend.key, Ok(()));
            }
        }
        prop_assert!(handoff.is_empty());
    }
}
