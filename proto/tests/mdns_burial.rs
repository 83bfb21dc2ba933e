//! Goodbyes in others' names: those said for the dead, and those the living hear of themselves.

mod mdns_lab;

use mdns_lab::{
    Lab, at, hear, id, ip, is_response, lines, ms, run, server, source, started, transmits,
};
use std::net::IpAddr;
use zerocache_proto::mdns::Event;

fn goodbye_of(lab: &Lab, who: usize, name: &str) -> bool {
    let line = format!("{name}._server._geocache._tcp.local SRV 0 flush");
    let sent = lab.hosts[who].sent.iter();
    sent.filter(|(_, t)| is_response(&t.payload))
        .any(|(_, t)| lines(&t.payload).iter().any(|l| l.contains(&line)))
}

#[test]
fn who_hears_a_goodbye_of_itself_announces_itself_again_but_not_without_end() {
    let mut node = started(1, server(0xa1, "london"), 7);
    let sent = run(&mut node, at(10_000));
    let mut announcements = sent.iter().filter(|(_, t)| is_response(&t.payload));
    let announcement = announcements.next_back().unwrap().1.payload.clone();
    let mut twin = started(1, server(0xa1, "london"), 7);
    run(&mut twin, at(10_000));
    twin.goodbye(at(10_000));
    let goodbye = transmits(&mut twin).pop().unwrap().payload;
    hear(&mut node, at(10_000), source(9), &goodbye);
    let due = node.poll_timeout().unwrap();
    assert!(due >= at(10_020) && due <= at(10_120));
    node.handle_timeout(due);
    let again = transmits(&mut node);
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].payload, announcement, "all records in one packet");
    // Whoever goes on gets an answer a second at most.
    let mut sent = Vec::new();
    for step in 0..2_000 {
        let now = at(10_200 + 5 * step);
        hear(&mut node, now, source(9), &goodbye);
        while node.poll_timeout().is_some_and(|due| due <= now) {
            node.handle_timeout(now);
        }
        sent.extend(transmits(&mut node).into_iter().map(|t| (now, t)));
    }
    let told: Vec<_> = sent
        .iter()
        .filter(|(_, t)| is_response(&t.payload))
        .collect();
    assert!(told.len() >= 4 && told.len() <= 11, "{}", told.len());
    let apart = told.windows(2).map(|w| w[1].0.saturating_since(w[0].0));
    assert!(apart.min().unwrap() >= ms(1_000));
}

#[test]
fn a_burial_that_is_wrong_is_put_right_by_who_was_buried() {
    let mut lab = Lab::new(3);
    for (number, bits) in [(1, 0xa1), (2, 0xb2), (4, 0xd4)] {
        lab.add(number, server(bits, "london"));
    }
    lab.run_for(ms(10_000));
    lab.hosts[2].alive = false;
    let now = lab.now;
    lab.hosts[0].mdns.verify(now, id(0xd4));
    lab.run_for(ms(11_000));
    assert!(lab.hosts[0].mdns.is_silent(id(0xd4)));
    let now = lab.now;
    lab.hosts[0].mdns.bury(now, id(0xd4));
    // It has only been away.
    lab.hosts[2].alive = true;
    lab.run_for(ms(2_600));
    assert!(goodbye_of(&lab, 0, "000000d4"));
    let gone = lab.first_gone(1, id(0xd4)).expect("believed");
    let from = IpAddr::V4(ip(1));
    let told = |e: &Event| matches!(e, Event::Gone { from: f, .. } if *f == from);
    assert!(lab.hosts[1].events.iter().any(|(_, e)| told(e)));
    lab.run_for(ms(2_000));
    let mut seen = lab.hosts[1].events.iter().filter(|(when, _)| *when > gone);
    assert!(seen.any(|(_, e)| matches!(e, Event::Seen(s) if s.id == id(0xd4))));
    // Then nobody is stood in for, and nobody was taken for a node.
    assert!(!lab.hosts[0].mdns.is_silent(id(0xd4)));
    for host in &lab.hosts {
        let seen = host.events.iter().filter_map(|(_, event)| match event {
            Event::Seen(sighting) => Some(sighting.id),
            _ => None,
        });
        let known = [id(0xa1), id(0xb2), id(0xd4)];
        assert!(seen.into_iter().all(|seen| known.contains(&seen)));
    }
}

#[test]
fn who_is_heard_of_before_the_goodbye_has_none_said() {
    let mut lab = Lab::new(4);
    for (number, bits) in [(1, 0xa1), (2, 0xb2), (4, 0xd4)] {
        lab.add(number, server(bits, "london"));
    }
    lab.run_for(ms(10_000));
    lab.hosts[2].alive = false;
    let now = lab.now;
    lab.hosts[0].mdns.verify(now, id(0xd4));
    lab.run_for(ms(11_000));
    let now = lab.now;
    lab.hosts[0].mdns.bury(now, id(0xd4));
    lab.run_for(ms(500));
    // Started again.
    lab.hosts[2].number = 0;
    lab.add(4, server(0xd4, "london"));
    lab.run_for(ms(10_000));
    assert!(!goodbye_of(&lab, 0, "000000d4"));
    assert!(lab.hosts[0].mdns.stats().buried == 1);
    // Nothing is left of the stand-in.
    let now = lab.now;
    lab.hosts[0].mdns.goodbye(now);
    lab.run_for(ms(1_000));
    assert!(lab.hosts[0].mdns.is_closed());
}

#[test]
fn nobody_is_buried_that_was_not_asked_or_is_stock_or_of_another_region() {
    let mut lab = Lab::new(5);
    for (number, bits, region) in [(1, 0xa1, "london"), (4, 0xd4, "paris")] {
        lab.add(number, server(bits, region));
    }
    lab.run_for(ms(10_000));
    let now = lab.now;
    lab.hosts[0].mdns.bury(now, id(0xd4));
    lab.hosts[1].alive = false;
    lab.hosts[0].mdns.verify(now, id(0xd4));
    lab.run_for(ms(11_000));
    let now = lab.now;
    lab.hosts[0].mdns.bury(now, id(0xd4));
    lab.run_for(ms(5_000));
    assert_eq!(lab.hosts[0].mdns.stats().buried, 0);
    assert!(!goodbye_of(&lab, 0, "000000d4"));
}
