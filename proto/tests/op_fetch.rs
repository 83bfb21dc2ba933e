//! A client's ladder: who is asked when, and what the answers come to.

mod checked;

use checked::Checked;
use proptest::prelude::*;
use std::sync::Arc;
use zerocache_proto::cluster::{Peer, RegionView, View};
use zerocache_proto::op::{Attempt, Fetch, Kind, Phase, Rung, Turn, Verdict, Why};
use zerocache_proto::{Duration, Failure, Instant, NodeId, Region, Rng};

const KINDS: [Kind; 3] = [Kind::Get, Kind::Put, Kind::Delete];

fn region(name: &str) -> Region {
    Region::new(name).expect("a region")
}

fn peers(name: &str, ids: impl IntoIterator<Item = u32>) -> Vec<Arc<Peer>> {
    let peer = |n: u32| {
        Arc::new(Peer {
            id: NodeId::from_bits(n),
            region: region(name),
            addr: ([10, 0, 0, n as u8], 6789).into(),
            capable: true,
        })
    };
    ids.into_iter().map(peer).collect()
}

/// Local nodes 1.., those of other regions 11.., 21.., ...
fn view(local: u32, others: &[u32]) -> Arc<View> {
    let mut view = View::empty(region("london"), None);
    view.local = peers("london", 1..=local);
    for (rank, n) in others.iter().enumerate() {
        let name = format!("region-{rank}");
        let first = 10 * (rank as u32 + 1);
        view.regions.push(RegionView {
            name: region(&name),
            latency: Duration::from_millis(10),
            peers: peers(&name, first + 1..=first + n),
        });
    }
    Arc::new(view)
}

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn who(attempt: &Attempt) -> u32 {
    attempt.peer.id.to_bits()
}

/// Lets everything time out; returns rung, node and deadline (ms) of each attempt, and the end.
fn all_silent(view: Arc<View>, turn: usize, kind: Kind) -> (Vec<(Rung, u32, u64)>, Verdict) {
    let mut fetch = Checked::new(Fetch::new(at(0), view, turn, kind, Rng::new(1)));
    let mut now = at(0);
    let mut asked = Vec::new();
    loop {
        if let Some(verdict) = fetch.poll_event() {
            assert_eq!((fetch.poll_timeout(), fetch.poll_event()), (None, None));
            assert!(fetch.poll_transmit(now).is_none());
            return (asked, verdict);
        }
        let attempt = fetch.poll_transmit(now).expect("an attempt or a verdict");
        assert!(fetch.poll_transmit(now).is_none(), "one at a time");
        asked.push((attempt.rung, who(&attempt), attempt.deadline.as_millis()));
        assert_eq!(fetch.poll_timeout(), Some(attempt.deadline));
        // Too early is nothing.
        fetch.handle_timeout(attempt.deadline - Duration::from_nanos(1));
        assert_eq!(fetch.poll_timeout(), Some(attempt.deadline));
        now = attempt.deadline;
        fetch.handle_timeout(now);
    }
}

#[test]
fn the_ladder_is_half_half_three_quarters_one() {
    for kind in KINDS {
        let (asked, verdict) = all_silent(view(3, &[1, 1]), 4, kind);
        let ladder = [
            (Rung::Local, 2, 500),
            (Rung::NextLocal, 3, 1_000),
            (Rung::FirstRegion, 11, 1_750),
            // A read has two seconds in all.
            (
                Rung::SecondRegion,
                21,
                if kind == Kind::Get { 2_000 } else { 2_750 },
            ),
        ];
        assert_eq!(asked, ladder);
        let Verdict::Unreachable(error) = verdict else {
            unreachable!("{verdict:?}")
        };
        assert_eq!(error.attempts.len(), 4);
    }
}

#[test]
fn rungs_nobody_stands_on_are_skipped() {
    use Rung::{FirstRegion, Local, NextLocal, SecondRegion};
    type Case = (u32, &'static [u32], &'static [(Rung, u64)]);
    let cases: [Case; 8] = [
        (0, &[], &[]),
        (1, &[], &[(Local, 500)]),
        (2, &[], &[(Local, 500), (NextLocal, 1_000)]),
        (0, &[1], &[(FirstRegion, 750)]),
        (0, &[1, 1], &[(FirstRegion, 750), (SecondRegion, 1_750)]),
        (
            1,
            &[1, 1, 1],
            &[(Local, 500), (FirstRegion, 1_250), (SecondRegion, 2_000)],
        ),
        (0, &[0, 1], &[(SecondRegion, 1_000)]),
        (
            2,
            &[0, 1],
            &[(Local, 500), (NextLocal, 1_000), (SecondRegion, 2_000)],
        ),
    ];
    for (local, others, expected) in cases {
        let (asked, verdict) = all_silent(view(local, others), 0, Kind::Get);
        let asked: Vec<(Rung, u64)> = asked.iter().map(|(rung, _, due)| (*rung, *due)).collect();
        assert_eq!(asked, expected, "{local} {others:?}");
        assert!(matches!(verdict, Verdict::Unreachable(_)));
    }
}

