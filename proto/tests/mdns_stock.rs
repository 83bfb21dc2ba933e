//! What others send, and what is believed of it. The datagrams in hex are python-zeroconf 0.154's,
//! captured; the address in them is put in place of the one it had.

mod mdns_lab;

use std::net::{IpAddr, SocketAddr};

use mdns_lab::announcement::Announcement;
use mdns_lab::checked::Checked;
use mdns_lab::{
    INTERFACE, at, events, hear, id, interface, ip, lines, ms, run, server, service, sightings,
    source, started, transmits,
};
use zerocache_proto::Instant;
use zerocache_proto::mdns::{Config, Datagram, Destination, Event, Interface, Mdns};

const BROWSE: &str =
    "000000000001000000000000075f736572766572095f67656f6361636865045f746370056c6f63616c00000c8001";
const PROBE: &str = "000004000001000000010000075f736572766572095f67656f6361636865045f746370056c6f63616c00000c8001\
    c00c000c000100001194000b086131623263336434c00c";
const ANNOUNCEMENT: &str = "000084000000000500000000075f736572766572095f67656f6361636865045f746370056c6f63616c00000c0001\
    00001194000b086131623263336434c00cc03400218001000000780008000000001a85c034c0340010800100001194000e\
    0d726567696f6e3d6c6f6e646f6ec034002f8001000000780005c034000140c0340001800100000078000400000000";
const GOODBYE: &str = "000084000000000500000000075f736572766572095f67656f6361636865045f746370056c6f63616c00000c0001\
    00000000000b086131623263336434c00cc03400218001000000000008000000001a85c034c0340010800100000000000e\
    0d726567696f6e3d6c6f6e646f6ec034002f8001000000000005c034000140c0340001800100000000000400000000";

fn datagram(hex: &str, address: [u8; 4]) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|c| c.to_digit(16)).collect();
    let mut bytes: Vec<u8> = digits.chunks(2).map(|d| (d[0] * 16 + d[1]) as u8).collect();
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&address);
    bytes
}

const STOCK: u32 = 0xa1b2_c3d4;

fn client() -> Checked<Mdns> {
    let mut mdns = Checked::new(Mdns::new(at(0), Config::default(), 1));
    mdns.handle_interface(at(0), interface(1));
    mdns
}

#[test]
fn a_stock_node_is_seen_and_its_goodbye_too() {
    let mut mdns = client();
    hear(
        &mut mdns,
        at(100),
        source(9),
        &datagram(ANNOUNCEMENT, ip(9).octets()),
    );
    let seen = sightings(&mut mdns);
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].id, id(STOCK));
    assert_eq!(seen[0].region.as_str(), "london");
    assert_eq!(seen[0].address, "10.0.0.9:6789".parse().unwrap());
    assert!(!seen[0].capable);
    assert_eq!(seen[0].interface, INTERFACE);
    assert_eq!(seen[0].expires, at(100) + ms(120_000));
    hear(
        &mut mdns,
        at(200),
        source(9),
        &datagram(GOODBYE, ip(9).octets()),
    );
    let from = IpAddr::V4(ip(9));
    assert_eq!(
        events(&mut mdns),
        [Event::Gone {
            id: id(STOCK),
            from
        }]
    );
    // The second and third one are no news.
    hear(
        &mut mdns,
        at(325),
        source(9),
        &datagram(GOODBYE, ip(9).octets()),
    );
    assert_eq!(events(&mut mdns), []);
}

#[test]
fn a_goodbye_is_taken_back_by_an_announcement() {
    for wait in [500, 5_000] {
        let mut mdns = client();
        hear(
            &mut mdns,
            at(100),
            source(9),
            &datagram(ANNOUNCEMENT, ip(9).octets()),
        );
        hear(
            &mut mdns,
            at(200),
            source(8),
            &datagram(GOODBYE, ip(9).octets()),
        );
        events(&mut mdns);
        run(&mut mdns, at(200 + wait));
        hear(
            &mut mdns,
            at(200 + wait),
            source(9),
            &datagram(ANNOUNCEMENT, ip(9).octets()),
        );
        assert_eq!(sightings(&mut mdns).len(), 1);
        run(&mut mdns, at(10_000));
        assert_eq!(events(&mut mdns), []);
    }
}

