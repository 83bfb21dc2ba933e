//! The multicast sockets: one pair for each interface, remade as interfaces come and go.
//!
//! A socket bound to the group address and joined on one interface alone receives that interface's
//! multicasts and nothing else; another, bound to the wildcard address, sends from port 5353 and
//! receives unicasts. So every datagram says by its socket which interface it came in by and whether
//! it was multicast, on any runtime, without ancillary data. Both share port 5353 with other stacks.

use crate::runtime::{Runtime, Socket as _};
use crate::ttl;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::task::{Context, Poll};
use zerocache_proto::mdns::{Datagram, Destination, Interface, Transmit};

/// The mDNS group and port (RFC 6762 §3).
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const PORT: u16 = 5353;
/// The largest datagram taken (RFC 6762 §17).
const MAX_DATAGRAM: usize = 9000;
/// Names of interfaces that lead to containers or tunnels, where no peer is to be met by multicast.
const VIRTUAL: [&str; 10] = [
    "docker",
    "br-",
    "veth",
    "virbr",
    "cni",
    "flannel",
    "tun",
    "tap",
    "wg",
    "tailscale",
];

/// Which interfaces to speak mDNS on.
#[derive(Clone, Debug)]
pub(crate) enum Choice {
    /// Every interface that is up and neither loopback, point-to-point nor virtual.
    Default,
    /// The ones with these names.
    Named(Vec<String>),
    /// The one that holds this address.
    Holding(Ipv4Addr),
}

/// An interface that came, changed or went.
pub(crate) enum Change {
    Up(Interface),
    Down(u32),
}

/// The pairs of sockets.
pub(crate) struct Links<R: Runtime> {
    runtime: R,
    choice: Choice,
    /// Take nothing that may have crossed a router.
    ttl_255: bool,
    links: BTreeMap<u32, Link<R>>,
    buffer: Box<[u8]>,
    /// The last complaint, so that the same one is logged once.
    complaint: Option<String>,
}

struct Link<R: Runtime> {
    interface: Interface,
    group: R::Socket,
    unicast: R::Socket,
}

impl<R: Runtime> Links<R> {
    pub(crate) fn new(runtime: R, choice: Choice, ttl_255: bool) -> Self {
        Self {
            runtime,
            choice,
            ttl_255,
            links: BTreeMap::new(),
            buffer: vec![0; MAX_DATAGRAM + 1].into(),
            complaint: None,
        }
    }

    /// Looks at the machine's interfaces and opens and closes sockets accordingly.
    pub(crate) fn refresh(&mut self) -> Vec<Change> {
        let wanted = match if_addrs::get_if_addrs() {
            Ok(found) => chosen(&self.choice, &found),
            Err(error) => {
                self.complain(format!("can not list the interfaces: {error}"));
                return Vec::new();
            }
        };
        let mut changes = Vec::new();
        self.links.retain(|index, _| {
            let stays = wanted.contains_key(index);
            if !stays {
                changes.push(Change::Down(*index));
            }
            stays
        });
        if wanted.is_empty() {
            self.complain("no interface to speak multicast on; static peers only".to_owned());
        }
        for (index, interface) in wanted {
            if self
                .links
                .get(&index)
                .is_some_and(|link| link.interface == interface)
            {
                continue;
            }
            match open(&self.runtime, &interface, self.ttl_255) {
                Ok((group, unicast)) => {
                    tracing::info!(interface = index, addresses = ?interface.addresses, "speaking mDNS");
                    let link = Link {
                        interface: interface.clone(),
                        group,
                        unicast,
                    };
                    self.links.insert(index, link);
                    changes.push(Change::Up(interface));
                }
                Err(error) => {
                    self.complain(format!("no mDNS on interface {index}: {error}"));
                }
            }
        }
        changes
    }

    /// Takes up to `most` datagrams; returns how many there were. Its task is woken for the next.
    pub(crate) fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        most: usize,
        mut take: impl FnMut(Datagram<'_>),
    ) -> usize {
        let mut taken = 0;
        for (index, link) in &self.links {
            for (socket, multicast) in [(&link.group, true), (&link.unicast, false)] {
                while taken < most {
                    match socket.poll_recv(cx, &mut self.buffer) {
                        Poll::Pending => break,
                        Poll::Ready(Ok((len, source))) => {
                            taken += 1;
                            if len <= MAX_DATAGRAM {
                                let payload = &self.buffer[..len];
                                let interface = *index;
                                take(Datagram {
                                    interface,
                                    source,
                                    multicast,
                                    payload,
                                });
                            }
                        }
                        // An ICMP error of an earlier send, or the interface going away: the next
                        // refresh tells which.
                        Poll::Ready(Err(_)) => taken += 1,
                    }
                }
            }
        }
        taken
    }

