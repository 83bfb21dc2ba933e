//! What the reader of plain heads reads, the other one reads the same way.

use super::super::parse_any;
use super::*;
use crate::http::Outgoing;
use crate::http::request::Parsed;
use crate::{NodeId, Region, Version};
use core::net::SocketAddr;
use proptest::collection::vec;
use proptest::prelude::*;
use std::string::String;
use std::vec::Vec;

/// What common clients send, and what only few do.
fn plain_heads() -> Vec<Vec<u8>> {
    let host = SocketAddr::from(([10, 0, 0, 1], 6789));
    let region = Region::new("london").unwrap();
    let options = crate::http::Options {
        expiry: Some(60),
        local: true,
        version: Some(Version {
            clock: u64::MAX / 3,
            node: NodeId::from_bits(7),
        }),
        node: Some("0000000a london 6789"),
        ..crate::http::Options::default()
    };
    let value = bytes::Bytes::from_static(b"value");
    let ours = Outgoing::put(host, &region, b"k y/", value, &options);
    let ours = ours.head_bytes().to_vec();
    let others = [
        "GET /london/key-00001 HTTP/1.1\r\nHost: 127.0.0.1:6789\r\n\r\n",
        "GET /a/b HTTP/1.1\r\nHost: x\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n",
        "PUT /a/b?expiry=5&recurse=0 HTTP/1.1\r\nhost:x\r\nUser-Agent: python-requests/2.31.0\r\n\
         Accept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\ncontent-length: 5\r\n\r\nvalue",
        "HEAD /%2f?a? HTTP/1.1\r\n\r\n",
        "DELETE /_zc/1?? HTTP/1.1\r\nConnection: close\r\nExpect: 100-Continue\r\n\r\nrest",
        "PUT /ping HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ];
    let others = others.map(|head| head.as_bytes().to_vec());
    core::iter::once(ours).chain(others).collect()
}

/// Whether `bytes` were plain; if so, both have read the same.
fn agree(bytes: &[u8], limits: &Limits) -> bool {
    let (mut head, mut other) = (Head::default(), Head::default());
    if parse(bytes, limits, &mut head).is_none() {
        return false;
    }
    let parsed = parse_any(bytes, limits, &mut other);
    let text = String::from_utf8_lossy(bytes);
    assert_eq!((parsed, other), (Parsed::Complete, head), "{text:?}");
    true
}

#[test]
fn common_heads_are_plain_once_they_are_whole() {
    for bytes in plain_heads() {
        let end = bytes
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap()
            + 4;
        for len in 0..=bytes.len() {
            assert_eq!(agree(&bytes[..len], &Limits::default()), len >= end);
        }
    }
}

#[test]
fn one_byte_put_in_or_changed_or_left_out_is_read_alike() {
    for bytes in plain_heads() {
        for at in 0..bytes.len() {
            let (before, after) = bytes.split_at(at);
            agree(&[before, &after[1..]].concat(), &Limits::default());
            for byte in 0..=u8::MAX {
                agree(&[before, &[byte], &after[1..]].concat(), &Limits::default());
            }
            for byte in *b"\0\t\n\r #-/:?@x\x7f\xc3" {
                agree(&[before, &[byte], after].concat(), &Limits::default());
            }
        }
    }
}

#[test]
fn the_limits_are_the_same() {
    for bytes in plain_heads() {
        let lines = bytes.windows(2).filter(|pair| pair == b"\r\n").count();
        let reads = |max_headers, max_target| {
            let limits = Limits {
                max_headers,
                max_target,
                ..Limits::default()
            };
            agree(&bytes, &limits)
        };
        let targets = (0..80).filter(|max| reads(64, *max)).count();
        assert!((1..80).contains(&targets));
        let headers = (0..20).filter(|max| reads(*max, 8192)).count();
        assert_eq!(headers, 20 + 2 - lines, "{lines} lines");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn what_looks_like_a_head_is_read_alike(
        target in "/[a-z/?#%. ]{0,20}",
        fields in vec("(Host|host|HOST|Expect|Connection|Content-Length|Zc-Node|Zc-Version|\
            Transfer-Encoding|X-[a-z]{1,3}|[!-~]{0,4}): {0,2}(5|close|keep-alive, close|chunked|\
            100-continue|0123456789abcdef-0000000a|[ -~]{0,12}) {0,2}(\r\n|\r\n|\r\n|\r\n|\n)", 0..4),
    ) {
        let head = std::format!("GET {target} HTTP/1.1\r\n{}\r\n", fields.concat());
        agree(head.as_bytes(), &Limits::default());
    }
}