#[test]
fn a_stock_browser_and_a_stock_prober_get_their_answer() {
    for hex in [BROWSE, PROBE] {
        let mut mdns = started(1, server(1, "eu"), 1);
        run(&mut mdns, at(10_000));
        let mut query = datagram(hex, [0; 4]);
        // These end in no address.
        let end = query.len();
        query[end - 4..].copy_from_slice(&[0, 0x0c, 0x80, 0x01]);
        if hex == PROBE {
            query[end - 4..].copy_from_slice(b"d4\xc0\x0c");
        }
        hear(&mut mdns, at(10_000), source(9), &query);
        let sent = transmits(&mut mdns);
        assert_eq!(sent[0].to, Destination::Unicast(source(9)));
        assert_eq!(lines(&sent[0].payload).len(), 5);
    }
}

#[test]
fn stock_nodes_of_one_loopback_interface_see_each_other() {
    let lo = Interface {
        index: INTERFACE,
        addresses: vec![([127, 0, 0, 1].into(), 8)],
        loopback: true,
    };
    let local = SocketAddr::from(([127, 0, 0, 1], 5353));
    let mut mdns = Checked::new(Mdns::new(at(0), Config::default(), 1));
    mdns.handle_interface(at(0), lo);
    hear(
        &mut mdns,
        at(100),
        local,
        &datagram(ANNOUNCEMENT, [127, 0, 0, 1]),
    );
    assert_eq!(
        sightings(&mut mdns)[0].address,
        "127.0.0.1:6789".parse().unwrap()
    );
}

#[test]
fn what_is_not_to_be_believed_is_counted_and_not_reported() {
    let base = Announcement::new(9);
    let with = |change: fn(&mut Announcement)| {
        let mut changed = base.clone();
        change(&mut changed);
        changed
    };
    let cases = [
        (with(|_| {}), true),
        (with(|a| a.nsec = true), true),
        (with(|a| a.region = Some("REGION=London")), true),
        (with(|a| a.label = "0000000A".into()), true),
        (with(|a| a.label = "printer".into()), false),
        (with(|a| a.label = "000000009".into()), false),
        (with(|a| a.port = 0), false),
        (with(|a| a.port = 80), false),
        (with(|a| a.region = Some("zone=london")), false),
        (with(|a| a.region = Some("region=")), false),
        (with(|a| a.region = Some("region")), false),
        (with(|a| a.region = Some("region=a/b")), false),
        (with(|a| a.addresses = vec![[0, 0, 0, 0]]), false),
        (with(|a| a.addresses = vec![[127, 0, 0, 1]]), false),
        (with(|a| a.addresses = vec![[224, 0, 0, 251]]), false),
        (with(|a| a.addresses = vec![[255, 255, 255, 255]]), false),
        (with(|a| a.addresses = vec![[10, 0, 0, 255]]), false),
        // Off the link, as through a reflector.
        (with(|a| a.addresses = vec![[192, 168, 9, 9]]), false),
        (
            with(|a| a.addresses = vec![[127, 0, 0, 1], [10, 0, 0, 9]]),
            true,
        ),
        (with(|a| a.pointer = false), false),
    ];
    for (announcement, seen) in cases {
        let mut mdns = client();
        hear(&mut mdns, at(100), source(9), &announcement.bytes());
        assert_eq!(
            sightings(&mut mdns).len(),
            usize::from(seen),
            "{}",
            announcement.label
        );
        let counted = mdns.stats().invalid > 0;
        assert!(seen || counted || !announcement.pointer);
    }
    let config = Config {
        low_ports: true,
        ..Config::default()
    };
    let mut mdns = Checked::new(Mdns::new(at(0), config, 1));
    mdns.handle_interface(at(0), interface(1));
    hear(
        &mut mdns,
        at(100),
        source(9),
        &with(|a| a.port = 80).bytes(),
    );
    assert_eq!(sightings(&mut mdns).len(), 1);
}

