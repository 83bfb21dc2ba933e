//! Hostile announcements and questions: what is believed of whom, and what anybody can make a node send.
//! The rules are those of SECURITY.md.

#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]

mod mdns_lab;

use std::net::SocketAddr;

use mdns_lab::announcement::Announcement;
use mdns_lab::checked::Checked;
use mdns_lab::{
    INTERFACE, at, hear, id, interface, ip, is_response, ms, run, server, service, sightings,
    source, started, transmits,
};
use simple_dns::rdata::{PTR, RData};
use simple_dns::{CLASS, Name, Packet, QCLASS, QTYPE, Question, ResourceRecord, TYPE};
use zerocache_proto::mdns::{
    Cidr, Config, Datagram, Destination, Event, Interface, Mdns, Transmit, prefilter,
};

fn listening(config: Config) -> Checked<Mdns> {
    let mut mdns = Checked::new(Mdns::new(at(0), config, 1));
    mdns.handle_interface(at(0), interface(1));
    mdns
}

/// The addresses a machine believes of this, heard from 10.0.0.9.
fn believed(mut mdns: Checked<Mdns>, from: SocketAddr, told: &Announcement) -> Vec<String> {
    hear(&mut mdns, at(100), from, &told.bytes());
    let seen = sightings(&mut mdns).into_iter();
    seen.map(|seen| seen.address.to_string()).collect()
}

fn at_address(address: [u8; 4]) -> Announcement {
    Announcement {
        addresses: vec![address],
        ..Announcement::new(9)
    }
}

#[test]
fn what_was_not_multicast_is_believed_from_the_link_only() {
    let payload = Announcement::new(9).bytes();
    let cases = [
        ("10.0.0.9:5353", false, 1),
        ("192.168.0.9:5353", true, 1),
        ("192.168.0.9:5353", false, 0),
    ];
    for (from, multicast, seen) in cases {
        let mut mdns = listening(Config::default());
        let datagram = Datagram {
            interface: INTERFACE,
            source: from.parse().unwrap(),
            multicast,
            payload: &payload,
        };
        mdns.handle_datagram(at(100), datagram);
        assert_eq!(sightings(&mut mdns).len(), seen, "{from} {multicast}");
        assert_eq!(mdns.stats().strange, 1 - seen as u64);
    }
}

#[test]
fn an_announcement_comes_from_port_5353() {
    for (port, seen) in [(5353, 1), (5354, 0), (40_000, 0)] {
        let from = SocketAddr::from((ip(9), port));
        let mdns = listening(Config::default());
        assert_eq!(believed(mdns, from, &Announcement::new(9)).len(), seen);
    }
}

#[test]
fn an_announced_address_is_a_hosts_on_the_link() {
    let refused = [
        [0, 0, 0, 0],
        [0, 1, 2, 3],
        [127, 0, 0, 1],
        [224, 0, 0, 251],
        [240, 0, 0, 1],
        [255, 255, 255, 255],
        [10, 0, 0, 255],
        // Off the link: the cloud's metadata, a neighbouring network, the internet.
        [169, 254, 169, 254],
        [10, 0, 1, 9],
        [192, 0, 2, 7],
    ];
    for address in refused {
        let mdns = listening(Config::default());
        let seen = believed(mdns, source(9), &at_address(address));
        assert_eq!(seen, Vec::<String>::new(), "{address:?}");
    }
    let mdns = listening(Config::default());
    let seen = believed(mdns, source(9), &at_address([10, 0, 0, 77]));
    assert_eq!(seen, ["10.0.0.77:6789"]);
}

#[test]
fn an_announced_address_elsewhere_is_believed_where_it_is_allowed() {
    let config = || Config {
        allowed: vec!["192.168.8.0/22".parse().unwrap()],
        ..Config::default()
    };
    let cases = [
        ([192, 168, 11, 9], 1),
        ([192, 168, 12, 9], 0),
        ([10, 0, 0, 77], 1),
        ([10, 0, 1, 9], 0),
    ];
    for (address, seen) in cases {
        let told = at_address(address);
        assert_eq!(
            believed(listening(config()), source(9), &told).len(),
            seen,
            "{address:?}"
        );
    }
    // Whatever is allowed: nothing that is no host's, and loopback on loopback alone.
    let all = || Config {
        allowed: vec!["0.0.0.0/0".parse().unwrap()],
        ..Config::default()
    };
    for address in [
        [0, 0, 0, 0],
        [127, 0, 0, 1],
        [224, 0, 0, 251],
        [255, 255, 255, 255],
        [10, 0, 0, 255],
    ] {
        let seen = believed(listening(all()), source(9), &at_address(address));
        assert_eq!(seen, Vec::<String>::new(), "{address:?}");
    }
}

