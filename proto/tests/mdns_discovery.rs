//! Nodes finding and losing each other over a simulated link.

mod mdns_lab;

use std::net::{IpAddr, SocketAddrV4};

use mdns_lab::checked::Checked;
use mdns_lab::{Lab, at, id, interface, ip, ms, server, service};
use zerocache_proto::mdns::{Config, Event, Mdns};

#[test]
fn two_nodes_see_each_other_within_1100_ms() {
    for seed in 0..50 {
        let mut lab = Lab::new(seed);
        let one = lab.add(1, server(0xa1, "london"));
        let two = lab.add(2, server(0xb2, "paris"));
        lab.run_until(at(10_000));
        for (who, other) in [(one, 0xb2), (two, 0xa1)] {
            let seen = lab.first_seen(who, id(other)).unwrap();
            assert!(
                at(750) <= seen && seen <= at(1_100),
                "seed {seed}: {seen:?}"
            );
        }
        let seen = lab.hosts[one].events.iter().find_map(|(_, e)| match e {
            Event::Seen(s) => Some(s.clone()),
            _ => None,
        });
        let seen = seen.unwrap();
        assert_eq!(seen.region.as_str(), "paris");
        assert_eq!(seen.address, SocketAddrV4::new(ip(2), 6789));
        assert!(seen.capable);
        // Each is told once, although the record comes three times.
        let count = lab.hosts[one].events.iter();
        let count = count.filter(|(_, e)| matches!(e, Event::Seen(_))).count();
        assert_eq!(count, 1);
    }
}

#[test]
fn nobody_sees_itself_and_everybody_is_announced_once() {
    let mut lab = Lab::new(1);
    for n in 1..=3 {
        lab.add(n, server(n.into(), "eu"));
    }
    lab.run_until(at(600_000));
    for (n, host) in (1..).zip(&lab.hosts) {
        let own = |e: &Event| matches!(e, Event::Seen(s) if s.id == id(n));
        assert!(!host.events.iter().any(|(_, e)| own(e)));
        let announced = host.events.iter();
        let announced = announced.filter(|(_, e)| *e == Event::Announced { id: id(n) });
        assert_eq!(announced.count(), 1);
    }
}

#[test]
fn a_late_client_learns_of_all_nodes_within_250_ms() {
    let mut lab = Lab::new(3);
    for n in 1..=20 {
        lab.add(n, server(n.into(), "eu"));
    }
    lab.run_until(at(20_000));
    let client = lab.add(99, Config::default());
    lab.run_for(ms(250));
    for n in 1..=20 {
        assert!(lab.first_seen(client, id(n)).is_some(), "{n}");
    }
}

#[test]
fn ten_nodes_at_once_see_all_others_with_few_packets() {
    let mut lab = Lab::new(4);
    for n in 1..=10 {
        lab.add(n, server(n.into(), "eu"));
    }
    lab.run_until(at(8_000));
    for who in 0..10 {
        for other in 1..=10_u8 {
            if usize::from(other) != who + 1 {
                let seen = lab.first_seen(who, id(other.into())).unwrap();
                assert!(seen <= at(1_100));
            }
        }
        let sent = lab.hosts[who].sent.len();
        assert!(sent <= 17, "{sent} packets");
    }
}

#[test]
fn with_a_third_of_all_packets_lost_nearly_every_pair_is_seen_after_8_s_and_all_in_a_minute() {
    let (mut late, mut missing) = (0, 0);
    for seed in 0..20 {
        let mut lab = Lab::new(seed);
        lab.loss = 30;
        for n in 1..=10 {
            lab.add(n, server(n.into(), "eu"));
        }
        lab.run_until(at(70_000));
        for who in 0..10 {
            for other in (1..=10_u8).filter(|n| usize::from(*n) != who + 1) {
                let seen = lab.first_seen(who, id(other.into()));
                late += usize::from(seen.is_none_or(|at| at > mdns_lab::at(8_000)));
                missing += usize::from(seen.is_none());
            }
        }
    }
    // Of 1,800.
    assert!(late <= 6, "{late}");
    assert_eq!(missing, 0);
}