#[test]
fn who_must_not_answer_is_not_heard() {
    let payload = datagram(ANNOUNCEMENT, ip(9).octets());
    let heard = |source: &str, multicast, change: fn(&mut Vec<u8>)| {
        let mut mdns = client();
        let mut payload = payload.clone();
        change(&mut payload);
        let datagram = Datagram {
            interface: INTERFACE,
            source: source.parse().unwrap(),
            multicast,
            payload: &payload,
        };
        mdns.handle_datagram(at(100), datagram);
        let seen = !sightings(&mut mdns).is_empty();
        assert!(seen || mdns.stats().strange == 1);
        seen
    };
    let same: fn(&mut Vec<u8>) = |_| {};
    assert!(heard("10.0.0.9:5353", true, same));
    assert!(heard("10.0.0.9:5353", false, same));
    assert!(heard("192.168.0.9:5353", true, same));
    assert!(!heard("192.168.0.9:5353", false, same));
    assert!(!heard("10.0.0.9:5354", true, same));
    assert!(!heard("10.0.0.9:5353", true, |p| p[2] |= 0x08));
    assert!(!heard("10.0.0.9:5353", true, |p| p[3] |= 0x03));
    // RFC 6762 §18: TC, Z, AD, CD are nothing to go by.
    assert!(heard("10.0.0.9:5353", true, |p| {
        p[2] |= 0x02;
        p[3] |= 0x70;
    }));
    let mut mdns = client();
    let datagram = Datagram {
        interface: 99,
        source: source(9),
        multicast: true,
        payload: &payload,
    };
    mdns.handle_datagram(at(100), datagram);
    assert_eq!(mdns.stats().strange, 1);
}

#[test]
fn a_goodbye_of_a_node_unknown_here_is_told() {
    // Others may have told of it.
    let mut mdns = client();
    let goodbye = datagram(GOODBYE, ip(9).octets());
    hear(&mut mdns, at(100), source(9), &goodbye);
    let (id, from) = (id(STOCK), IpAddr::V4(ip(9)));
    assert_eq!(events(&mut mdns), [Event::Gone { id, from }]);
}

#[test]
fn missing_records_are_asked_for_with_growing_pauses() {
    let mut pointer = Announcement::new(9);
    pointer.srv = false;
    pointer.region = None;
    pointer.addresses.clear();
    pointer.ttl = 4_500;
    let mut mdns = client();
    hear(&mut mdns, at(10_000), source(9), &pointer.bytes());
    assert_eq!(sightings(&mut mdns), []);
    let asked = |sent: &[(Instant, zerocache_proto::mdns::Transmit)]| {
        let mut asked = Vec::new();
        for (when, transmit) in sent {
            let lines = lines(&transmit.payload);
            if !lines[0].contains("? _server") && *when >= at(10_000) {
                asked.push((*when, lines));
            }
        }
        asked
    };
    let sent = asked(&run(&mut mdns, at(12_000)));
    let instance = "00000009._server._geocache._tcp.local";
    assert!((at(10_020)..at(10_120)).contains(&sent[0].0));
    assert_eq!(
        sent[0].1,
        [format!("? {instance} SRV"), format!("? {instance} TXT")]
    );
    assert_eq!(sent[1].0, sent[0].0 + ms(1_000));
    // SRV and TXT come, the address does not.
    let mut rest = Announcement::new(9);
    rest.pointer = false;
    rest.addresses.clear();
    hear(&mut mdns, at(12_000), source(9), &rest.bytes());
    let sent = asked(&run(&mut mdns, at(20_000)));
    assert_eq!(sent[0].1, ["? machine.local A"]);
    rest.addresses.push([10, 0, 0, 9]);
    hear(&mut mdns, at(20_000), source(9), &rest.bytes());
    assert_eq!(sightings(&mut mdns).len(), 1);
    assert_eq!(asked(&run(&mut mdns, at(60_000))), []);
}

