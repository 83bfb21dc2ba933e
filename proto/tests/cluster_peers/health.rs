//! Who is routed to: proof by ping, refusals, time-outs, back-off, revival, and when nobody is put out.

use crate::world::{Mode, World, addr, at, client_config, id, ms, node_config};
use zerocache_proto::Failure;
use zerocache_proto::cluster::{Down, Event, FAILING_FOR, Outcome, State};

/// A node with two local peers (1, 2), two in paris (3, 4) and one in rome (5), all well.
fn well() -> World {
    let mut world = World::new(node_config("london"));
    for (n, region) in [
        (1, "london"),
        (2, "london"),
        (3, "paris"),
        (4, "paris"),
        (5, "rome"),
    ] {
        world.join(n, region, ms(10 * u64::from(n)));
    }
    world.run(ms(1_000));
    assert_eq!(world.routed(), [1, 2, 3, 4, 5]);
    world.forget_history();
    world
}

#[test]
fn a_peer_is_routable_only_after_it_answered_a_ping() {
    let mut world = World::new(node_config("london"));
    world.join(1, "london", ms(40));
    world.run(ms(39));
    assert_eq!(world.pings, [(at(1_000), addr(1))]);
    assert_eq!(
        (world.routed(), world.state(1)),
        (vec![], Some(State::Unproven))
    );
    world.run(ms(1));
    assert_eq!(
        (world.routed(), world.state(1)),
        (vec![1], Some(State::Healthy))
    );
    let ups = world
        .events
        .iter()
        .filter(|(_, e)| matches!(e, Event::PeerUp(_)));
    assert_eq!(ups.count(), 1);
}

#[test]
fn what_is_no_node_never_gets_a_request() {
    let mut world = World::new(node_config("london"));
    world.join(1, "london", ms(1));
    world.set(1, Mode::Stranger);
    world.join(2, "london", ms(1));
    world.set(2, Mode::Refuses);
    world.join(3, "london", ms(1));
    world.set(3, Mode::Silent);
    world.run(ms(20_000));
    assert!(world.view().is_empty());
}

#[test]
fn pings_go_on_and_smooth_the_time() {
    let mut world = well();
    world.node(3).rtt = ms(110);
    world.run(ms(20_000));
    let pings = world.pings_of(3).len();
    assert!((10..=13).contains(&pings), "{pings} pings in 20 s");
    let srtt = world.info(3).and_then(|info| info.srtt).expect("measured");
    assert!((ms(80)..ms(110)).contains(&srtt), "{srtt:?}");
}

#[test]
fn requests_that_succeed_stand_for_pings() {
    let mut world = well();
    for _ in 0..80 {
        world.run(ms(100));
        world
            .cluster
            .handle_outcome(world.now, id(3), Outcome::Answered(ms(70)));
    }
    assert!(world.pings_of(3).len() <= 1, "{:?}", world.pings_of(3));
    assert!(world.pings_of(4).len() >= 3);
    let srtt = world.info(3).and_then(|info| info.srtt).expect("measured");
    assert!((ms(60)..ms(71)).contains(&srtt), "{srtt:?}");
    // Leases rest on pings, so some are sent all the same.
    for _ in 0..120 {
        world.run(ms(100));
        world
            .cluster
            .handle_outcome(world.now, id(3), Outcome::Answered(ms(70)));
    }
    assert!((1..=3).contains(&world.pings_of(3).len()));
}

#[test]
fn an_answer_that_took_its_time_shows_life_and_nothing_else() {
    let mut world = well();
    let srtt = world.info(3).and_then(|info| info.srtt);
    for _ in 0..80 {
        world.run(ms(100));
        world
            .cluster
            .handle_outcome(world.now, id(3), Outcome::Alive);
    }
    assert!(world.pings_of(3).len() <= 1, "{:?}", world.pings_of(3));
    assert_eq!(world.info(3).and_then(|info| info.srtt), srtt);
    let timed_out = Outcome::Failed(Failure::TimedOut);
    world.cluster.handle_outcome(world.now, id(3), timed_out);
    world
        .cluster
        .handle_outcome(world.now, id(3), Outcome::Alive);
    assert_eq!(world.state(3), Some(State::Healthy));
}