#[test]
fn a_goodbye_is_noticed_at_once_and_ends_the_machine() {
    let mut lab = Lab::new(5);
    let one = lab.add(1, server(1, "eu"));
    let two = lab.add(2, server(2, "eu"));
    lab.run_until(at(5_000));
    lab.hosts[two].mdns.goodbye(at(5_000));
    assert!(!lab.hosts[two].mdns.is_closed());
    lab.run_for(ms(249));
    assert!(!lab.hosts[two].mdns.is_closed());
    lab.run_for(ms(2));
    assert!(lab.hosts[two].mdns.is_closed());
    assert_eq!(lab.hosts[two].mdns.poll_timeout(), None);
    let gone: Vec<_> = lab.hosts[one]
        .events
        .iter()
        .filter(|(_, e)| matches!(e, Event::Gone { .. }))
        .collect();
    let from = IpAddr::V4(ip(2));
    assert_eq!(
        gone,
        [&(at(5_000) + lab.delay, Event::Gone { id: id(2), from })]
    );
    let goodbyes: Vec<_> = lab.hosts[two]
        .sent
        .iter()
        .filter(|(t, _)| *t >= at(5_000))
        .collect();
    assert_eq!(
        goodbyes.iter().map(|(t, _)| *t).collect::<Vec<_>>(),
        [at(5_000), at(5_125), at(5_250)]
    );
    // Nothing is left of it: no doubt, no question.
    let before = lab.hosts[one].sent.len();
    lab.run_for(ms(2_500));
    assert!(
        !lab.hosts[one]
            .events
            .iter()
            .any(|(_, e)| matches!(e, Event::Doubted { .. }))
    );
    assert!(lab.hosts[one].sent.len() <= before + 1);
}

#[test]
fn a_node_that_comes_back_under_its_id_is_seen_again() {
    let mut lab = Lab::new(6);
    let one = lab.add(1, server(1, "eu"));
    let two = lab.add(2, server(2, "eu"));
    lab.run_until(at(5_000));
    lab.hosts[two].mdns.goodbye(at(5_000));
    lab.run_for(ms(500));
    lab.hosts[two].alive = false;
    lab.hosts[two].number = 200;
    lab.hosts[one].events.clear();
    lab.add(2, server(2, "eu"));
    lab.run_for(ms(1_100));
    assert!(lab.first_seen(one, id(2)).is_some());
}

