//! The bytes sent, and when questions are answered, how, and to whom.

#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]

mod mdns_lab;

use std::net::SocketAddr;

use mdns_lab::checked::Checked;
use mdns_lab::{
    INTERFACE, at, hear, id, interface, ip, is_response, lines, ms, run, server, service, source,
    started, transmits,
};
use simple_dns::rdata::{PTR, RData};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, ResourceRecord, TYPE};
use zerocache_proto::Instant;
use zerocache_proto::mdns::{Config, Datagram, Destination, Interface, Mdns, Transmit};

const SERVICE: &str = "_server._geocache._tcp.local";
const INSTANCE: &str = "a1b2c3d4._server._geocache._tcp.local";

/// A node that is established, and has not multicast anything for a while.
fn established(alias: bool) -> (Checked<Mdns>, Instant) {
    let config = Config {
        alias,
        ..server(0xa1b2_c3d4, "london")
    };
    let mut mdns = started(1, config, 1);
    run(&mut mdns, at(10_000));
    while mdns.poll_event().is_some() {}
    (mdns, at(10_000))
}

struct Query(Packet<'static>);

impl Query {
    fn new(name: &'static str, kind: QTYPE) -> Self {
        let mut packet = Packet::new_query(0);
        let class = QCLASS::CLASS(CLASS::IN);
        packet
            .questions
            .push(Question::new(Name::new(name).unwrap(), kind, class, false));
        Self(packet)
    }

    fn of(name: &'static str, kind: TYPE) -> Self {
        Self::new(name, QTYPE::TYPE(kind))
    }

    fn qu(mut self) -> Self {
        self.0.questions[0].unicast_response = true;
        self
    }

    fn knowing(mut self, instance: &'static str, ttl: u32) -> Self {
        let data = RData::PTR(PTR(Name::new(instance).unwrap()));
        let name = Name::new(SERVICE).unwrap();
        self.0
            .answers
            .push(ResourceRecord::new(name, CLASS::IN, ttl, data));
        self
    }

    fn more(mut self) -> Self {
        self.0.set_flags(PacketFlag::TRUNCATION);
        self
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.build_bytes_vec_compressed().unwrap()
    }
}

fn ptr() -> Query {
    Query::of(SERVICE, TYPE::PTR)
}

/// Asks, and waits up to a minute for the answers; queries of its own are left out.
fn ask(
    mdns: &mut Checked<Mdns>,
    now: Instant,
    from: SocketAddr,
    query: &Query,
) -> Vec<(Instant, Transmit)> {
    hear(mdns, now, from, &query.bytes());
    let mut sent = transmits(mdns)
        .into_iter()
        .map(|t| (now, t))
        .collect::<Vec<_>>();
    sent.extend(run(mdns, now + ms(2_000)));
    sent.retain(|(_, t)| is_response(&t.payload));
    sent
}

fn answer(sent: &[(Instant, Transmit)]) -> Vec<String> {
    assert_eq!(sent.len(), 1, "{sent:?}");
    lines(&sent[0].1.payload)
}

#[test]
fn the_announcement_is_these_bytes() {
    let mut mdns = started(1, server(0xa1b2_c3d4, "london"), 1);
    let sent = run(&mut mdns, at(1_500));
    let announcement = &sent
        .iter()
        .find(|(_, t)| is_response(&t.payload))
        .unwrap()
        .1;
    assert_eq!(announcement.to, Destination::Multicast);
    assert_eq!(announcement.interface, INTERFACE);
    let expected = [
        // Response, authoritative; five answers.
        &b"\0\0\x84\0\0\0\0\x05\0\0\0\0"[..],
        // PTR, 1125 s, shared.
        b"\x07_server\x09_geocache\x04_tcp\x05local\0\0\x0c\0\x01\0\0\x04\x65\0\x0b\x08a1b2c3d4\xc0\x0c",
        // SRV, 120 s, cache-flush; port 6789, the host's name in full.
        b"\xc0\x34\0\x21\x80\x01\0\0\0\x78\0\x16\0\0\0\0\x1a\x85\x08a1b2c3d4\x05local\0",
        // TXT, 4500 s: `region` first.
        b"\xc0\x34\0\x10\x80\x01\0\0\x11\x94\0\x13\x0dregion=london\x04zc=1",
        // A, 120 s.
        b"\x08a1b2c3d4\xc0\x23\0\x01\x80\x01\0\0\0\x78\0\x04\x0a\0\0\x01",
        // NSEC: of this name there is an A record, and nothing else.
        b"\xc0\x80\0\x2f\x80\x01\0\0\0\x78\0\x13\x08a1b2c3d4\x05local\0\0\x01\x40",
    ]
    .concat();
    assert_eq!(announcement.payload, expected);
}

#[test]
fn the_probe_asks_for_any_record_of_both_names_and_says_what_they_will_be() {
    let mut mdns = started(1, server(0xa1b2_c3d4, "london"), 1);
    let sent = run(&mut mdns, at(300));
    let probe = sent
        .iter()
        .map(|(_, t)| lines(&t.payload))
        .find(|l| l.len() > 1)
        .unwrap();
    assert_eq!(
        probe,
        [
            "? a1b2c3d4._server._geocache._tcp.local ANY",
            "? a1b2c3d4.local ANY",
            "! a1b2c3d4._server._geocache._tcp.local SRV 120",
            "! a1b2c3d4._server._geocache._tcp.local TXT 4500",
            "! a1b2c3d4.local A 120",
        ]
    );
}

#[test]
fn the_goodbye_is_the_announcement_with_ttl_0_three_times() {
    let (mut mdns, now) = established(false);
    mdns.goodbye(now);
    let first = transmits(&mut mdns);
    assert_eq!(first.len(), 1);
    assert_eq!(
        lines(&first[0].payload),
        [
            "= _server._geocache._tcp.local PTR 0",
            "= a1b2c3d4._server._geocache._tcp.local SRV 0 flush",
            "= a1b2c3d4._server._geocache._tcp.local TXT 0 flush",
            "= a1b2c3d4.local A 0 flush",
            "= a1b2c3d4.local NSEC 0 flush",
        ]
    );
    let later = run(&mut mdns, now + ms(60_000));
    let times: Vec<_> = later.iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [now + ms(125), now + ms(250)]);
    assert!(later.iter().all(|(_, t)| *t == first[0]));
    assert!(mdns.is_closed());
    // And then silence.
    hear(&mut mdns, now + ms(300), source(9), &ptr().bytes());
    mdns.handle_interface(now + ms(300), interface(1));
    mdns.announce(now + ms(300));
    mdns.verify(now + ms(300), id(9));
    mdns.replace(now + ms(300), service(7, "eu"));
    mdns.goodbye(now + ms(300));
    mdns.handle_timeout(now + ms(400));
    assert_eq!(mdns.poll_transmit(), None);
    assert_eq!(mdns.poll_event(), None);
    assert_eq!(mdns.poll_timeout(), None);
}