#[test]
fn a_refused_request_and_a_refused_ping_put_a_peer_out() {
    let mut world = well();
    world.set(1, Mode::Refuses);
    let start = world.now;
    let refused = Outcome::Failed(Failure::Refused);
    world.cluster.handle_outcome(world.now, id(1), refused);
    assert_eq!(world.routed(), [1, 2, 3, 4, 5], "one request is a hint");
    world.run(ms(30));
    let (when, why) = world.down(1).expect("out");
    assert_eq!(why, Down::Failed(Failure::Refused));
    assert!(when.saturating_since(start) <= ms(30));
    assert_eq!(
        (world.routed(), world.state(1)),
        (vec![2, 3, 4, 5], Some(State::Out))
    );
}

#[test]
fn a_refused_request_does_no_harm_to_a_peer_that_answers_pings() {
    let mut world = well();
    let refused = Outcome::Failed(Failure::Refused);
    world.cluster.handle_outcome(world.now, id(1), refused);
    world.run(ms(30));
    assert_eq!(world.state(1), Some(State::Healthy));
    assert_eq!(world.down(1), None);
}

#[test]
fn a_time_out_begins_a_check_and_three_seconds_of_them_put_a_peer_out() {
    let mut world = well();
    world.set(2, Mode::Silent);
    let start = world.now;
    let timed_out = Outcome::Failed(Failure::TimedOut);
    world.cluster.handle_outcome(world.now, id(2), timed_out);
    assert_eq!(world.state(2), Some(State::Suspect));
    world.run(ms(100));
    assert_eq!(
        world.pings_of(2),
        [start],
        "checked at once, off the data path"
    );
    world.run_until(start + FAILING_FOR);
    let (when, why) = world.down(2).expect("out");
    assert_eq!(
        (when, why),
        (start + FAILING_FOR, Down::Failed(Failure::TimedOut))
    );
    assert!(world.pings_of(2).len() >= 4);
}

#[test]
fn a_silent_peer_is_out_within_five_seconds_without_any_request() {
    let detected = |seed: u64| {
        let mut world = World::seeded(node_config("london"), seed);
        for n in 1..=9 {
            world.join(n, "london", ms(5));
        }
        world.run(ms(10_000 + 97 * seed));
        let (n, start) = (1 + seed as u16 % 9, world.now);
        world.set(n, Mode::Silent);
        world.run(ms(6_000));
        let (when, _) = world.down(n.into()).expect("out");
        when.saturating_since(start)
    };
    let mut times: Vec<_> = (0..200).map(detected).collect();
    times.sort_unstable();
    assert!(times[0] >= FAILING_FOR, "{:?}", times[0]);
    assert!(times[199] <= ms(5_000), "{:?}", times[199]);
}

#[test]
fn a_peer_is_out_three_seconds_after_the_first_request_that_fails() {
    for seed in 0..50 {
        let mut world = World::seeded(node_config("london"), seed);
        for n in 1..=9 {
            world.join(n, "london", ms(5));
        }
        world.run(ms(10_000 + 97 * seed));
        world.set(1, Mode::Silent);
        // The answer to a ping may still be on its way.
        world.run(ms(5));
        let start = world.now;
        let timed_out = Outcome::Failed(Failure::TimedOut);
        world.cluster.handle_outcome(world.now, id(1), timed_out);
        world.run(FAILING_FOR);
        let (when, _) = world.down(1).expect("out");
        assert!(when.saturating_since(start) <= FAILING_FOR);
    }
}

#[test]
fn a_peer_that_is_out_is_pinged_ever_less_and_comes_back_by_itself() {
    let mut world = well();
    // As it would be told by others: else its lease ends after 30 s.
    let keep = |world: &mut World, seconds: u64| {
        for _ in 0..seconds / 10 {
            world.run(ms(10_000));
            let body = members(&[(3, "paris"), (2, "london")]);
            world.node(3).members = Some(body);
        }
    };
    world.node(3).members = Some(members(&[(3, "paris"), (2, "london")]));
    world.node(4).members = world.node(3).members.clone();
    world.node(5).members = world.node(3).members.clone();
    world.node(1).members = world.node(3).members.clone();
    world.set(2, Mode::Silent);
    world.run(ms(6_000));
    assert_eq!(world.state(2), Some(State::Out));
    world.forget_history();
    keep(&mut world, 240);
    let pings = world.pings_of(2);
    let gaps: Vec<u64> = pings
        .windows(2)
        .map(|w| w[1].saturating_since(w[0]).as_millis() as u64)
        .collect();
    assert!(
        gaps.iter().all(|gap| (1_000..=9_000).contains(gap)),
        "{gaps:?}"
    );
    assert!(gaps.iter().any(|gap| *gap > 7_000), "{gaps:?}");
    assert!(pings.len() < 36, "{gaps:?}");
    world.set(2, Mode::Up);
    keep(&mut world, 10);
    assert_eq!(world.state(2), Some(State::Healthy));
    assert!(world.routed().contains(&2));
}