#[test]
fn loopback_addresses_are_believed_on_loopback() {
    let mut mdns = Checked::new(Mdns::new(at(0), Config::default(), 1));
    let lo = Interface {
        index: INTERFACE,
        addresses: vec![([127, 0, 0, 1].into(), 8)],
        loopback: true,
    };
    mdns.handle_interface(at(0), lo);
    let from = SocketAddr::from(([127, 0, 0, 1], 5353));
    let there = |address| believed_on(&mut mdns, from, address);
    let cases = [[127, 0, 0, 1], [127, 0, 0, 7], [10, 0, 0, 9]];
    assert_eq!(cases.map(there), [1, 1, 0]);
}

fn believed_on(mdns: &mut Checked<Mdns>, from: SocketAddr, address: [u8; 4]) -> usize {
    let bits = u32::from_be_bytes(address);
    let told = Announcement {
        host: format!("machine-{bits}.local"),
        addresses: vec![address],
        ..Announcement::new(bits)
    };
    hear(mdns, at(100), from, &told.bytes());
    sightings(mdns).len()
}

#[test]
fn nobody_else_tells_what_is_on_this_host() {
    let mdns = || started(1, server(1, "london"), 1);
    // Ourselves, as another host has it; another service of this host, as another host has it; and as
    // a node beside us has it.
    let ours = at_address([10, 0, 0, 1]);
    let beside = Announcement {
        port: 7_000,
        ..at_address([10, 0, 0, 1])
    };
    assert_eq!(believed(mdns(), source(9), &ours), Vec::<String>::new());
    assert_eq!(believed(mdns(), source(9), &beside), Vec::<String>::new());
    assert_eq!(believed(mdns(), source(1), &beside), ["10.0.0.1:7000"]);
}

#[test]
fn ranges_are_read_strictly() {
    let range = |text: &str| text.parse::<Cidr>();
    for good in ["0.0.0.0/0", "10.0.0.0/8", "10.20.0.0/16", "10.0.0.1/32"] {
        assert_eq!(range(good).unwrap().to_string(), good);
    }
    assert_eq!(range("10.0.0.1"), range("10.0.0.1/32"));
    for bad in [
        "",
        "/",
        "/8",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/+8",
        "10.0.0.0/8/8",
        "10.0.0.1/8",
        "10.0.0/8",
        "fd00::/8",
        "lan",
    ] {
        assert!(range(bad).is_err(), "{bad}");
    }
    let range = range("10.20.0.0/15").unwrap();
    let within = |address: [u8; 4]| range.contains(address.into());
    assert!(within([10, 20, 0, 0]) && within([10, 21, 255, 255]));
    assert!(!within([10, 19, 255, 255]) && !within([10, 22, 0, 0]));
}

#[test]
fn a_port_below_1024_is_believed_only_by_who_has_one_or_wants_it() {
    let told = |port| Announcement {
        port,
        ..Announcement::new(9)
    };
    let seen = |config: Config, port| believed(listening(config), source(9), &told(port)).len();
    let plain = [0, 1, 80, 1_023, 1_024, 65_535].map(|port| seen(Config::default(), port));
    assert_eq!(plain, [0, 0, 0, 0, 1, 1]);
    let low = || Config {
        low_ports: true,
        ..Config::default()
    };
    let server_on_80 = || {
        let mut service = service(1, "london");
        service.port = 80;
        Config {
            service: Some(service),
            ..Config::default()
        }
    };
    assert_eq!([0, 1, 80].map(|port| seen(low(), port)), [0, 1, 1]);
    assert_eq!([0, 1, 80].map(|port| seen(server_on_80(), port)), [0, 1, 1]);
}