#[test]
fn each_question_gets_its_records() {
    let resolved = [
        "+ a1b2c3d4._server._geocache._tcp.local SRV 120 flush",
        "+ a1b2c3d4._server._geocache._tcp.local TXT 4500 flush",
        "+ a1b2c3d4.local A 120 flush",
        "+ a1b2c3d4.local NSEC 120 flush",
    ];
    let srv = "= a1b2c3d4._server._geocache._tcp.local SRV 120 flush";
    let txt = "= a1b2c3d4._server._geocache._tcp.local TXT 4500 flush";
    let a = "= a1b2c3d4.local A 120 flush";
    let nsec = "= a1b2c3d4.local NSEC 120 flush";
    let pointer = "= _server._geocache._tcp.local PTR 1125";
    let any = QTYPE::ANY;
    let with = |answers: &[&'static str], more: &[&'static str]| [answers, more].concat();
    let cases = [
        (SERVICE, TYPE::PTR.into(), with(&[pointer], &resolved)),
        (
            "_SERVER._GeoCache._tcp.LOCAL",
            TYPE::PTR.into(),
            with(&[pointer], &resolved),
        ),
        (SERVICE, any, with(&[pointer], &resolved)),
        (INSTANCE, TYPE::SRV.into(), with(&[srv], &resolved[2..])),
        (INSTANCE, TYPE::TXT.into(), vec![txt]),
        (INSTANCE, any, with(&[srv, txt], &resolved[2..])),
        (
            INSTANCE,
            TYPE::A.into(),
            vec!["= a1b2c3d4._server._geocache._tcp.local NSEC 120 flush"],
        ),
        ("a1b2c3d4.local", TYPE::A.into(), vec![a]),
        ("A1B2C3D4.Local", any, vec![a]),
        (
            "a1b2c3d4.local",
            TYPE::AAAA.into(),
            with(&[nsec], &resolved[2..3]),
        ),
        (
            "_services._dns-sd._udp.local",
            TYPE::PTR.into(),
            vec!["= _services._dns-sd._udp.local PTR 4500"],
        ),
        (SERVICE, TYPE::SRV.into(), vec![]),
        ("b1b2c3d4._server._geocache._tcp.local", any, vec![]),
        ("b1b2c3d4.local", any, vec![]),
        ("_geocache._tcp.local", TYPE::PTR.into(), vec![]),
    ];
    for (name, kind, expected) in cases {
        let (mut mdns, now) = established(false);
        let sent = ask(&mut mdns, now, source(9), &Query::new(name, kind));
        if expected.is_empty() {
            assert_eq!(sent, [], "{name}");
        } else {
            assert_eq!(answer(&sent), expected, "{name}");
            assert_eq!(sent[0].1.to, Destination::Multicast);
        }
    }
}

