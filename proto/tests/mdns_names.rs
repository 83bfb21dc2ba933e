//! Probing, conflicts, tie-breaks: who gets a name.

#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]

mod mdns_lab;

use mdns_lab::checked::Checked;
use mdns_lab::{Lab, at, events, hear, id, is_response, lines, ms, run, server, source, started};
use simple_dns::rdata::{A, RData, SRV, TXT};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, ResourceRecord};
use zerocache_proto::mdns::{Config, Event, Mdns};

const INSTANCE: &str = "000000aa._server._geocache._tcp.local";
const HOST: &str = "000000aa.local";

fn srv(port: u16, target: &'static str) -> ResourceRecord<'static> {
    let target = Name::new(target).unwrap();
    let data = SRV {
        priority: 0,
        weight: 0,
        port,
        target,
    };
    ResourceRecord::new(
        Name::new(INSTANCE).unwrap(),
        CLASS::IN,
        120,
        RData::SRV(data),
    )
}

fn address(last: u8) -> ResourceRecord<'static> {
    let data = RData::A(A::from(mdns_lab::ip(last)));
    ResourceRecord::new(Name::new(HOST).unwrap(), CLASS::IN, 120, data)
}

fn txt(region: &'static str) -> ResourceRecord<'static> {
    let txt = TXT::new()
        .with_string(region)
        .unwrap()
        .with_string("zc=1")
        .unwrap();
    ResourceRecord::new(
        Name::new(INSTANCE).unwrap(),
        CLASS::IN,
        4_500,
        RData::TXT(txt),
    )
}

fn response(records: Vec<ResourceRecord<'static>>) -> Vec<u8> {
    let mut packet = Packet::new_reply(0);
    packet.set_flags(PacketFlag::AUTHORITATIVE_ANSWER);
    packet.answers = records;
    packet.build_bytes_vec_compressed().unwrap()
}

fn probe(records: Vec<ResourceRecord<'static>>) -> Vec<u8> {
    let mut packet = Packet::new_query(0);
    for name in [INSTANCE, HOST] {
        let class = QCLASS::CLASS(CLASS::IN);
        packet.questions.push(Question::new(
            Name::new(name).unwrap(),
            QTYPE::ANY,
            class,
            false,
        ));
    }
    packet.name_servers = records;
    packet.build_bytes_vec_compressed().unwrap()
}

fn renamed(mdns: &mut Checked<Mdns>) -> bool {
    events(mdns)
        .iter()
        .any(|e| matches!(e, Event::Renamed { .. }))
}

#[test]
fn the_name_is_probed_for_three_times_and_then_announced_three_times() {
    for seed in 0..100 {
        let mut mdns = started(1, server(0xaa, "london"), seed);
        let sent = run(&mut mdns, at(60_000));
        let times = |response| {
            let sent = sent.iter().filter(move |(_, t)| {
                is_response(&t.payload) == response
                    && (response || lines(&t.payload)[0].contains("ANY"))
            });
            sent.map(|(at, _)| *at).collect::<Vec<_>>()
        };
        let probes = times(false);
        let first = probes[0];
        assert!(first < at(250));
        assert_eq!(probes, [first, first + ms(250), first + ms(500)]);
        let announced = first + ms(750);
        assert_eq!(
            times(true),
            [announced, announced + ms(1_000), announced + ms(3_000)]
        );
    }
}

#[test]
fn nothing_is_said_before_announce_and_nothing_ever_without_a_service() {
    let mut waiting = Checked::new(Mdns::new(at(0), server(0xaa, "london"), 1));
    waiting.handle_interface(at(0), mdns_lab::interface(1));
    let mut client = Checked::new(Mdns::new(at(0), Config::default(), 1));
    client.handle_interface(at(0), mdns_lab::interface(1));
    client.announce(at(0));
    for mdns in [&mut waiting, &mut client] {
        let sent = run(mdns, at(100_000));
        assert!(
            sent.iter()
                .all(|(_, t)| lines(&t.payload)[0] == "? _server._geocache._tcp.local PTR")
        );
        mdns.goodbye(at(100_000));
        assert!(mdns.is_closed());
    }
}

#[test]
fn a_name_that_is_taken_is_given_up_at_once() {
    let mut mdns = started(1, server(0xaa, "london"), 1);
    run(&mut mdns, at(400));
    hear(
        &mut mdns,
        at(400),
        source(9),
        &response(vec![srv(7000, HOST)]),
    );
    let new = mdns.service().unwrap().id;
    assert_ne!(new, id(0xaa));
    assert_eq!(events(&mut mdns), [Event::Renamed { old: id(0xaa), new }]);
    let sent = run(&mut mdns, at(2_000));
    let probe = sent
        .iter()
        .find(|(_, t)| lines(&t.payload)[0].contains("ANY"))
        .unwrap();
    assert_eq!(
        lines(&probe.1.payload)[0],
        format!("? {new}._server._geocache._tcp.local ANY")
    );
    assert_eq!(events(&mut mdns), [Event::Announced { id: new }]);
}

#[test]
fn what_says_the_same_or_is_a_goodbye_is_no_conflict() {
    for at_ms in [400, 5_000] {
        let mut mdns = started(1, server(0xaa, "london"), 1);
        run(&mut mdns, at(at_ms));
        events(&mut mdns);
        let same = || vec![srv(6789, HOST), address(1), txt("region=london")];
        hear(&mut mdns, at(at_ms), source(9), &response(same()));
        let mut goodbye = srv(7000, HOST);
        goodbye.ttl = 0;
        hear(&mut mdns, at(at_ms), source(9), &response(vec![goodbye]));
        assert_eq!(mdns.stats().conflicts, 0);
        assert!(!renamed(&mut mdns));
    }
}

#[test]
fn an_established_name_is_defended_by_probing_and_kept_if_nobody_insists() {
    let mut mdns = started(1, server(0xaa, "london"), 1);
    run(&mut mdns, at(10_000));
    events(&mut mdns);
    hear(
        &mut mdns,
        at(10_000),
        source(9),
        &response(vec![address(9)]),
    );
    let sent = run(&mut mdns, at(20_000));
    assert_eq!(
        sent.iter()
            .filter(|(_, t)| lines(&t.payload)[0].contains("ANY"))
            .count(),
        3
    );
    assert_eq!(mdns.service().unwrap().id, id(0xaa));
    assert!(!renamed(&mut mdns));
    // With somebody who insists it is lost.
    hear(
        &mut mdns,
        at(20_000),
        source(9),
        &response(vec![address(9)]),
    );
    run(&mut mdns, at(20_300));
    hear(
        &mut mdns,
        at(20_300),
        source(9),
        &response(vec![address(9)]),
    );
    assert!(renamed(&mut mdns));
}

#[test]
fn the_higher_records_win_a_simultaneous_probe_and_the_lower_wait_a_second() {
    let cases = [
        // (port, address) of the rival, and whether ours are higher.
        (6788, 1, true),
        (6790, 1, false),
        (6789, 0, true),
        (6789, 9, false),
    ];
    for (port, last, wins) in cases {
        let mut mdns = started(1, server(0xaa, "london"), 1);
        run(&mut mdns, at(300));
        let records = vec![srv(port, HOST), txt("region=london"), address(last)];
        hear(&mut mdns, at(300), source(9), &probe(records));
        let sent = run(&mut mdns, at(1_299));
        let announced = sent.iter().any(|(_, t)| is_response(&t.payload));
        assert_eq!(announced, wins, "{port} {last}");
        // The loser asks again, and nobody answering, takes it.
        run(&mut mdns, at(2_100));
        assert_eq!(mdns.service().unwrap().id, id(0xaa));
        assert!(matches!(events(&mut mdns)[..], [Event::Announced { .. }]));
    }
}

#[test]
fn a_probe_that_says_the_same_is_no_rival() {
    let mut mdns = started(1, server(0xaa, "london"), 1);
    run(&mut mdns, at(300));
    let same = vec![srv(6789, HOST), txt("region=london"), address(1)];
    hear(&mut mdns, at(300), source(9), &probe(same));
    assert_eq!(mdns.stats().conflicts, 0);
    let sent = run(&mut mdns, at(1_000));
    assert!(sent.iter().any(|(_, t)| is_response(&t.payload)));
}

#[test]
fn a_probe_for_an_established_name_is_answered_at_once_and_again_after_250_ms() {
    let mut mdns = started(1, server(0xaa, "london"), 1);
    run(&mut mdns, at(10_000));
    let rival = || probe(vec![srv(7000, HOST), address(9)]);
    let mut answers = Vec::new();
    for now in [10_000, 10_100, 10_200, 10_250, 10_500] {
        hear(&mut mdns, at(now), source(9), &rival());
        let sent = mdns_lab::transmits(&mut mdns);
        answers.push(sent.iter().filter(|t| is_response(&t.payload)).count());
        mdns.handle_timeout(at(now + 49));
        let late = mdns_lab::transmits(&mut mdns);
        assert!(late.iter().all(|t| !is_response(&t.payload)));
    }
    assert_eq!(answers, [1, 0, 0, 1, 1]);
}

#[test]
fn fifteen_conflicts_in_ten_seconds_slow_it_down() {
    let mut mdns = started(1, server(0xaa, "london"), 1);
    run(&mut mdns, at(300));
    let mut renames = Vec::new();
    for now in (300..12_000).step_by(10) {
        // A malicious host claims whatever is probed for.
        mdns.handle_timeout(at(now));
        for transmit in mdns_lab::transmits(&mut mdns) {
            let packet = Packet::parse(&transmit.payload).unwrap();
            let claimed = packet.questions.iter().find(|q| q.qtype == QTYPE::ANY);
            if let Some(question) = claimed {
                let mut taken = srv(1, HOST);
                taken.name = question.qname.clone().into_owned();
                hear(&mut mdns, at(now), source(9), &response(vec![taken]));
            }
        }
        if renamed(&mut mdns) {
            renames.push(now);
        }
    }
    let quick = renames.iter().filter(|t| **t < 5_000).count();
    assert_eq!(quick, 15);
    assert!(renames.len() <= 18, "{renames:?}");
    assert!(
        renames.windows(2).skip(14).all(|w| w[1] - w[0] >= 5_000),
        "{renames:?}"
    );
}

#[test]
fn two_hosts_with_one_id_end_up_with_two() {
    for seed in 0..20 {
        let mut lab = Lab::new(seed);
        lab.add(1, server(0xaa, "london"));
        lab.add(2, server(0xaa, "london"));
        lab.run_until(at(10_000));
        let ids: Vec<_> = lab
            .hosts
            .iter()
            .map(|h| h.mdns.service().unwrap().id)
            .collect();
        assert_ne!(ids[0], ids[1], "seed {seed}");
        assert!(ids.contains(&id(0xaa)), "one keeps it");
        assert!(lab.first_seen(0, ids[1]).is_some());
        assert!(lab.first_seen(1, ids[0]).is_some());
    }
}

#[test]
fn a_clone_that_appears_later_takes_another_id() {
    let mut lab = Lab::new(1);
    lab.add(1, server(0xaa, "london"));
    lab.run_until(at(10_000));
    lab.add(2, server(0xaa, "london"));
    lab.run_until(at(20_000));
    assert_eq!(lab.hosts[0].mdns.service().unwrap().id, id(0xaa));
    let new = lab.hosts[1].mdns.service().unwrap().id;
    assert_ne!(new, id(0xaa));
    assert!(lab.first_seen(0, new).is_some());
    assert!(lab.first_seen(1, id(0xaa)).is_some());
}

#[test]
fn whoever_leaves_tells_no_more_tales() {
    let mut mdns = Checked::new(Mdns::new(at(0), server(0xaa, "london"), 1));
    mdns.verify(at(0), id(1));
    mdns.goodbye(at(0));
    assert!(mdns.is_closed());
    assert_eq!(mdns.poll_event(), None);
}