#[test]
fn live_nodes_are_renewed_and_dead_ones_doubted_when_their_srv_record_ends() {
    let mut lab = Lab::new(7);
    let one = lab.add(1, server(1, "eu"));
    let two = lab.add(2, server(2, "eu"));
    lab.run_until(at(1_000_000));
    let mut expires = None;
    for (now, event) in &lab.hosts[one].events {
        match event {
            Event::Seen(s) => {
                assert!(expires.is_none_or(|e| e > *now), "renewed too late");
                expires = Some(s.expires);
            }
            Event::Announced { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(expires.unwrap() > lab.now);
    lab.hosts[two].alive = false;
    lab.hosts[one].events.clear();
    lab.run_for(ms(121_000));
    let doubted: Vec<_> = lab.hosts[one].events.iter().collect();
    assert!(
        matches!(doubted[..], [(_, Event::Doubted { .. })]),
        "{doubted:?}"
    );
}

#[test]
fn steady_state_is_quiet() {
    let mut lab = Lab::new(8);
    for n in 1..=10 {
        lab.add(n, server(n.into(), "eu"));
    }
    lab.run_until(at(60_000));
    let before: usize = lab.hosts.iter().map(|h| h.sent.len()).sum();
    lab.run_for(ms(600_000));
    let after: usize = lab.hosts.iter().map(|h| h.sent.len()).sum();
    // Every 100 s each of 10 nodes' SRV and A are asked for by one and answered by one.
    let packets = after - before;
    assert!(packets <= 10 * 6 * 4, "{packets} packets in 10 min");
}

#[test]
fn a_node_that_answers_verification_stays_and_a_dead_one_is_doubted_after_10_s() {
    let doubts = |host: &mdns_lab::Host| -> Vec<_> {
        let doubt = |e: &&(_, Event)| matches!(e.1, Event::Doubted { .. });
        host.events.iter().filter(doubt).cloned().collect()
    };
    let asked = |host: &mdns_lab::Host, since| {
        let srv = |t: &&(_, zerocache_proto::mdns::Transmit)| {
            t.0 >= since && mdns_lab::lines(&t.1.payload)[0].ends_with("tcp.local SRV")
        };
        host.sent.iter().filter(srv).count()
    };
    let mut lab = Lab::new(9);
    let one = lab.add(1, server(1, "eu"));
    let two = lab.add(2, server(2, "eu"));
    lab.run_until(at(10_000));
    lab.hosts[one].mdns.verify(lab.now, id(2));
    lab.run_for(ms(12_000));
    assert_eq!(doubts(&lab.hosts[one]), []);
    assert_eq!(asked(&lab.hosts[one], at(10_000)), 1);

    lab.hosts[two].alive = false;
    let start = lab.now;
    lab.hosts[one].mdns.verify(start, id(2));
    lab.hosts[one].mdns.verify(start, id(2));
    lab.run_for(ms(12_000));
    let expected = (start + ms(10_000), Event::Doubted { id: id(2) });
    assert_eq!(doubts(&lab.hosts[one]), [expected]);
    assert_eq!(asked(&lab.hosts[one], start), 2);

    // Whom we do not know, we can not vouch for.
    lab.hosts[one].mdns.verify(lab.now, id(0x77));
    lab.run_for(ms(1));
    assert_eq!(
        doubts(&lab.hosts[one])[1].1,
        Event::Doubted { id: id(0x77) }
    );
}

#[test]
fn an_interface_that_goes_puts_its_nodes_in_doubt_and_finds_them_again() {
    let mut lab = Lab::new(10);
    let one = lab.add(1, server(1, "eu"));
    lab.add(2, server(2, "eu"));
    lab.run_until(at(10_000));
    lab.hosts[one].events.clear();
    lab.hosts[one]
        .mdns
        .handle_interface_down(lab.now, mdns_lab::INTERFACE);
    lab.run_for(ms(5_000));
    assert_eq!(
        lab.hosts[one].events,
        [(at(10_000), Event::Doubted { id: id(2) })]
    );
    lab.hosts[one].mdns.handle_interface(lab.now, interface(1));
    lab.run_for(ms(1_100));
    assert!(lab.first_seen(one, id(2)).unwrap() <= at(15_250));
    // It is announced again under its id.
    let announced = lab.hosts[one]
        .sent
        .iter()
        .rev()
        .find(|(_, t)| mdns_lab::is_response(&t.payload));
    assert!(announced.unwrap().0 >= at(15_750));
    assert!(
        !lab.hosts[one]
            .events
            .iter()
            .any(|(_, e)| matches!(e, Event::Renamed { .. }))
    );
}

#[test]
fn a_node_that_leaves_before_it_is_announced_takes_its_former_life_along() {
    let mut lab = Lab::new(5);
    let one = lab.add(1, server(1, "eu"));
    let two = lab.add(2, server(2, "eu"));
    lab.run_until(at(5_000));
    // Killed, started again under the same id, and asked to leave while it probes.
    let mut again = Checked::new(Mdns::new(lab.now, server(2, "eu"), 6));
    again.handle_interface(lab.now, interface(2));
    again.announce(lab.now);
    lab.hosts[two].mdns = again;
    lab.run_for(ms(600));
    assert_eq!(lab.first_gone(one, id(2)), None);
    lab.hosts[two].mdns.goodbye(lab.now);
    lab.run_for(ms(300));
    assert!(lab.first_gone(one, id(2)).is_some());
    assert!(lab.hosts[two].mdns.is_closed());
}

#[test]
fn another_address_means_a_goodbye_and_another_id() {
    let mut lab = Lab::new(11);
    let one = lab.add(1, server(1, "eu"));
    let two = lab.add(2, server(2, "eu"));
    lab.run_until(at(10_000));
    lab.hosts[two].mdns.handle_interface(lab.now, interface(3));
    lab.hosts[two].number = 3;
    lab.run_for(ms(1_100));
    let new = lab.hosts[two].mdns.service().unwrap().id;
    assert_ne!(new, id(2));
    assert!(lab.first_gone(one, id(2)).is_some());
    let seen = lab.hosts[one]
        .events
        .iter()
        .rev()
        .find_map(|(_, e)| match e {
            Event::Seen(s) => Some(s.clone()),
            _ => None,
        });
    let seen = seen.unwrap();
    assert_eq!((seen.id, *seen.address.ip()), (new, ip(3)));
}

#[test]
fn a_replaced_service_takes_leave_and_comes_back_under_the_given_id() {
    let mut lab = Lab::new(12);
    let one = lab.add(1, server(1, "eu"));
    let two = lab.add(2, server(2, "eu"));
    lab.run_until(at(10_000));
    // The way of a driver that derives ids: first the new service, then the new address.
    lab.hosts[two].mdns.replace(lab.now, service(0x22, "eu"));
    lab.hosts[two].mdns.handle_interface(lab.now, interface(3));
    lab.hosts[two].number = 3;
    lab.run_for(ms(1_100));
    assert!(lab.first_gone(one, id(2)).is_some());
    assert!(lab.first_seen(one, id(0x22)).is_some());
    assert!(
        !lab.hosts[two]
            .events
            .iter()
            .any(|(_, e)| matches!(e, Event::Renamed { .. }))
    );
    let goodbyes = lab.hosts[two].sent.iter().filter(|(t, x)| {
        *t >= at(10_000)
            && mdns_lab::is_response(&x.payload)
            && mdns_lab::lines(&x.payload)[0].contains(" 0")
    });
    assert_eq!(goodbyes.count(), 3);
}
