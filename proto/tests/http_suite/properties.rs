//! Properties of arbitrary input.

use std::net::SocketAddr;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use zerocache_proto::http::{ClientConn, ClientLimits, Limits, Method, Options, Outgoing, Target};
use zerocache_proto::{Instant, NodeId, Region, Version};

use crate::client::{receive, write_all};
use crate::splits::outcome;
use crate::support::{Peer, answers};

const CASES: u32 = 300;

/// Bytes that often look like HTTP.
fn http_like() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        Just(&b"GET /a/b HTTP/1.1\r\n"[..]),
        Just(&b"PUT /a/b?expiry=5 HTTP/1.1\r\n"[..]),
        Just(&b"HEAD / HTTP/1.0\r\n"[..]),
        Just(&b"Content-Length: 5\r\n"[..]),
        Just(&b"Content-Length: 300\r\n"[..]),
        Just(&b"Transfer-Encoding: chunked\r\n"[..]),
        Just(&b"Expect: 100-continue\r\n"[..]),
        Just(&b"Connection: close\r\n"[..]),
        Just(&b"Connection: keep-alive\r\n"[..]),
        Just(&b"Host: x\r\n"[..]),
        Just(&b"\r\n"[..]),
        Just(&b"\n"[..]),
        Just(&b"\r"[..]),
        Just(&b"5\r\nvalue\r\n"[..]),
        Just(&b"0\r\n\r\n"[..]),
        Just(&b"value"[..]),
        Just(&[b'x'; 90][..]),
        Just(&b" "[..]),
        Just(&b"\0"[..]),
        Just(&b";a=b"[..]),
    ];
    let piece = prop_oneof![
        9 => token.prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 0..20),
    ];
    vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

/// The bytes in pieces.
fn pieces<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    cuts.push(bytes.len());
    cuts.sort_unstable();
    let mut start = 0;
    let piece = |end: usize| {
        let piece = &bytes[start..end];
        start = end;
        piece
    };
    cuts.into_iter().map(piece).collect()
}