#[test]
fn the_alias_is_published_beside_the_stock_type() {
    let config = Config {
        alias: true,
        ..server(0xa1b2_c3d4, "london")
    };
    let mut mdns = started(1, config, 1);
    let sent = run(&mut mdns, at(1_500));
    let announcement = sent.iter().find(|(_, t)| is_response(&t.payload)).unwrap();
    assert_eq!(
        lines(&announcement.1.payload)[5..],
        [
            "= _geocache._tcp.local PTR 1125",
            "= _server._sub._geocache._tcp.local PTR 1125",
            "= a1b2c3d4._geocache._tcp.local SRV 120 flush",
            "= a1b2c3d4._geocache._tcp.local TXT 4500 flush",
        ]
    );
    assert!(announcement.1.payload.len() <= 512);
    for name in ["_geocache._tcp.local", "_server._sub._geocache._tcp.local"] {
        let (mut mdns, now) = established(true);
        let sent = ask(&mut mdns, now, source(9), &Query::of(name, TYPE::PTR));
        assert_eq!(answer(&sent).len(), 5, "{name}");
    }
    let (mut mdns, now) = established(true);
    let sent = ask(
        &mut mdns,
        now,
        source(9),
        &Query::of("_services._dns-sd._udp.local", TYPE::PTR),
    );
    assert_eq!(answer(&sent).len(), 2);
}

#[test]
fn shared_answers_wait_20_to_120_ms_and_unique_ones_do_not() {
    for n in 0..50 {
        let (mut mdns, now) = established(false);
        let now = now + ms(n * 7);
        let sent = ask(&mut mdns, now, source(9), &ptr());
        assert!((now + ms(20)..now + ms(120)).contains(&sent[0].0));
        let now = now + ms(5_000);
        let sent = ask(&mut mdns, now, source(9), &Query::of(INSTANCE, TYPE::SRV));
        assert_eq!(sent[0].0, now);
    }
}

#[test]
fn no_record_is_multicast_twice_within_a_second() {
    let (mut mdns, start) = established(false);
    let mut times = Vec::new();
    for n in 0..200 {
        let now = start + ms(n * 25);
        mdns.handle_timeout(now);
        hear(
            &mut mdns,
            now,
            source(9),
            &Query::of(INSTANCE, TYPE::SRV).bytes(),
        );
        times.extend(
            transmits(&mut mdns)
                .iter()
                .filter(|t| is_response(&t.payload))
                .map(|_| now),
        );
    }
    assert!(times.len() >= 5, "{times:?}");
    assert!(
        times.windows(2).all(|w| w[0] + ms(1_000) <= w[1]),
        "{times:?}"
    );
}

#[test]
fn an_announcement_waits_a_second_after_an_answer() {
    let mut mdns = started(1, server(0xa1b2_c3d4, "london"), 1);
    let first = run(&mut mdns, at(2_500));
    let announced = first.last().unwrap().0;
    let asked = announced + ms(1_900);
    run(&mut mdns, asked);
    let question = Query::of(INSTANCE, TYPE::SRV).bytes();
    hear(&mut mdns, asked, source(2), &question);
    let sent = run(&mut mdns, at(10_000));
    let answers = sent.iter().filter(|(_, t)| is_response(&t.payload));
    let times: Vec<_> = answers.map(|(at, _)| *at).collect();
    assert_eq!(
        times.len(),
        2,
        "the answer and the last announcement: {times:?}"
    );
    assert!(
        times[1] >= asked + ms(1_000),
        "{times:?}, asked at {asked:?}"
    );
}