#[test]
fn a_region_is_a_path_segment() {
    let long: &'static str = Box::leak(format!("region={}", "r".repeat(65)).into());
    let cases = [
        (Some("region=london"), 1),
        (Some("region=s\u{e3}o-paulo"), 1),
        (Some("region=a=b"), 1),
        (None, 0),
        (Some("region="), 0),
        (Some("region"), 0),
        (Some("region=a/b"), 0),
        (Some("region=a?b"), 0),
        (Some("region=a#b"), 0),
        (Some("region=a%2Fb"), 0),
        (Some("region=a b"), 0),
        (Some("region=a\r\nX: y"), 0),
        (Some("region=a\u{7f}"), 0),
        (Some("region=.."), 0),
        (Some(long), 0),
    ];
    for (region, seen) in cases {
        let told = Announcement {
            region,
            ..Announcement::new(9)
        };
        let mdns = listening(Config::default());
        assert_eq!(believed(mdns, source(9), &told).len(), seen, "{region:?}");
    }
    // Bytes that are no text.
    let mut payload = Announcement::new(9).bytes();
    let name = payload.windows(6).position(|w| w == b"london").unwrap();
    payload[name] = 0xff;
    let mut mdns = listening(Config::default());
    hear(&mut mdns, at(100), source(9), &payload);
    assert_eq!(sightings(&mut mdns), []);
    assert_eq!(mdns.stats().invalid, 1);
}

#[test]
fn a_bad_packet_is_dropped_and_the_next_one_heard() {
    let good = Announcement::new(9).bytes();
    let mut long = good.clone();
    long.resize(9_001, 0);
    assert!(prefilter(&long).is_none() && prefilter(&long[..9_000]).is_some());
    let mut mdns = listening(Config::default());
    let mut bad: Vec<Vec<u8>> = (0..good.len()).map(|end| good[..end].to_vec()).collect();
    bad.push(long);
    // A name of 256 bytes; pointers to themselves, forwards and into the header.
    let name = [[&[63_u8][..], &[b'a'; 63]].concat().repeat(4), vec![0]].concat();
    let pointers = [&[0xc0, 12][..], &[0xc0, 14], &[0xc0, 2], &[0x80]];
    for name in pointers.map(<[u8]>::to_vec).into_iter().chain([name]) {
        let head = b"\0\0\x84\0\0\0\0\x01\0\0\0\0".to_vec();
        let tail = b"\0\x0c\0\x01\0\0\0\x78\0\x02\xc0\x0c".to_vec();
        bad.push([head, name, tail].concat());
    }
    for (n, payload) in bad.iter().enumerate() {
        // Not so many a second that all the others are dropped unread.
        let now = at(100 + 10 * n as u64);
        hear(&mut mdns, now, source(9), payload);
    }
    assert_eq!(mdns.stats().flooded, 0);
    assert_eq!(sightings(&mut mdns), []);
    hear(&mut mdns, at(10_000), source(9), &good);
    assert_eq!(sightings(&mut mdns).len(), 1);
}

#[test]
fn of_a_packet_64_records_are_used() {
    let mut packet = Packet::new_reply(0);
    let service = Name::new("_server._geocache._tcp.local").unwrap();
    let names: Vec<String> = (0..100_u32)
        .map(|n| format!("{n:08x}._server._geocache._tcp.local"))
        .collect();
    for name in &names {
        let data = RData::PTR(PTR(Name::new(name).unwrap()));
        let record = ResourceRecord::new(service.clone(), CLASS::IN, 120, data);
        packet.answers.push(record);
    }
    let payload = packet.build_bytes_vec_compressed().unwrap();
    let cleaned = prefilter(&payload).unwrap();
    assert_eq!(Packet::parse(&cleaned).unwrap().answers.len(), 64);
    // One question for SRV and TXT each of those, and no more.
    let mut mdns = listening(Config::default());
    hear(&mut mdns, at(100), source(9), &payload);
    let sent = run(&mut mdns, at(1_000));
    let asked = |payload: &[u8]| Packet::parse(payload).unwrap().questions.len();
    let chased: usize = sent.iter().map(|(_, t)| asked(&t.payload)).sum();
    assert!((1..=64 * 2 + 4).contains(&chased), "{chased}");
}