#[test]
fn records_are_refreshed_at_80_85_90_and_95_percent() {
    let mut mdns = client();
    hear(
        &mut mdns,
        at(0),
        source(9),
        &datagram(ANNOUNCEMENT, ip(9).octets()),
    );
    let sent = run(&mut mdns, at(200_000));
    let refreshes: Vec<_> = sent
        .iter()
        .filter(|(_, t)| {
            lines(&t.payload)[0].ends_with("a1b2c3d4._server._geocache._tcp.local SRV")
        })
        .collect();
    // SRV and A of 120 s, in one packet; a second early at most, 2 % late at most.
    assert!(refreshes.len() >= 4);
    for (n, (when, transmit)) in (0..).zip(&refreshes[..4]) {
        let due = at(96_000 + n * 6_000);
        assert!((due..=due + ms(2_400)).contains(when), "{when:?}");
        let a = "? a1b2c3d4._server._geocache._tcp.local A";
        assert_eq!(lines(&transmit.payload)[1], a);
    }
    let doubted = events(&mut mdns);
    assert!(
        matches!(doubted[..], [Event::Seen(_), Event::Doubted { .. }]),
        "{doubted:?}"
    );
}

#[test]
fn the_cache_flush_bit_ends_older_addresses_after_a_second() {
    let mut mdns = client();
    let mut announcement = Announcement::new(9);
    hear(&mut mdns, at(0), source(9), &announcement.bytes());
    announcement.addresses = vec![[10, 0, 0, 8]];
    hear(&mut mdns, at(5_000), source(9), &announcement.bytes());
    assert_eq!(sightings(&mut mdns).len(), 1);
    run(&mut mdns, at(7_000));
    let seen = sightings(&mut mdns);
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].address, "10.0.0.8:6789".parse().unwrap());
    // Two of one packet both stay, and the one reported is kept.
    announcement.addresses = vec![[10, 0, 0, 7], [10, 0, 0, 8]];
    hear(&mut mdns, at(10_000), source(9), &announcement.bytes());
    run(&mut mdns, at(20_000));
    assert_eq!(sightings(&mut mdns), []);
}

#[test]
fn a_node_that_changes_is_reported_again() {
    let mut mdns = client();
    let mut announcement = Announcement::new(9);
    hear(&mut mdns, at(0), source(9), &announcement.bytes());
    announcement.port = 7000;
    hear(&mut mdns, at(1_000), source(9), &announcement.bytes());
    announcement.region = Some("region=paris");
    hear(&mut mdns, at(2_000), source(9), &announcement.bytes());
    hear(&mut mdns, at(3_000), source(9), &announcement.bytes());
    let seen = sightings(&mut mdns);
    let seen: Vec<_> = seen
        .iter()
        .map(|s| (s.address.port(), s.region.as_str()))
        .collect();
    assert_eq!(seen, [(6789, "london"), (7000, "london"), (7000, "paris")]);
}

#[test]
fn ourselves_under_a_former_id_are_not_reported() {
    let mut mdns = started(1, server(1, "eu"), 1);
    run(&mut mdns, at(2_000));
    events(&mut mdns);
    hear(
        &mut mdns,
        at(2_000),
        source(1),
        &datagram(ANNOUNCEMENT, ip(1).octets()),
    );
    assert_eq!(events(&mut mdns), []);
    // Another port on this host is another node.
    let mut other = Announcement::new(9);
    other.port = 6790;
    other.addresses = vec![ip(1).octets()];
    hear(&mut mdns, at(2_000), source(1), &other.bytes());
    assert_eq!(sightings(&mut mdns).len(), 1);
}

