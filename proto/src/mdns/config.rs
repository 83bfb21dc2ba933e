//! What goes in and what comes out.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};

use super::Cidr;
use crate::{Instant, NodeId, Region};

/// The service a node announces.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Service {
    /// The instance name. Stock peers ignore updates of a name they know, so another region, port
    /// or address wants another id (see [`Mdns::replace`](super::Mdns::replace)).
    pub id: NodeId,
    /// Goes out as TXT `region=`.
    pub region: Region,
    /// The TCP port HTTP listens on.
    pub port: u16,
    /// The one address to announce on every interface; `None`: each interface's own.
    pub address: Option<Ipv4Addr>,
}

/// What a machine does.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Config {
    /// The service to announce; `None` only listens (a client).
    pub service: Option<Service>,
    /// Also publish `<id>._geocache._tcp.local` with subtype `_server`: legal DNS-SD, which the
    /// three-label type of the stock package is not, so that Avahi and Apple's tools resolve it.
    pub alias: bool,
    /// Believe announcements of ports below 1024 even if the own one is above.
    pub low_ports: bool,
    /// Believe announcements of addresses in these ranges even if they are not on the link they are
    /// heard on, as a reflector passes on; of loopback ones only on loopback. 64 at most are used.
    pub allowed: Vec<Cidr>,
}

/// An interface that is up, as the driver sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Interface {
    /// The operating system's index.
    pub index: u32,
    /// Its IPv4 addresses and their prefix lengths, the preferred one first.
    pub addresses: Vec<(Ipv4Addr, u8)>,
    /// Whether it is a loopback interface: only there are loopback addresses believed.
    pub loopback: bool,
}

/// A datagram that arrived on port 5353.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Datagram<'a> {
    /// Index of the interface it arrived on.
    pub interface: u32,
    /// Who sent it.
    pub source: SocketAddr,
    /// Whether it was sent to 224.0.0.251 (RFC 6762 §11), not to this host alone.
    pub multicast: bool,
    /// The DNS message.
    pub payload: &'a [u8],
}

/// Where a datagram goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Destination {
    /// 224.0.0.251:5353.
    Multicast,
    /// One asker.
    Unicast(SocketAddr),
}

/// A datagram to send: from port 5353, with IP TTL 255.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transmit {
    /// Index of the interface to send it on.
    pub interface: u32,
    /// To whom.
    pub to: Destination,
    /// The DNS message.
    pub payload: Vec<u8>,
}

/// A node that was heard of: a hint, until an HTTP `/ping` proves it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sighting {
    /// Its instance name.
    pub id: NodeId,
    /// Its TXT `region`.
    pub region: Region,
    /// Where its HTTP listens.
    pub address: SocketAddrV4,
    /// Whether it is one of ours (TXT `zc=1`), not a stock node.
    pub capable: bool,
    /// Index of the interface it was heard on.
    pub interface: u32,
    /// When its records run out, unless another [`Event::Seen`] prolongs them.
    pub expires: Instant,
}

/// Something the application should know.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A node appeared, changed, or renewed its records.
    Seen(Sighting),
    /// A node said goodbye, or somebody did in its name: check `from`.
    Gone {
        /// The node.
        id: NodeId,
        /// The sender of the goodbye.
        from: IpAddr,
    },
    /// The node's first announcement is on its way: it is visible.
    Announced {
        /// The id it won.
        id: NodeId,
    },
    /// The id was taken (or the address behind it changed), and another one was drawn.
    Renamed {
        /// The id given up.
        old: NodeId,
        /// The id now probed for.
        new: NodeId,
    },
    /// Multicast DNS no longer vouches for a node: it did not answer
    /// [`Mdns::verify`](super::Mdns::verify), its records ran out, or the interface it was heard on
    /// went away. It may well live.
    Doubted {
        /// The node.
        id: NodeId,
    },
}

/// Counters since the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Datagrams handed in.
    pub received: u64,
    /// Datagrams handed out.
    pub sent: u64,
    /// Received copies of what this machine had sent.
    pub looped: u64,
    /// Datagrams dropped: no DNS message, or longer than 9,000 bytes.
    pub malformed: u64,
    /// Datagrams dropped: source off-link or port not 5353 where RFC 6762 asks for it, unknown
    /// interface, opcode or rcode not 0.
    pub strange: u64,
    /// Datagrams dropped unparsed: more than 200 a second from one source.
    pub flooded: u64,
    /// Records refused: no node id, port, region or address to believe.
    pub invalid: u64,
    /// Records and events dropped because a table or queue was full.
    pub overflowed: u64,
    /// Conflicts over the own names (RFC 6762 §9), each a new id or another probe.
    pub conflicts: u64,
    /// Dead nodes others were told the goodbye of.
    pub buried: u64,
    /// Queries sent.
    pub queries: u64,
    /// Answers sent, announcements not counted.
    pub answers: u64,
}
