//! What a cluster machine is told at its start, and the figures it keeps to.

use crate::{Duration, NodeId, Region, mdns};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::net::{Ipv6Addr, SocketAddr};
use core::str::FromStr;

/// The most peers known at a time.
pub const MAX_PEERS: usize = 1_024;
/// The most regions known at a time, the own one included.
pub const MAX_REGIONS: usize = 256;
/// The most static peers configured; further ones are left out.
pub const MAX_SEEDS: usize = 64;
/// The most addresses used of one static peer's name.
pub const MAX_SEED_ADDRS: usize = 32;
/// The most lines of a members body, read or written.
pub const MAX_MEMBERS: usize = 1_024;
/// The most bytes read of a members body.
pub const MAX_MEMBERS_BODY: usize = 256 * 1_024;
/// The most pings under way at a time.
pub const MAX_PINGS: usize = 64;
/// The most members exchanges under way at a time.
pub const MAX_POLLS: usize = 16;
/// The most events kept for a driver that does not poll them; the oldest go first.
pub const MAX_EVENTS: usize = 4_096;

/// How long a ping may take.
pub const PING_DEADLINE: Duration = Duration::from_millis(500);
/// How long one may take of a peer that is far, or may be: with a connection to be made first, there
/// and back is gone twice.
pub const FAR_PING_DEADLINE: Duration = Duration::from_millis(1_000);
/// From here on a peer is far.
pub(super) const FAR: Duration = Duration::from_millis(150);
/// How often a routable peer is pinged, unless requests measure it anyway, give or take a tenth: one
/// that falls silent is missed after two seconds, and out [`FAILING_FOR`] later.
pub const PING_EVERY: Duration = Duration::from_millis(1_750);
/// So many peers are all pinged that often. Each further one makes the pause longer for all, so that
/// however many they are, no more than five pings leave in a second; what one of them finds out, it
/// passes on (see `rumours`).
pub(super) const PINGED_OFTEN: usize = 16;
pub(super) const PING_SPACING: Duration = Duration::from_millis(200);
/// A client, whom nobody tells, pings more: no more than one in this time.
pub(super) const CLIENT_SPACING: Duration = Duration::from_millis(8);
/// From this pause on, a connection made for a ping is closed after it.
pub(super) const RARE: Duration = Duration::from_secs(15);
/// A peer that has failed for this long is out.
pub const FAILING_FOR: Duration = Duration::from_secs(3);
/// The pause between two pings of a peer in doubt.
pub(super) const RECHECK: Duration = Duration::from_millis(250);
/// The bounds of the pause between two pings of a peer that is out. Whoever is parted by chance or by
/// a partition is together again soon; the dead are forgotten with their leases.
pub(super) const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(8));
/// A peer that began to fail within this time counts when asking whether we are the problem.
pub(super) const RECENT: Duration = Duration::from_secs(15);
/// Below so many peers nothing can be told from how many fail at once.
pub(super) const QUORUM: usize = 3;
/// Fresh word of a peer that does not answer hastens its pings to no more than one in this time.
pub(super) const HASTE: Duration = Duration::from_secs(1);
/// So many failures in a row lose a peer its address to another claimant that answers.
pub(super) const USURP_AFTER: u32 = 3;
/// However much its requests measure a peer, it is pinged this often: only that renews its leases.
pub(super) const PING_AT_LEAST: Duration = Duration::from_secs(10);

/// How often the members of seeds and of a few other peers are read.
pub const POLL_EVERY: Duration = Duration::from_secs(10);
/// The longest pause after a static peer did not answer.
pub(super) const POLL_AGAIN: Duration = Duration::from_secs(5);
/// The pause after a static peer's first answer; it doubles up to [`POLL_EVERY`].
pub(super) const POLL_FIRST: Duration = Duration::from_millis(250);
/// Peers known for which they are read so often; of more, more rarely.
pub(super) const PEERS_A_POLL: usize = 128;
/// How long such an exchange may take.
pub(super) const POLL_DEADLINE: Duration = Duration::from_secs(1);
/// How many peers beside the seeds are asked each time.
pub(super) const POLL_OTHERS: usize = 2;
/// The most peers kept of each other region: a write needs one, and some to fall back on.
pub const SAMPLE: usize = 16;
/// The fewest kept of each, if there are so many.
const SAMPLE_OF_MANY: usize = 4;
/// How many are kept of all other regions together, if that is no fewer than the fewest of each.
const SAMPLES: usize = 128;
/// How many routable nodes of another region are few: a node makes itself known to no more of them
/// by itself, the others hear of it as members come round. With very many peers fewer are.
pub(super) const FEW: usize = 8;
pub(super) const FEW_OF_MANY: usize = 2;
/// How long a peer of another region that is known by hearsay waits for its first ping if there are
/// others: better ones may be told of meanwhile.
pub(super) const SECOND_THOUGHT: Duration = Duration::from_secs(1);
/// One peer of another region is exchanged for one that chance prefers no more often than this.
pub(super) const DRIFT: Duration = Duration::from_secs(2);
/// How long a peer told by another node is kept without being told again.
pub const LEASE: Duration = Duration::from_secs(30);
/// How often a static peer's name is resolved.
pub const RESOLVE_EVERY: Duration = Duration::from_secs(60);
/// How long a resolution may take.
pub(super) const RESOLVE_DEADLINE: Duration = Duration::from_secs(10);
/// An action the driver has not reported on this long after its deadline has failed.
pub(super) const GRACE: Duration = Duration::from_millis(250);
/// A goodbye from elsewhere is believed if a ping fails within this time.
pub(super) const GOODBYE_CHECK: Duration = Duration::from_secs(1);
/// How long other nodes' word is not taken for a peer that said goodbye itself.
pub(super) const DEPARTED_FOR: Duration = Duration::from_secs(30);
/// New latencies alone are published no more often than this.
pub(super) const PUBLISH_EVERY: Duration = Duration::from_secs(1);
/// With very many peers no view follows another one sooner than this.
pub(super) const VIEW_SPACING: Duration = Duration::from_millis(10);
/// A node that could not announce itself by mDNS is ready without it after this time.
pub(super) const READY_WITHOUT_MDNS: Duration = Duration::from_secs(5);
/// How long telling static peers goodbye may take.
pub(super) const LEAVE_DEADLINE: Duration = Duration::from_millis(300);