proptest! {
    // What fails becomes a script of its own, beside the others.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(CASES) })]

    #[test]
    fn any_pieces_of_a_stream_are_the_stream(
        bytes in http_like(),
        cuts in vec(any::<prop::sample::Index>(), 0..6),
        eof: bool,
    ) {
        prop_assert_eq!(outcome(&pieces(&bytes, &cuts), eof), outcome(&[&bytes], eof));
    }

    #[test]
    fn no_stream_breaks_a_server(
        bytes in prop_oneof![http_like(), vec(any::<u8>(), 0..300)],
        eof: bool,
    ) {
        let mut peer = Peer::new();
        peer.send(&bytes);
        if eof {
            peer.eof();
        }
        // Whatever was said is well-formed, and at the end nothing is left.
        let said = peer.answers();
        prop_assert!(said.iter().filter(|answer| answer.status >= 200).count() >= peer.seen.len());
        peer.wait(core::time::Duration::from_secs(200));
        prop_assert!(peer.conn.is_closed());
        prop_assert_eq!((peer.conn.buffered(), peer.conn.body_reserved()), (0, 0));
    }

    #[test]
    fn no_stream_breaks_a_client(
        head in prop_oneof![Just(""), Just("HTTP/1.1 200 OK\r\n"), Just("HTTP/1.0 404 X\r\n")],
        bytes in prop_oneof![http_like(), vec(any::<u8>(), 0..300)],
        cuts in vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let bytes = [head.as_bytes(), &bytes].concat();
        let exchange = |pieces: &[&[u8]]| {
            let mut conn = ClientConn::new(ClientLimits::default());
            let host = SocketAddr::from(([127, 0, 0, 1], 1));
            conn.send(Outgoing::path(host, "/ping", &Options::default()));
            write_all(&mut conn);
            for piece in pieces {
                receive(&mut conn, piece);
            }
            if !conn.read_buf().is_empty() {
                conn.handle_read(Instant::ORIGIN, 0);
            }
            conn.poll_response()
        };
        let whole = exchange(&[&bytes]);
        prop_assert!(whole.is_some());
        prop_assert_eq!(exchange(&pieces(&bytes, &cuts)), whole);
    }

    #[test]
    fn what_a_client_sends_a_server_reads(
        region in "[a-z\u{e9}]{1,20}",
        key in prop_oneof![vec(any::<u8>(), 1..200), Just(b".".to_vec()), Just(b"..".to_vec())],
        value in prop::option::of(vec(any::<u8>(), 0..20_000)),
        expiry in prop::option::of(1_u32..99_999_999),
        local: bool,
        spread: bool,
        version in prop::option::of(any::<(u64, u32)>()),
        close: bool,
    ) {
        let region = Region::new(&region).unwrap();
        let version = version.map(|(clock, node)| Version { clock, node: NodeId::from_bits(node) });
        let options = Options {
            expiry,
            local,
            spread,
            version,
            node: Some("0000000a x 1"),
            close,
        };
        let host = SocketAddr::from(([127, 0, 0, 1], 6789));
        let request = match &value {
            Some(value) => {
                let value = Bytes::copy_from_slice(value);
                Outgoing::put(host, &region, &key, value, &options)
            }
            None => Outgoing::get(host, &region, &key, &options),
        };
        let mut conn = ClientConn::new(ClientLimits::default());
        conn.send(request);
        let mut peer = Peer::new();
        peer.send(write_all(&mut conn));
        let seen = &peer.seen[0];
        prop_assert_eq!(seen.method, if value.is_some() { Method::Put } else { Method::Get });
        prop_assert_eq!(&seen.body, value.as_deref().unwrap_or_default());
        prop_assert_eq!(seen.version, version);
        prop_assert_eq!(seen.node.as_deref(), Some(&b"0000000a x 1"[..]));
        let target = Target::parse(&seen.path, seen.query.as_deref()).unwrap();
        let name = target.key().unwrap().unwrap();
        prop_assert_eq!((name.region, name.key), (region.as_str().as_bytes(), key.as_slice()));
        prop_assert_eq!((target.expiry(), target.recurse()), (expiry, !local));
        // And back.
        let said = peer.out.clone();
        prop_assert_eq!(receive(&mut conn, &said), said.len());
        let response = conn.poll_response().unwrap().unwrap();
        prop_assert_eq!(response.status, 200);
        prop_assert_eq!(&response.body, &answers(&said, &[])[0].body);
        prop_assert_eq!(response.keep_alive, !close);
        prop_assert_eq!(conn.is_reusable(), !close);
    }

    #[test]
    fn any_target_is_read(path in vec(any::<u8>(), 0..100), query in vec(any::<u8>(), 0..100)) {
        if let Ok(target) = Target::parse(&path, Some(&query)) {
            prop_assert!(target.segments().len() <= 4);
            prop_assert!((1..=99_999_999).contains(&target.ttl().as_secs()));
            let _ = target.recurse();
        }
    }

    #[test]
    fn body_memory_stays_below_four_times_what_came(len in 0_usize..3_000_000, read in 1_usize..100_000) {
        let mut peer = Peer::with(Limits::default());
        peer.send(format!("PUT /a/b HTTP/1.1\r\nContent-Length: {len}\r\n\r\n"));
        let mut sent = 0;
        while sent < len {
            let room = peer.conn.read_buf().len();
            prop_assert!(room > 0);
            prop_assert!(peer.conn.body_reserved() <= (4 * sent + 4).max(16 << 10).min(len));
            let n = room.min(read).min(len - sent);
            peer.conn.handle_read(peer.now, n);
            sent += n;
            peer.turn();
        }
        prop_assert_eq!(peer.seen[0].body.len(), len);
    }
}