    /// Sends one datagram; what can not be sent is lost, as a network may lose it.
    pub(crate) fn send(&self, transmit: &Transmit) {
        let Some(link) = self.links.get(&transmit.interface) else {
            return;
        };
        let to = match transmit.to {
            Destination::Multicast => SocketAddr::V4(SocketAddrV4::new(GROUP, PORT)),
            Destination::Unicast(addr) => addr,
        };
        if let Err(error) = link.unicast.try_send(&transmit.payload, to) {
            tracing::debug!(interface = transmit.interface, %to, %error, "datagram not sent");
        }
    }

    fn complain(&mut self, complaint: String) {
        if self.complaint.as_ref() != Some(&complaint) {
            tracing::warn!("{complaint}");
            self.complaint = Some(complaint);
        }
    }
}

/// The chosen interfaces by index, each with its IPv4 addresses.
fn chosen(choice: &Choice, found: &[if_addrs::Interface]) -> BTreeMap<u32, Interface> {
    let holder = match choice {
        Choice::Holding(addr) => found
            .iter()
            .find(|i| i.ip() == IpAddr::V4(*addr))
            .and_then(|i| i.index),
        _ => None,
    };
    let mut chosen = BTreeMap::new();
    for interface in found {
        let (Some(index), if_addrs::IfAddr::V4(v4)) = (interface.index, &interface.addr) else {
            continue;
        };
        let wanted = match choice {
            Choice::Named(names) => names.contains(&interface.name),
            // An address of no interface here (a NAT's outer one) leaves the default set.
            Choice::Holding(_) if holder.is_some() => holder == Some(index),
            Choice::Default | Choice::Holding(_) => by_default(interface),
        };
        if wanted {
            let entry = chosen.entry(index).or_insert_with(|| Interface {
                index,
                addresses: Vec::new(),
                loopback: interface.is_loopback(),
            });
            entry.addresses.push((v4.ip, v4.prefixlen));
        }
    }
    chosen
}

fn by_default(interface: &if_addrs::Interface) -> bool {
    !interface.is_loopback()
        && !interface.is_p2p()
        && interface.is_oper_up()
        && !VIRTUAL
            .iter()
            .any(|prefix| interface.name.starts_with(prefix))
}

fn open<R: Runtime>(
    runtime: &R,
    interface: &Interface,
    ttl_255: bool,
) -> io::Result<(R::Socket, R::Socket)> {
    let Some((addr, _)) = interface.addresses.first() else {
        return Err(io::ErrorKind::AddrNotAvailable.into());
    };
    let on = InterfaceIndexOrAddress::Index(interface.index);
    // Windows can not bind a group address; there the wildcard one has to do.
    let group = udp(if cfg!(windows) {
        Ipv4Addr::UNSPECIFIED
    } else {
        GROUP
    })?;
    let unicast = udp(Ipv4Addr::UNSPECIFIED)?;
    if ttl_255 {
        ttl::only_255(&group)?;
        ttl::only_255(&unicast)?;
    }
    group.join_multicast_v4_n(&GROUP, &on)?;
    unicast.set_multicast_if_v4(addr)?;
    unicast.set_multicast_ttl_v4(255)?;
    unicast.set_ttl_v4(255)?;
    unicast.set_multicast_loop_v4(true)?;
    Ok((
        runtime.socket(UdpSocket::from(group))?,
        runtime.socket(UdpSocket::from(unicast))?,
    ))
}

/// A non-blocking socket on port 5353 that shares it with the machine's other mDNS stacks.
fn udp(addr: Ipv4Addr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    #[cfg(unix)]
    socket.set_reuse_port(true)?;
    // Only what this very socket joined (Linux delivers by default what any socket here joined).
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket.set_multicast_all_v4(false)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::V4(SocketAddrV4::new(addr, PORT)).into())?;
    Ok(socket)
}
