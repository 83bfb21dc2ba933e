//! The text nodes tell each other of members by: the body of `/_zc/1/members`, and the `Zc-Node`
//! header by which a node makes itself known.

use super::config::{MAX_MEMBERS, MAX_MEMBERS_BODY};
use super::peer::Peer;
use crate::{NodeId, Region};
use alloc::string::String;
use core::fmt::Write as _;
use core::net::{IpAddr, SocketAddr};

/// The most bytes of a line: id, region, address, kind.
const MAX_LINE: usize = 8 + 1 + Region::MAX_LEN + 1 + 64 + 1 + 8;

/// Adds the line of one member: `<id> <region> <ip:port> <zc|stock>`.
pub(super) fn write(body: &mut String, peer: &Peer) {
    let Peer {
        id,
        region,
        addr,
        capable,
    } = peer;
    let kind = if *capable { "zc" } else { "stock" };
    // Writing to a string does not fail.
    let _ = writeln!(body, "{id} {region} {addr} {kind}");
}

/// The node that answered, which is the first line, and the members it knows; lines that are none are
/// left out. `None` if the body is not a list of members at all.
pub(super) fn parse(body: &[u8]) -> Option<(Peer, impl Iterator<Item = Peer> + '_)> {
    let body = body.get(..MAX_MEMBERS_BODY).unwrap_or(body);
    let mut lines = body.split(|byte| *byte == b'\n').take(MAX_MEMBERS);
    let first = lines.next().and_then(line)?;
    first.capable.then_some((first, lines.filter_map(line)))
}

fn line(line: &[u8]) -> Option<Peer> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let line = core::str::from_utf8(line)
        .ok()
        .filter(|line| line.len() <= MAX_LINE)?;
    let mut words = line.split(' ');
    let peer = Peer {
        id: words.next()?.parse().ok()?,
        region: Region::new(words.next()?).ok()?,
        addr: words.next()?.parse().ok()?,
        capable: match words.next()? {
            "zc" => true,
            "stock" => false,
            _ => return None,
        },
    };
    words.next().is_none().then_some(peer)
}

/// A `Zc-Node` header a node sends: `<id> <region> <port>`; port 0 says goodbye.
pub(super) fn hello(id: NodeId, region: &Region, port: u16) -> String {
    alloc::format!("{id} {region} {port}")
}

/// Reads such a header.
pub(super) fn parse_hello(hello: &[u8]) -> Option<(NodeId, Region, u16)> {
    let text = core::str::from_utf8(hello)
        .ok()
        .filter(|text| text.len() <= MAX_LINE)?;
    let mut words = text.split(' ');
    let id = words.next()?.parse().ok()?;
    let region = Region::new(words.next()?).ok()?;
    let port = words.next()?;
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse().ok().filter(|_| digits)?;
    words.next().is_none().then_some((id, region, port))
}

/// Whether a node at `teller` may tell of one at `addr`: a unicast address with a port, and a loopback
/// or link-local one only among those that have such an address themselves.
pub(super) fn plausible(addr: SocketAddr, teller: IpAddr) -> bool {
    let local = |ip: IpAddr| match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    let (ip, teller) = (addr.ip().to_canonical(), teller.to_canonical());
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    addr.port() != 0
        && !(ip.is_unspecified() || ip.is_multicast() || broadcast)
        && (!ip.is_loopback() || teller.is_loopback())
        && (!local(ip) || local(teller))
}