/// Answers attempt after attempt with these; a status, or 0 for a reset connection.
fn answers(kind: Kind, statuses: &[u16]) -> (usize, Verdict) {
    let mut fetch = Checked::new(Fetch::new(at(0), view(2, &[1, 1]), 0, kind, Rng::new(1)));
    let mut used = 0;
    for status in statuses {
        let Some(attempt) = fetch.poll_transmit(at(5)) else {
            break;
        };
        used += 1;
        match status {
            0 => fetch.handle_result(at(9), attempt.id, Err(Failure::Reset)),
            status => fetch.handle_result(at(9), attempt.id, Ok(*status)),
        }
    }
    (used, fetch.poll_event().expect("a verdict"))
}

#[test]
fn what_the_answers_come_to() {
    use Kind::{Delete, Get, Put};
    let refused = |status| Verdict::Refused { status };
    let deleted = |existed| Verdict::Deleted { existed };
    let cases: [(Kind, &[u16], usize, Verdict); 19] = [
        (Get, &[200], 1, Verdict::Hit),
        (Get, &[404, 200], 2, Verdict::Hit),
        (Get, &[0, 500, 404, 200], 4, Verdict::Hit),
        (Get, &[404, 404, 404, 404], 4, Verdict::Miss),
        (Get, &[0, 503, 404, 0], 4, Verdict::Miss),
        (Get, &[401], 1, refused(401)),
        (Get, &[404, 414], 2, refused(414)),
        (Put, &[200], 1, Verdict::Stored),
        (Put, &[201], 1, Verdict::Stored),
        (Put, &[500, 503, 0, 204], 4, Verdict::Stored),
        (Put, &[413], 1, refused(413)),
        (Put, &[0, 400], 2, refused(400)),
        (Put, &[401], 1, refused(401)),
        (Put, &[404, 200], 2, Verdict::Stored),
        (Put, &[404, 404, 404, 404], 4, refused(404)),
        (Put, &[429, 408, 301, 200], 4, Verdict::Stored),
        (Delete, &[200], 1, deleted(true)),
        (Delete, &[404], 1, deleted(false)),
        (Delete, &[500, 404], 2, deleted(false)),
    ];
    for (kind, statuses, used, verdict) in cases {
        assert_eq!(
            answers(kind, statuses),
            (used, verdict),
            "{kind:?} {statuses:?}"
        );
    }
    for kind in KINDS {
        let (used, verdict) = answers(kind, &[500, 0, 302, 503]);
        assert!(matches!(verdict, Verdict::Unreachable(_)), "{verdict:?}");
        assert_eq!(used, 4);
    }
}

#[test]
fn the_error_says_who_was_asked_and_what_went_wrong() {
    let mut fetch = Checked::new(Fetch::new(at(0), view(2, &[1]), 0, Kind::Put, Rng::new(1)));
    let first = fetch.poll_transmit(at(0)).expect("first");
    fetch.handle_result(at(2), first.id, Err(Failure::Refused));
    let second = fetch.poll_transmit(at(2)).expect("second");
    fetch.handle_phase(first.id, Phase::Write);
    fetch.handle_phase(second.id, Phase::Read);
    assert_eq!(second.deadline, at(502));
    fetch.handle_timeout(at(502));
    // What was given up may still answer; nobody listens.
    fetch.handle_result(at(503), second.id, Ok(200));
    let third = fetch.poll_transmit(at(502)).expect("third");
    fetch.handle_result(at(560), third.id, Ok(503));
    let Some(Verdict::Unreachable(error)) = fetch.poll_event() else {
        unreachable!("no verdict")
    };
    let tried = &error.attempts;
    assert_eq!(
        (tried[0].why, tried[0].phase),
        (Why::Failed(Failure::Refused), Phase::Connect)
    );
    assert_eq!(
        (tried[1].why, tried[1].phase),
        (Why::Failed(Failure::TimedOut), Phase::Read)
    );
    assert_eq!(tried[2].elapsed, Duration::from_millis(58));
    assert_eq!(
        error.to_string(),
        "no node answered: \
         00000001 at 10.0.0.1:6789 in london (local node): connection refused while connecting after 2 ms; \
         00000002 at 10.0.0.2:6789 in london (next local node): timed out while waiting for the answer \
         after 500 ms; \
         0000000b at 10.0.0.11:6789 in region-0 (nearest region): status 503 after 58 ms"
    );
    let (_, verdict) = all_silent(view(0, &[]), 0, Kind::Get);
    let Verdict::Unreachable(error) = verdict else {
        unreachable!("{verdict:?}")
    };
    assert_eq!(error.to_string(), "no node is known");
}

