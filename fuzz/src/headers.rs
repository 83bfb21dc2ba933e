//! `zc_headers`: what nodes of ours say to each other alone: `Zc-Version`, `Zc-Node`, digests, queries for
//! records. Any text is read or refused; what is read, written again, and read again is the same.

use std::fmt::{Debug, Display};
use std::net::SocketAddr;
use std::str::FromStr;

use arbitrary::{Arbitrary, Result, Unstructured};
use zerocache_proto::cache::Digest;
use zerocache_proto::cluster::{Action, Cluster, Config, Peer, StaticPeer};
use zerocache_proto::http::{
    ClientConn, ClientLimits, Limits, Options, Outgoing, Request, ServerConn, Status,
};
use zerocache_proto::sync::{DigestBody, Query};
use zerocache_proto::{Instant, NodeId, Region, Version};

use crate::sync;

const NOW: Instant = Instant::from_millis(1);

/// Made of bytes, so that it is right.
#[derive(Arbitrary, Debug)]
enum Said {
    Query(Query),
    Copy {
        version: Version,
        from: Peer,
    },
    Members(Peer),
    Digest {
        settled: bool,
        records: u64,
        weight: u64,
        held: Vec<(u64, Version)>,
    },
}

/// The bytes as text, and what they make.
pub(crate) fn run(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        again::<NodeId>(text);
        again::<Version>(text);
        again::<Region>(text);
        again::<StaticPeer>(text);
        header(text);
    }
    if let Some(query) = Query::records(data) {
        sync::reads_back(&query);
    }
    sync::read(data);
    let _ = made(&mut Unstructured::new(data));
}

fn again<T: FromStr + Display + Debug + PartialEq>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        let read = value.to_string().parse::<T>().ok();
        assert_eq!(read.as_ref(), Some(&value), "{text:?}");
    }
}

/// As a field of a request and of an answer.
fn header(text: &str) {
    let graphic = |byte: u8| matches!(byte, b' '..=b'~' | 0x80..);
    if text.trim() != text || text.is_empty() || text.len() > 300 || !text.bytes().all(graphic) {
        return;
    }
    let head = format!("GET /ping HTTP/1.1\r\nZc-Version: {text}\r\n\r\n");
    let version = text.parse::<Version>().ok();
    let read = requested(head.as_bytes(), |request| request.version);
    assert_eq!(read, version.map(Some), "{text:?}");
    let head = format!("GET /ping HTTP/1.1\r\nZc-Node: {text}\r\n\r\n");
    let node = requested(head.as_bytes(), |request| request.node.map(<[u8]>::to_vec));
    assert_eq!(node, Some(Some(text.as_bytes().to_vec())));
    let head = format!("HTTP/1.1 200 OK\r\nZc-Node: {text}\r\nContent-Length: 0\r\n\r\n");
    let id = text.split(' ').next().and_then(|id| id.parse().ok());
    assert_eq!(answered(head.as_bytes()), id, "{text:?}");
}

/// What there is in the request that these bytes are; `None` if they are refused.
fn requested<T>(bytes: &[u8], what: impl FnOnce(&Request<'_>) -> T) -> Option<T> {
    let mut conn = ServerConn::new(NOW, Limits::default());
    conn.read_buf()[..bytes.len()].copy_from_slice(bytes);
    conn.handle_read(NOW, bytes.len());
    let (request, responder) = conn.poll_request(NOW)?;
    let there = what(&request);
    responder.status(Status::Ok);
    Some(there)
}

/// Who says that it has answered.
fn answered(bytes: &[u8]) -> Option<NodeId> {
    let mut conn = ClientConn::new(ClientLimits::default());
    let host = SocketAddr::from(([10, 0, 0, 1], 6789));
    conn.send(Outgoing::path(host, "/ping", &Options::default()));
    conn.handle_written(NOW, conn.write_buf().len());
    conn.handle_bytes(NOW, bytes);
    let response = conn.poll_response().expect("an answer");
    response.expect("a good one").node
}

fn made(u: &mut Unstructured<'_>) -> Result<()> {
    match u.arbitrary()? {
        Said::Query(query) => sync::reads_back(&query),
        Said::Copy { version, from } => copy(version, &from),
        Said::Members(peer) => introduced(&peer),
        Said::Digest {
            settled,
            records,
            weight,
            held,
        } => {
            let mut digest = Digest::new();
            for (hash, version) in held {
                digest.toggle(hash, version);
            }
            let body = DigestBody {
                settled,
                records,
                weight,
                digest,
            };
            let bytes = body.encode();
            assert!(DigestBody::decode(&bytes[1..]).is_err());
            assert_eq!(DigestBody::decode(&bytes), Ok(body));
        }
    }
    Ok(())
}

/// A copy as one of our nodes sends it.
fn copy(version: Version, from: &Peer) {
    let hello = format!("{} {} {}", from.id, from.region, from.addr.port());
    let options = Options {
        version: Some(version),
        node: Some(&hello),
        ..Options::default()
    };
    let sent = Outgoing::delete(from.addr, &from.region, b"key", &options);
    let read = requested(sent.head_bytes(), |request| {
        (request.version, request.node.map(<[u8]>::to_vec))
    });
    assert_eq!(read, Some((Some(version), Some(hello.into_bytes()))));
}

/// What a node says of itself, in its header and in its list of members, is who it is.
fn introduced(peer: &Peer) {
    let config = Config::node(peer.region.clone(), peer.addr);
    let mut node = Cluster::new(NOW, config, 1);
    node.announce(NOW);
    let hello = node.hello().expect("a node");
    let mut other = Cluster::new(NOW, Config::client(peer.region.clone()), 1);
    other.handle_hello(NOW, peer.addr.ip(), hello.as_bytes());
    let told = Config {
        peers: vec![format!("{}", peer.addr).parse().expect("a peer")],
        ..Config::client(peer.region.clone())
    };
    let mut third = Cluster::new(NOW, told, 1);
    third.handle_timeout(NOW);
    while let Some(action) = third.poll_action() {
        match action {
            Action::Members { token, .. } => {
                third.handle_members(NOW, token, Ok(node.members().as_bytes()));
            }
            Action::Resolve { token, .. } => third.handle_resolved(NOW, token, &[peer.addr]),
            _ => {}
        }
    }
    for knows in [&other, &third] {
        for info in knows.peers() {
            assert_eq!(Some(info.peer.id), node.id());
            assert_eq!(info.peer.region, peer.region);
            assert_eq!(info.peer.addr.port(), peer.addr.port());
            assert!(info.peer.capable);
        }
        assert!(knows.peers().count() <= 1);
    }
}