#[test]
fn a_takeover_of_a_name_is_told_as_a_hint_and_the_address_reported_stays() {
    let mut mdns = listening(Config::default());
    let told = |host| Announcement {
        addresses: vec![[10, 0, 0, host]],
        ..Announcement::new(9)
    };
    hear(&mut mdns, at(100), source(9), &told(9).bytes());
    assert_eq!(sightings(&mut mdns).len(), 1);
    // With the cache-flush bit, and within the second in which that ends nothing yet.
    hear(&mut mdns, at(200), source(66), &told(66).bytes());
    for seen in sightings(&mut mdns) {
        assert_eq!(*seen.address.ip(), ip(9));
    }
    // A goodbye by another says who said it.
    let goodbye = Announcement { ttl: 0, ..told(9) };
    hear(&mut mdns, at(300), source(66), &goodbye.bytes());
    let mut gone = std::iter::from_fn(|| mdns.poll_event());
    let from = ip(66).into();
    assert_eq!(
        gone.find(|e| matches!(e, Event::Gone { .. })),
        Some(Event::Gone { id: id(9), from })
    );
}

/// A question of the least size that is answered.
fn question(kind: QTYPE, unicast: bool) -> Vec<u8> {
    let mut packet = Packet::new_query(7);
    let name = Name::new("_server._geocache._tcp.local").unwrap();
    let class = QCLASS::CLASS(CLASS::IN);
    packet
        .questions
        .push(Question::new(name, kind, class, unicast));
    packet.build_bytes_vec_compressed().unwrap()
}

/// What a node answers anybody, its region as long as can be.
fn answers(from: SocketAddr, multicast: bool, payload: &[u8]) -> Vec<Transmit> {
    let region: &'static str = Box::leak("r".repeat(64).into());
    let mut mdns = started(1, server(1, region), 1);
    run(&mut mdns, at(5_000));
    let now = at(5_000);
    let datagram = Datagram {
        interface: INTERFACE,
        source: from,
        multicast,
        payload,
    };
    mdns.handle_datagram(now, datagram);
    let mut sent = transmits(&mut mdns);
    sent.extend(run(&mut mdns, now + ms(2_000)).into_iter().map(|(_, t)| t));
    sent.retain(|t| is_response(&t.payload));
    sent
}

#[test]
fn nobody_gets_more_than_four_times_what_he_sent() {
    let kinds = [QTYPE::TYPE(TYPE::PTR), QTYPE::ANY];
    for port in [5353, 40_000] {
        for kind in kinds {
            let payload = question(kind, true);
            let from = SocketAddr::from((ip(9), port));
            for multicast in [true, false] {
                let sent = answers(from, multicast, &payload);
                assert_eq!(sent.len(), 1, "{port} {kind:?} {multicast}");
                let most = if port == 5353 { 1_400 } else { 512 };
                let len = sent[0].payload.len();
                let to_him = sent[0].to == Destination::Unicast(from);
                // With the heads of IP and UDP.
                let (asked, told) = (28 + payload.len(), 28 + len);
                let what = format!("{port} {kind:?} {multicast}: {told} for {asked}");
                assert!(len <= most && (!to_him || told <= 4 * asked), "{what}");
            }
            // Who is not on the link gets nothing.
            let far = SocketAddr::from(([192, 0, 2, 7], port));
            let to_him = |t: &Transmit| t.to == Destination::Unicast(far);
            assert!(!answers(far, true, &payload).iter().any(to_him));
            assert_eq!(answers(far, false, &payload), []);
        }
    }
}

#[test]
fn a_storm_of_questions_brings_one_answer_a_second() {
    let mut mdns = started(1, server(1, "london"), 1);
    run(&mut mdns, at(5_000));
    let payload = question(QTYPE::TYPE(TYPE::PTR), false);
    let mut answered = 0;
    for turn in 0..2_000_u64 {
        let now = at(5_000 + 5 * turn);
        let from = source(9 + (turn % 100) as u8);
        hear(&mut mdns, now, from, &payload);
        if mdns.poll_timeout().is_some_and(|due| due <= now) {
            mdns.handle_timeout(now);
        }
        let sent = transmits(&mut mdns);
        answered += sent.iter().filter(|t| is_response(&t.payload)).count();
    }
    // Ten seconds.
    assert!((5..=11).contains(&answered), "{answered}");
}