#[test]
fn a_node_seen_on_two_interfaces_is_reported_from_one_at_a_time() {
    let mut mdns = client();
    let second = Interface {
        index: 8,
        addresses: vec![([10, 0, 0, 2].into(), 24)],
        loopback: false,
    };
    mdns.handle_interface(at(0), second);
    let announcement = datagram(ANNOUNCEMENT, ip(9).octets());
    let hear_on = |mdns: &mut Checked<Mdns>, interface, payload: &[u8]| {
        let datagram = Datagram {
            interface,
            source: source(9),
            multicast: true,
            payload,
        };
        mdns.handle_datagram(at(100), datagram);
    };
    hear_on(&mut mdns, INTERFACE, &announcement);
    hear_on(&mut mdns, 8, &announcement);
    assert_eq!(sightings(&mut mdns).len(), 1);
    mdns.handle_interface_down(at(200), INTERFACE);
    let seen = sightings(&mut mdns);
    assert_eq!(seen.iter().map(|s| s.interface).collect::<Vec<_>>(), [8]);
    mdns.handle_interface_down(at(300), 8);
    assert_eq!(events(&mut mdns), [Event::Doubted { id: id(STOCK) }]);
}

#[test]
fn floods_fill_no_table_beyond_its_bound() {
    let mut mdns = client();
    let announcement = |n| {
        let mut announcement = Announcement::new(n);
        announcement.host = format!("machine-{n}.local");
        announcement.bytes()
    };
    // One source: 64 instances, 200 packets a second.
    for n in 0..300 {
        hear(&mut mdns, at(100), source(9), &announcement(n));
    }
    assert_eq!(sightings(&mut mdns).len(), 64);
    assert_eq!(mdns.stats().flooded, 100);
    assert_eq!(mdns.stats().overflowed, 136);
    // Many sources: 1,024 instances.
    for n in 300..3_000 {
        let from = SocketAddr::from((ip((n % 100) as u8 + 20), 5353));
        hear(&mut mdns, at(100), from, &announcement(n));
    }
    assert_eq!(sightings(&mut mdns).len(), 1_024 - 64);
    // All that is known to be gone makes room.
    run(&mut mdns, at(130_000));
    assert_eq!(events(&mut mdns).len(), 1_024);
    hear(&mut mdns, at(130_000), source(9), &announcement(5_000));
    assert_eq!(sightings(&mut mdns).len(), 1);
    transmits(&mut mdns);
    mdns.goodbye(at(130_000));
    assert!(mdns.is_closed());
}

#[test]
fn one_host_has_64_nodes_at_most_and_a_region_is_one_of_256() {
    let mut mdns = client();
    for n in 0..100 {
        let from = SocketAddr::from((ip((n % 20) as u8 + 20), 5353));
        hear(&mut mdns, at(100), from, &Announcement::new(n).bytes());
    }
    assert_eq!(sightings(&mut mdns).len(), 64);

    let mut mdns = client();
    for n in 0..300_u32 {
        let mut announcement = Announcement::new(n);
        announcement.host = format!("machine-{n}.local");
        announcement.region = Some(Box::leak(format!("region=r{n}").into()));
        let from = SocketAddr::from((ip((n % 20) as u8 + 20), 5353));
        hear(&mut mdns, at(100), from, &announcement.bytes());
    }
    assert_eq!(sightings(&mut mdns).len(), 256);
}

#[test]
fn one_node_replaced_by_another_service_of_ours_is_forgotten_as_a_peer() {
    let mut mdns = started(1, server(1, "eu"), 1);
    run(&mut mdns, at(2_000));
    hear(
        &mut mdns,
        at(2_000),
        source(9),
        &datagram(ANNOUNCEMENT, ip(9).octets()),
    );
    assert_eq!(sightings(&mut mdns).len(), 1);
    mdns.replace(at(3_000), service(STOCK, "eu"));
    let sent = run(&mut mdns, at(3_200));
    assert!(
        !sent
            .iter()
            .any(|(_, t)| lines(&t.payload).iter().any(|l| l.contains("SRV 4500")))
    );
    // Its owner answers the probe, and we take another one.
    hear(
        &mut mdns,
        at(3_300),
        source(9),
        &datagram(ANNOUNCEMENT, ip(9).octets()),
    );
    assert_ne!(mdns.service().unwrap().id, id(STOCK));
    assert_eq!(sightings(&mut mdns).len(), 1);
}
