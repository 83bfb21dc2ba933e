//! What holds for any bytes at any time.

mod mdns_lab;

use std::net::{Ipv4Addr, SocketAddr};

use mdns_lab::checked::Checked;
use mdns_lab::{at, ms, run, server, service, started};
use proptest::collection::vec;
use proptest::prelude::*;
use simple_dns::Packet;
use zerocache_proto::mdns::{Config, Datagram, Interface, Mdns, prefilter};
use zerocache_proto::{Instant, NodeId};

/// Real messages: queries, probes, announcements, goodbyes of a few nodes, with and without alias.
fn messages() -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    for (bits, alias) in [(1, false), (2, true), (0xa1b2_c3d4, false)] {
        let config = Config {
            alias,
            ..server(bits, "london")
        };
        let mut mdns = started(9, config, u64::from(bits));
        let mut sent = run(&mut mdns, at(5_000));
        mdns.goodbye(at(5_000));
        sent.extend(run(&mut mdns, at(6_000)));
        out.extend(sent.into_iter().map(|(_, t)| t.payload));
    }
    out
}

/// A real message with some bytes changed, cut or added.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let messages = messages();
    let any_message = (0..messages.len()).prop_map(move |n| messages[n].clone());
    let changes = vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    let tail = vec(any::<u8>(), 0..20);
    (
        any_message,
        changes,
        any::<prop::sample::Index>(),
        0..4_u8,
        tail,
    )
        .prop_map(|(mut bytes, changes, cut, mode, tail)| {
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            match mode {
                0 => bytes.truncate(cut.index(bytes.len())),
                1 => bytes.extend(tail),
                _ => {}
            }
            bytes
        })
}

/// A header that may be true, and then anything; names and pointers are likely.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        4 => prop::sample::select(&[0_u8, 1, 2, 4, 12, 16, 28, 33, 41, 47, 0x80, 0xc0, 0xff][..]),
        1 => any::<u8>(),
    ];
    (vec(0..4_u8, 4), vec(byte, 0..300), any::<[u8; 4]>()).prop_map(|(counts, body, head)| {
        let mut out = head.to_vec();
        out.extend(counts.iter().flat_map(|n| [0, *n]));
        out.extend(body);
        out
    })
}

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Fire,
    Hear(u8, u16, bool, u32, Vec<u8>),
    Up(u32, u8),
    Down(u32),
    Announce,
    Replace(u32),
    Verify(u32),
    Goodbye,
    Poll,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let port = prop_oneof![9 => Just(5353), 1 => any::<u16>()];
    let bytes = prop_oneof![4 => mutated(), 1 => noise()];
    let hear = (1..5_u8, port, any::<bool>(), 6..9_u32, bytes);
    let step = prop_oneof![
        3 => prop_oneof![0..300_u64, 0..200_000_u64, any::<u64>()].prop_map(Step::Wait),
        10 => Just(Step::Fire),
        10 => hear.prop_map(|(host, port, group, link, b)| Step::Hear(host, port, group, link, b)),
        2 => (6..9_u32, 0..5_u8).prop_map(|(link, host)| Step::Up(link, host)),
        1 => (6..9_u32).prop_map(Step::Down),
        1 => Just(Step::Announce),
        1 => prop_oneof![Just(1), Just(2), any::<u32>()].prop_map(Step::Replace),
        2 => prop_oneof![Just(1), Just(2), any::<u32>()].prop_map(Step::Verify),
        1 => Just(Step::Goodbye),
        4 => Just(Step::Poll),
    ];
    vec(step, 1..80)
}

fn drain(mdns: &mut Checked<Mdns>) -> usize {
    let mut count = 0;
    while let Some(transmit) = mdns.poll_transmit() {
        assert!(transmit.payload.len() <= 1_452);
        assert!(Packet::parse(&transmit.payload).is_ok());
        count += 1;
    }
    while mdns.poll_event().is_some() {
        count += 1;
    }
    count
}