/// How many peers are kept of each of so many other regions.
#[must_use]
pub const fn sample(regions: usize) -> usize {
    match SAMPLES.checked_div(regions) {
        Some(of_each) if of_each < SAMPLE_OF_MANY => SAMPLE_OF_MANY,
        Some(of_each) if of_each < SAMPLE => of_each,
        _ => SAMPLE,
    }
}

/// What a node or a client starts with.
#[derive(Clone, Debug)]
pub struct Config {
    /// The own region.
    pub region: Region,
    /// The node this is; `None` for a client, which only listens.
    pub me: Option<Me>,
    /// Peers to ask for the others.
    pub peers: Vec<StaticPeer>,
    /// Multicast discovery; `None` to run without.
    pub mdns: Option<mdns::Config>,
}

impl Config {
    /// A node that is reached at this address, under the id that follows from it: without multicast,
    /// and without peers as long as it is given none.
    #[must_use]
    pub fn node(region: Region, addr: SocketAddr) -> Self {
        let me = Me {
            id: NodeId::derive(&region, addr),
            addr: Some(addr),
            port: addr.port(),
        };
        Self {
            me: Some(me),
            ..Self::client(region)
        }
    }

    /// A client: without multicast, and without peers as long as it is given none.
    #[must_use]
    pub const fn client(region: Region) -> Self {
        Self {
            region,
            me: None,
            peers: Vec::new(),
            mdns: None,
        }
    }
}

/// The node this is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Me {
    /// Its id.
    pub id: NodeId,
    /// The address it announces; `None` if each interface announces its own.
    pub addr: Option<SocketAddr>,
    /// The port it listens on.
    pub port: u16,
}

/// A configured peer: `[REGION@]HOST:PORT`. The region is needed only for a stock node, which does not
/// tell it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StaticPeer {
    /// Its region, if given.
    pub region: Option<Region>,
    /// A host name or an address; an IPv6 address without its brackets.
    pub host: String,
    /// Its port, not 0.
    pub port: u16,
}

/// The text was not `[REGION@]HOST:PORT`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum InvalidStaticPeer {
    /// The part before `@` cannot name a region.
    Region,
    /// There is no host, or it is longer than 253 bytes or not one.
    Host,
    /// There is no port, or it is not in 1..=65535.
    Port,
}

impl FromStr for StaticPeer {
    type Err = InvalidStaticPeer;

    fn from_str(text: &str) -> Result<Self, InvalidStaticPeer> {
        // A region may contain an `@`, a host may not.
        let (region, rest) = match text.rsplit_once('@') {
            Some((region, rest)) => {
                let region = Region::new(region).map_err(|_| InvalidStaticPeer::Region)?;
                (Some(region), rest)
            }
            None => (None, text),
        };
        let (host, port) = rest.rsplit_once(':').ok_or(InvalidStaticPeer::Port)?;
        let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
        let port = port.parse().ok().filter(|port| digits && *port != 0);
        let port = port.ok_or(InvalidStaticPeer::Port)?;
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let name = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b) || b >= 0x80;
        let host = match bare {
            Some(v6) => {
                let address = v6.split('%').next().unwrap_or_default();
                let valid = address.parse::<Ipv6Addr>().is_ok();
                valid.then_some(v6).ok_or(InvalidStaticPeer::Host)?
            }
            None if host.bytes().all(name) => host,
            None => return Err(InvalidStaticPeer::Host),
        };
        if host.is_empty() || host.len() > 253 {
            return Err(InvalidStaticPeer::Host);
        }
        Ok(Self {
            region,
            host: host.to_string(),
            port,
        })
    }
}

impl fmt::Display for StaticPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(region) = &self.region {
            write!(f, "{region}@")?;
        }
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for InvalidStaticPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Region => "the part before '@' cannot name a region",
            Self::Host => "a peer is [REGION@]HOST:PORT; this host cannot be one",
            Self::Port => "a peer is [REGION@]HOST:PORT; the port is 1 to 65535",
        })
    }
}

impl core::error::Error for InvalidStaticPeer {}