#[test]
fn what_the_asker_knows_is_not_repeated() {
    for (ttl, repeated) in [(1_125, false), (563, false), (562, false), (561, true)] {
        let (mut mdns, now) = established(false);
        let sent = ask(&mut mdns, now, source(9), &ptr().knowing(INSTANCE, ttl));
        assert_eq!(!sent.is_empty(), repeated, "{ttl}");
    }
    let (mut mdns, now) = established(false);
    let other = "00000009._server._geocache._tcp.local";
    assert_eq!(
        ask(&mut mdns, now, source(9), &ptr().knowing(other, 4_500)).len(),
        1
    );
}

#[test]
fn known_answers_that_are_yet_to_come_are_waited_for() {
    let (mut mdns, now) = established(false);
    let sent = ask(&mut mdns, now, source(9), &ptr().more());
    assert!((now + ms(400)..=now + ms(500)).contains(&sent[0].0));

    let (mut mdns, now) = established(false);
    hear(&mut mdns, now, source(9), &ptr().more().bytes());
    let mut rest = Query(Packet::new_query(0)).knowing(INSTANCE, 1_000);
    rest.0.questions.clear();
    assert_eq!(ask(&mut mdns, now + ms(100), source(9), &rest), []);
    // Somebody else's list is not his.
    hear(&mut mdns, now + ms(3_000), source(9), &ptr().more().bytes());
    assert_eq!(ask(&mut mdns, now + ms(3_100), source(8), &rest).len(), 1);
}

#[test]
fn a_resolver_that_is_no_mdns_querier_gets_its_question_back() {
    let (mut mdns, now) = established(false);
    let from = SocketAddr::from((ip(9), 40_000));
    let mut query = Query::of("_Server._geocache._TCP.local", TYPE::PTR);
    query.0.set_id(0x1234);
    let sent = ask(&mut mdns, now, from, &query);
    assert_eq!(
        answer(&sent),
        [
            "? _Server._geocache._TCP.local PTR",
            "= _server._geocache._tcp.local PTR 10",
            "+ a1b2c3d4._server._geocache._tcp.local SRV 10",
            "+ a1b2c3d4._server._geocache._tcp.local TXT 10",
            "+ a1b2c3d4.local A 10",
            "+ a1b2c3d4.local NSEC 10",
        ]
    );
    let (when, transmit) = &sent[0];
    assert_eq!(*when, now);
    assert_eq!(transmit.to, Destination::Unicast(from));
    assert_eq!(transmit.payload[..2], [0x12, 0x34]);
    assert!(transmit.payload.len() <= 512);
    // One a second, and never to who is not on the link.
    assert_eq!(ask(&mut mdns, now + ms(999), from, &query), []);
    assert_eq!(ask(&mut mdns, now + ms(3_000), from, &query).len(), 1);
    let far = SocketAddr::from(([192, 168, 0, 9], 40_000));
    assert_eq!(ask(&mut mdns, now + ms(6_000), far, &query), []);
}

#[test]
fn a_question_for_unicast_gets_it_only_if_the_records_were_multicast_lately() {
    let (mut mdns, now) = established(false);
    let unicast = Destination::Unicast(source(9));
    // PTR: within 281 s.
    let sent = ask(&mut mdns, now, source(9), &ptr().qu());
    assert_eq!(sent[0].1.to, unicast);
    assert_eq!(answer(&sent).len(), 5);
    let later = now + ms(290_000);
    run(&mut mdns, later);
    let sent = ask(&mut mdns, later, source(9), &ptr().qu());
    assert_eq!(sent[0].1.to, Destination::Multicast);
    // Who is on this very host, shares the port.
    let sent = ask(&mut mdns, later + ms(5_000), source(1), &ptr().qu());
    assert_eq!(sent[0].1.to, Destination::Multicast);
}