#[test]
fn each_local_node_is_first_choice_equally_often() {
    for n in 1..=7_u32 {
        let turn = Turn::starting_at(usize::MAX - 3);
        let mut first = vec![0; n as usize];
        for _ in 0..5 * n {
            let mut fetch = Checked::new(Fetch::new(
                at(0),
                view(n, &[]),
                turn.take(),
                Kind::Get,
                Rng::new(1),
            ));
            let attempt = fetch.poll_transmit(at(0)).expect("an attempt");
            first[who(&attempt) as usize - 1] += 1;
        }
        // The counter wraps once on the way, which may cost a turn.
        assert!(
            first.iter().all(|count| (4..=6).contains(count)),
            "{n}: {first:?}"
        );
    }
    for n in 1..=7_u32 {
        let turn = Turn::default();
        let mut first = vec![0; n as usize];
        for _ in 0..5 * n {
            let mut fetch = Checked::new(Fetch::new(
                at(0),
                view(n, &[]),
                turn.take(),
                Kind::Get,
                Rng::new(1),
            ));
            let attempt = fetch.poll_transmit(at(0)).expect("an attempt");
            // A fallback takes no turn.
            fetch.handle_result(at(1), attempt.id, Err(Failure::Refused));
            first[who(&attempt) as usize - 1] += 1;
            let fallback = fetch.poll_transmit(at(1)).map(|next| who(&next));
            assert_eq!(fallback, (n > 1).then(|| who(&attempt) % n + 1));
        }
        assert!(first.iter().all(|count| *count == 5), "{n}: {first:?}");
    }
}

#[test]
fn remote_nodes_are_chosen_at_random() {
    let mut chosen = [0; 4];
    for seed in 0..400 {
        let mut fetch = Checked::new(Fetch::new(
            at(0),
            view(0, &[4]),
            0,
            Kind::Get,
            Rng::new(seed),
        ));
        let attempt = fetch.poll_transmit(at(0)).expect("an attempt");
        chosen[who(&attempt) as usize - 11] += 1;
    }
    assert!(
        chosen.iter().all(|count| (60..=140).contains(count)),
        "{chosen:?}"
    );
}

proptest! {
    #[test]
    fn an_operation_ends_in_time_whatever_happens(
        local in 0_u32..5,
        others in prop::collection::vec(0_u32..3, 0..4),
        turn in any::<usize>(),
        kind in 0_usize..3,
        steps in prop::collection::vec((0_u8..5, 0_u64..900, any::<u16>()), 0..12),
    ) {
        let view = view(local, &others);
        let mut fetch = Checked::new(Fetch::new(at(0), view.clone(), turn, KINDS[kind], Rng::new(2)));
        let mut now = at(0);
        let mut asked: Vec<u32> = Vec::new();
        let mut steps = steps.into_iter();
        let verdict = loop {
            if let Some(verdict) = fetch.poll_event() {
                break verdict;
            }
            if let Some(attempt) = fetch.poll_transmit(now) {
                prop_assert!(attempt.deadline <= at(0) + KINDS[kind].budget());
                prop_assert!(!asked.contains(&who(&attempt)), "nobody is asked twice");
                asked.push(who(&attempt));
            }
            let due = fetch.poll_timeout().expect("an attempt is under way");
            let (step, wait, status) = steps.next().unwrap_or((0, 1_000, 0));
            let id = asked.len() as u8 - 1;
            now = due.min(now + Duration::from_millis(wait));
            match step {
                1 => fetch.handle_result(now, id, Err(Failure::Reset)),
                2 => fetch.handle_result(now, id, Ok(404)),
                3 => fetch.handle_result(now, id, Ok(100 + status % 500)),
                4 => fetch.handle_result(now, id.wrapping_sub(1), Ok(200)),
                _ => fetch.handle_timeout(now),
            }
        };
        prop_assert!(now <= at(0) + KINDS[kind].budget());
        prop_assert!(asked.len() <= 4);
        if let Verdict::Unreachable(error) = verdict {
            prop_assert_eq!(error.attempts.len(), asked.len());
        }
        prop_assert!(fetch.poll_transmit(now).is_none() && fetch.poll_timeout().is_none());
    }
}