fn members(list: &[(u32, &str)]) -> String {
    let line = |(n, region): &(u32, &str)| format!("{} {region} {} zc\n", id(*n), addr(*n as u16));
    list.iter().map(line).collect()
}

#[test]
fn fresh_word_of_a_peer_hastens_its_return() {
    let mut world = well();
    world.set(2, Mode::Silent);
    world.run(ms(15_000));
    assert_eq!(world.state(2), Some(State::Out));
    world.set(2, Mode::Up);
    world.hello(2, "london");
    world.run(ms(1_100));
    assert_eq!(world.state(2), Some(State::Healthy));
}

#[test]
fn word_that_a_peer_answers_others_again_hastens_its_return() {
    for seed in 0..10 {
        let mut world = World::seeded(node_config("london"), seed);
        for n in 1..=3 {
            world.join(n, "london", ms(5));
        }
        world.run(ms(12_000));
        world.set(2, Mode::Silent);
        world.run(ms(20_000));
        assert_eq!(world.state(2), Some(State::Out));
        world.forget_history();
        for n in [1, 3] {
            world.node(n).members = Some(members(&[(u32::from(n), "london"), (2, "london")]));
        }
        while world.polls.is_empty() {
            world.run(ms(1));
        }
        let told = world.now;
        world.run(ms(1_100));
        let soon = world.pings_of(2).into_iter().any(|ping| ping >= told);
        assert!(soon, "seed {seed}");
    }
}

#[test]
fn the_last_usable_node_of_a_region_stays() {
    let mut world = well();
    world.set(5, Mode::Silent);
    world.run(ms(12_000));
    assert_eq!(world.state(5), Some(State::Suspect));
    assert!(world.routed().contains(&5));
    assert_eq!(world.ranking().last().map(String::as_str), Some("rome"));
    // Of two, one.
    world.set(3, Mode::Refuses);
    world.set(4, Mode::Refuses);
    world.run(ms(6_000));
    let paris = world
        .routed()
        .iter()
        .filter(|n| [3, 4].contains(*n))
        .count();
    assert_eq!(paris, 1);
}

#[test]
fn a_nodes_own_region_has_the_node_itself_so_its_last_peer_may_go() {
    let mut world = World::new(node_config("london"));
    world.join(1, "london", ms(1));
    world.run(ms(100));
    world.set(1, Mode::Silent);
    world.run(ms(6_000));
    assert!(world.view().is_empty());
    let mut world = World::new(client_config("london"));
    world.names.clear();
    world.join(1, "london", ms(1));
    world.run(ms(100));
    world.set(1, Mode::Silent);
    world.run(ms(6_000));
    assert_eq!(world.routed(), [1], "for a client it is the last");
}

#[test]
fn when_most_fail_at_once_the_fault_is_here() {
    let mut world = World::new(node_config("london"));
    for n in 1..=9 {
        world.join(n, "london", ms(5));
    }
    world.run(ms(3_000));
    for n in 1..=9 {
        world.set(n, Mode::Silent);
    }
    world.run(ms(20_000));
    assert_eq!(world.routed().len(), 9);
    for n in 1..=9 {
        world.set(n, Mode::Up);
    }
    world.run(ms(2_500));
    assert!((1..=9).all(|n| world.state(n) == Some(State::Healthy)));
}

#[test]
fn most_of_them_dead_for_good_are_put_out_in_the_end() {
    let mut world = World::new(node_config("london"));
    for n in 1..=9 {
        world.join(n, "london", ms(5));
    }
    world.run(ms(3_000));
    for n in 1..=6 {
        world.set(n, Mode::Silent);
    }
    world.run(ms(8_000));
    assert_eq!(world.routed().len(), 9, "fail open at first");
    world.run(ms(12_000));
    assert_eq!(world.routed(), [7, 8, 9]);
}

#[test]
fn a_minority_of_them_dead_is_put_out_at_once() {
    let mut world = World::new(node_config("london"));
    for n in 1..=9 {
        world.join(n, "london", ms(5));
    }
    world.run(ms(3_000));
    for n in 1..=3 {
        world.set(n, Mode::Silent);
    }
    world.run(ms(6_000));
    assert_eq!(world.routed(), [4, 5, 6, 7, 8, 9]);
}