fn link(index: u32, host: u8) -> Interface {
    let addresses = match host {
        0 => vec![],
        host => vec![(Ipv4Addr::new(10, 0, 0, host), 24)],
    };
    Interface {
        index,
        addresses,
        loopback: false,
    }
}

fn take(mdns: &mut Checked<Mdns>, now: &mut Instant, step: Step) {
    match step {
        Step::Wait(millis) => *now = *now + ms(millis % (1 << 40)),
        Step::Fire => {
            if let Some(next) = mdns.poll_timeout() {
                *now = next.max(*now);
            }
            mdns.handle_timeout(*now);
            let later = mdns.poll_timeout();
            assert!(later.is_none_or(|next| next > *now), "a fired timer moves");
            drain(mdns);
            mdns.handle_timeout(*now);
            assert_eq!(mdns.poll_timeout(), later, "a repeated call does nothing");
            assert_eq!(drain(mdns), 0, "a repeated call does nothing");
        }
        Step::Hear(host, port, multicast, interface, payload) => {
            let datagram = Datagram {
                interface,
                source: SocketAddr::from((Ipv4Addr::new(10, 0, 0, host), port)),
                multicast,
                payload: &payload,
            };
            mdns.handle_datagram(*now, datagram);
        }
        Step::Up(index, host) => mdns.handle_interface(*now, link(index, host)),
        Step::Down(index) => mdns.handle_interface_down(*now, index),
        Step::Announce => mdns.announce(*now),
        Step::Replace(bits) => mdns.replace(*now, service(bits, "paris")),
        Step::Verify(bits) => mdns.verify(*now, NodeId::from_bits(bits)),
        Step::Goodbye => mdns.goodbye(*now),
        Step::Poll => {
            drain(mdns);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_the_prefilter_passes_can_be_parsed(bytes in prop_oneof![mutated(), noise(), vec(any::<u8>(), 0..200)]) {
        if let Some(clean) = prefilter(&bytes) {
            let parsed = Packet::parse(&clean);
            prop_assert!(parsed.is_ok(), "{parsed:?}");
            prop_assert_eq!(clean.len(), bytes.len());
            prop_assert_eq!(prefilter(&clean).unwrap(), clean);
        }
    }

    #[test]
    fn a_good_message_passes_unchanged(n in 0..100_usize) {
        let messages = messages();
        let message = &messages[n % messages.len()];
        let clean = prefilter(message);
        prop_assert_eq!(clean.as_ref(), Some(message));
    }

    #[test]
    fn a_machine_takes_anything_and_keeps_its_timers(steps in steps(), seed: u64, alias: bool) {
        let config = Config { alias, ..server(1, "london") };
        let mut mdns = Checked::new(Mdns::new(at(0), config, seed));
        let mut now = at(0);
        let mut closed = false;
        for step in steps {
            take(&mut mdns, &mut now, step);
            if closed {
                prop_assert!(mdns.is_closed(), "closed is closed");
                prop_assert_eq!(mdns.poll_timeout(), None);
                prop_assert!(mdns.poll_transmit().is_none());
            }
            closed = mdns.is_closed();
        }
        // It comes to its end.
        mdns.goodbye(now);
        for _ in 0..20 {
            take(&mut mdns, &mut now, Step::Fire);
        }
        prop_assert!(mdns.is_closed());
    }

    #[test]
    fn an_early_call_does_nothing(seed: u64, before in 1..1_000_000_u64) {
        let mut mdns = started(1, server(1, "london"), seed);
        run(&mut mdns, at(700));
        drain(&mut mdns);
        let next = mdns.poll_timeout().unwrap();
        mdns.handle_timeout(next - std::time::Duration::from_nanos(before));
        prop_assert_eq!(mdns.poll_timeout(), Some(next));
        prop_assert_eq!(drain(&mut mdns), 0);
    }
}

#[test]
fn the_prefilter_forgives_what_the_parser_does_not() {
    let name = b"\x07_server\x09_geocache\x04_tcp\x05local\0";
    let header = |flags: [u8; 2], counts: [u8; 4]| {
        let mut out = vec![0, 0, flags[0], flags[1]];
        out.extend(counts.iter().flat_map(|n| [0, *n]));
        out
    };
    let good_question = [&name[..], b"\0\x0c\0\x01"].concat();
    let odd_question = [&name[..], b"\x01\0\0\x01"].concat();
    let odd_class = [&name[..], b"\0\x0c\0\x09"].concat();
    let a = b"\xc0\x0c\0\x01\x80\x01\0\0\0\x78\0\x04\x0a\0\0\x01";
    let short_a = b"\xc0\x0c\0\x01\x80\x01\0\0\0\x78\0\x03\x0a\0\0";
    let forward = b"\xc0\x0c\0\x0c\0\x01\0\0\0\x78\0\x02\xc0\xff";
    let foreign_class = b"\xc0\x0c\0\x01\0\xff\0\0\0\x78\0\x04\x0a\0\0\x01";
    let cut = b"\xc0\x0c\0\x01\x80\x01\0\0\0\x78\0\x40\x0a";
    let cases = [
        (
            "an unknown type beside ours",
            [0, 0],
            [2, 0, 0, 0],
            vec![&odd_question[..], &good_question],
            [2, 0, 0, 0],
        ),
        (
            "an unknown class beside ours",
            [0, 0],
            [2, 0, 0, 0],
            vec![&odd_class[..], &good_question],
            [2, 0, 0, 0],
        ),
        (
            "the Z flag",
            [0x84, 0x40],
            [1, 1, 0, 0],
            vec![&good_question[..], a],
            [1, 1, 0, 0],
        ),
        (
            "a short A",
            [0x84, 0],
            [1, 2, 0, 0],
            vec![&good_question[..], short_a, a],
            [1, 2, 0, 0],
        ),
        (
            "a forward pointer",
            [0x84, 0],
            [1, 2, 0, 0],
            vec![&good_question[..], forward, a],
            [1, 2, 0, 0],
        ),
        (
            "class ANY",
            [0x84, 0],
            [1, 1, 0, 1],
            vec![&good_question[..], foreign_class, a],
            [1, 1, 0, 1],
        ),
        (
            "a cut record",
            [0x84, 0],
            [1, 1, 1, 0],
            vec![&good_question[..], a, cut],
            [1, 1, 0, 0],
        ),
    ];
    for (what, flags, counts, parts, kept) in cases {
        let bytes = [header(flags, counts), parts.concat()].concat();
        assert!(
            what == "the Z flag" || Packet::parse(&bytes).is_err(),
            "{what}: no need"
        );
        let clean = prefilter(&bytes).unwrap();
        let packet = Packet::parse(&clean).unwrap();
        let sections = [
            packet.questions.len(),
            packet.answers.len(),
            packet.name_servers.len(),
            packet.additional_records.len(),
        ];
        assert_eq!(sections, kept, "{what}");
    }
    // Counts that can not be.
    let liar = [header([0x84, 0], [0, 255, 255, 255]), a.to_vec()].concat();
    assert_eq!(prefilter(&liar), None);
    assert_eq!(prefilter(&[0; 11]), None);
    assert_eq!(prefilter(&[0; 9_001]), None);
    assert!(prefilter(&[0; 9_000]).is_some());
    // 64 questions, 64 records.
    let many = [header([0, 0], [100, 0, 0, 0]), good_question.repeat(100)].concat();
    assert_eq!(
        Packet::parse(&prefilter(&many).unwrap())
            .unwrap()
            .questions
            .len(),
        64
    );
    let records = [
        header([0x84, 0], [1, 50, 50, 50]),
        good_question.clone(),
        a.repeat(150),
    ]
    .concat();
    let clean = prefilter(&records).unwrap();
    let packet = Packet::parse(&clean).unwrap();
    assert_eq!((packet.answers.len(), packet.name_servers.len()), (50, 14));
}