#[test]
fn a_query_to_this_host_alone_is_answered_to_the_link_alone() {
    let (mut mdns, now) = established(false);
    for (from, answered) in [("10.0.0.9:5353", true), ("10.0.1.9:5353", false)] {
        let payload = ptr().bytes();
        mdns.handle_datagram(
            now,
            Datagram {
                interface: INTERFACE,
                source: from.parse().unwrap(),
                multicast: false,
                payload: &payload,
            },
        );
        let sent = transmits(&mut mdns);
        let to = Destination::Unicast(from.parse().unwrap());
        assert_eq!(sent.iter().any(|t| t.to == to), answered);
    }
}

#[test]
fn the_own_query_that_comes_back_is_not_answered_but_another_nodes_is() {
    let (mut mdns, now) = established(false);
    let later = now + ms(60_000);
    let own = run(&mut mdns, later).pop().unwrap();
    let own_query = &own.1.payload;
    assert!(!is_response(own_query));
    let now = own.0 + ms(1);
    hear(&mut mdns, now, source(1), own_query);
    assert_eq!(mdns.stats().looped, 1);
    hear(&mut mdns, now, source(1), own_query);
    assert_eq!(mdns.stats().looped, 1);
    let sent = run(&mut mdns, now + ms(200));
    assert_eq!(
        sent.iter().filter(|(_, t)| is_response(&t.payload)).count(),
        1
    );
}

#[test]
fn questions_are_asked_at_first_each_second_then_seldom() {
    let mut mdns = Checked::new(Mdns::new(at(0), Config::default(), 1));
    mdns.handle_interface(at(0), interface(1));
    let sent = run(&mut mdns, at(4 * 3_600_000));
    let times: Vec<_> = sent.iter().map(|(at, _)| *at).collect();
    assert!((at(20)..at(120)).contains(&times[0]));
    let mut expected = ms(1_000);
    for pair in times.windows(2) {
        assert_eq!(pair[0] + expected, pair[1]);
        expected = (expected * 2).min(ms(3_600_000));
    }
    assert!(times.len() >= 14);
    assert_eq!(
        lines(&sent[0].1.payload),
        ["? _server._geocache._tcp.local PTR"]
    );
    // An interface that comes back begins anew.
    mdns.handle_interface_down(at(4 * 3_600_000), INTERFACE);
    assert_eq!(mdns.poll_timeout(), None);
    mdns.handle_interface(at(4 * 3_600_000), interface(1));
    assert!(mdns.poll_timeout().unwrap() <= at(4 * 3_600_000 + 120));
}

#[test]
fn each_interface_announces_its_own_address_or_all_the_configured_one() {
    let two = Interface {
        index: 8,
        addresses: vec![([169, 254, 3, 4].into(), 16), ([192, 168, 5, 6].into(), 24)],
        loopback: false,
    };
    let lo = Interface {
        index: 1,
        addresses: vec![([127, 0, 0, 1].into(), 8)],
        loopback: true,
    };
    let none = Interface {
        index: 9,
        addresses: vec![],
        loopback: false,
    };
    let announced = |configured: Option<&str>| {
        let mut config = server(0xa1b2_c3d4, "london");
        let service = config.service.as_mut().unwrap();
        service.address = configured.map(|a| a.parse().unwrap());
        let mut mdns = Checked::new(Mdns::new(at(0), config, 1));
        for interface in [interface(1), two.clone(), lo.clone(), none.clone()] {
            mdns.handle_interface(at(0), interface);
        }
        mdns.announce(at(0));
        let mut out = Vec::new();
        for (_, transmit) in run(&mut mdns, at(1_200)) {
            let packet = Packet::parse(&transmit.payload).unwrap();
            for record in &packet.answers {
                if let RData::A(a) = &record.rdata {
                    out.push((
                        transmit.interface,
                        std::net::Ipv4Addr::from_bits(a.address).to_string(),
                    ));
                }
            }
        }
        out.sort();
        out
    };
    let own = |index, ip: &str| (index, ip.to_owned());
    assert_eq!(
        announced(None),
        [
            own(1, "127.0.0.1"),
            own(7, "10.0.0.1"),
            own(8, "192.168.5.6")
        ]
    );
    assert_eq!(
        announced(Some("10.0.0.1")),
        [1, 7, 8, 9].map(|i| own(i, "10.0.0.1"))
    );
    // A loopback address is of no use to others.
    assert_eq!(announced(Some("127.0.0.1")), [own(1, "127.0.0.1")]);
}