#[test]
fn refusals_are_answers_so_the_fault_is_not_here() {
    let mut world = World::new(node_config("london"));
    for n in 1..=9 {
        world.join(n, "london", ms(5));
    }
    world.run(ms(3_000));
    for n in 1..=8 {
        world.set(n, Mode::Refuses);
    }
    world.run(ms(3_000));
    assert_eq!(world.routed(), [9]);
}

#[test]
fn one_lost_ping_in_three_puts_nobody_out() {
    let mut world = well();
    for round in 0..60 {
        let n = 1 + round % 5;
        world.set(n, Mode::Silent);
        world.run(ms(700));
        world.set(n, Mode::Up);
    }
    assert!((1..=5).all(|n| world.down(n).is_none()));
}

#[test]
fn a_driver_that_reports_nothing_is_a_time_out() {
    let mut world = World::new(node_config("london"));
    world.join(1, "london", ms(1));
    while world.cluster.poll_action().is_some() {}
    let due = world.cluster.poll_timeout().expect("a deadline");
    assert!(due <= world.now + ms(800));
    world.run(ms(2_500));
    assert_eq!(world.state(1), Some(State::Healthy), "and asked again");
}

/// `n` local peers, all well, of which the first `silent` then say nothing for `duration`.
fn lose(n: u16, silent: u16, duration: zerocache_proto::Duration) -> World {
    let mut world = World::new(node_config("london"));
    for n in 1..=n {
        world.join(n, "london", ms(5));
    }
    world.run(ms(12_000));
    for n in 1..=silent {
        world.set(n, Mode::Silent);
    }
    world.run(duration);
    world
}

#[test]
fn half_of_them_is_not_most_of_them() {
    assert_eq!(lose(8, 4, ms(6_000)).routed(), [5, 6, 7, 8]);
    assert_eq!(lose(8, 5, ms(6_000)).routed().len(), 8);
    // Too few to tell.
    assert_eq!(lose(2, 2, ms(6_000)).routed().len(), 0);
}

#[test]
fn however_many_are_silent_at_once_the_fault_is_here() {
    // So many that their pings are spread over several seconds.
    let mut world = lose(900, 900, ms(18_000));
    assert_eq!(world.routed().len(), 900);
    // One answers: it was they after all.
    world.set(1, Mode::Up);
    world.run(ms(60_000));
    assert_eq!(world.routed(), [1]);
}

#[test]
fn a_region_that_is_silent_ranks_last() {
    let mut world = World::new(node_config("london"));
    world.join(1, "oslo", ms(1));
    world.join(2, "tokyo", ms(440));
    world.run(ms(2_000));
    assert_eq!(world.ranking(), ["oslo", "tokyo"]);
    world.set(1, Mode::Silent);
    world.run(ms(5_500));
    let latencies: Vec<_> = world.view().regions.iter().map(|r| r.latency).collect();
    assert_eq!(world.ranking(), ["tokyo", "oslo"]);
    assert!(latencies[0] > latencies[1], "{latencies:?}");
    world.set(1, Mode::Up);
    world.run(ms(2_000));
    assert_eq!(world.ranking(), ["oslo", "tokyo"]);
}

#[test]
fn a_peer_beyond_250_ms_has_time_to_connect_first() {
    let mut world = World::new(node_config("london"));
    // To connect and to ask, on the way to the other side of the world.
    world.join(1, "sydney", ms(2 * 270));
    world.run(ms(3_000));
    assert_eq!(world.routed(), [1]);
    // Connected, and then not any more.
    world.node(1).rtt = ms(270);
    world.run(ms(20_000));
    world.node(1).rtt = ms(2 * 270);
    world.run(ms(20_000));
    assert_eq!(world.routed(), [1], "and stays");
    assert_eq!(world.down(1), None);
}

#[test]
fn who_is_only_kept_for_want_of_another_is_told_to_nobody() {
    let mut world = well();
    let tells = |world: &World, n: u32| world.cluster.members().contains(&id(n).to_string());
    world.set(5, Mode::Silent);
    world.run(ms(6_500));
    assert!(world.routed().contains(&5), "rome has no other");
    assert!(!tells(&world, 5) && tells(&world, 4));
    world.set(5, Mode::Up);
    world.run(ms(2_000));
    assert!(tells(&world, 5));
}
