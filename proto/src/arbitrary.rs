//! Inputs made of a fuzzer's bytes (feature `arbitrary`), for whoever fuzzes what embeds the core.
//!
//! Whatever a type allows can come out. Ids, regions, addresses and times come from a few as often as
//! from all there are, so that some of them meet; and a configuration does not contradict itself.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use arbitrary::{Arbitrary, Error, Result, Unstructured};

use crate::cache::{Bounds, Digest};
use crate::cluster::{self, Me, Outcome, Peer, Pong, StaticPeer};
use crate::mdns::{self, Datagram, Interface, Service};
use crate::node::{ConnId, Input};
use crate::sync::{Buckets, MAX_ASKED_KEY, MAX_PICKED, Query, What};
use crate::{Duration, Failure, Instant, NodeId, Now, Region, Version};

/// The regions that come often.
const REGIONS: [&str; 4] = ["london", "paris", "oslo", "são-paulo"];
/// The port that comes often.
const PORT: u16 = 6789;
/// The time about which wall clocks often are.
const TODAY: u64 = 1_700_000_000_000;

impl<'a> Arbitrary<'a> for NodeId {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let few = u.arbitrary()?;
        let bits = if few {
            u.int_in_range(1..=8)?
        } else {
            u.arbitrary()?
        };
        Ok(Self::from_bits(bits))
    }
}

impl<'a> Arbitrary<'a> for Region {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let few = u.arbitrary()?;
        let name = if few {
            *u.choose(&REGIONS)?
        } else {
            u.arbitrary()?
        };
        let [known, ..] = REGIONS;
        let name = if Self::is_valid(name) { name } else { known };
        Self::new(name).map_err(|_| Error::IncorrectFormat)
    }
}

impl<'a> Arbitrary<'a> for Version {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let today = u.arbitrary()?;
        let clock = if today {
            (TODAY.wrapping_add(u.arbitrary::<u16>()?.into()) << 16)
                | u64::from(u.arbitrary::<u8>()?)
        } else {
            u.arbitrary()?
        };
        let node = u.arbitrary()?;
        Ok(Self { clock, node })
    }
}

impl<'a> Arbitrary<'a> for Instant {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let early = u.arbitrary()?;
        Ok(if early {
            Self::from_millis(u.arbitrary::<u16>()?.into())
        } else {
            Self::from_nanos(u.arbitrary()?)
        })
    }
}

impl<'a> Arbitrary<'a> for Now {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mono = u.arbitrary()?;
        let today = u.arbitrary()?;
        let unix_ms = if today {
            TODAY.wrapping_add(u.arbitrary::<u32>()?.into())
        } else {
            u.arbitrary()?
        };
        Ok(Self { mono, unix_ms })
    }
}

impl<'a> Arbitrary<'a> for Failure {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let all = [
            Self::Refused,
            Self::TimedOut,
            Self::Reset,
            Self::Malformed,
            Self::Unreachable,
            Self::Overloaded,
        ];
        u.choose(&all).copied()
    }
}

impl<'a> Arbitrary<'a> for Service {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let address = u.arbitrary::<bool>()?.then(|| ipv4(u)).transpose()?;
        Ok(Self {
            id: u.arbitrary()?,
            region: u.arbitrary()?,
            port: port(u)?,
            address,
        })
    }
}

impl<'a> Arbitrary<'a> for mdns::Config {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut config = Self {
            service: u.arbitrary()?,
            ..Self::default()
        };
        config.alias = u.arbitrary()?;
        config.low_ports = u.arbitrary()?;
        Ok(config)
    }
}

impl<'a> Arbitrary<'a> for Interface {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut addresses = Vec::new();
        for _ in 0..u.int_in_range(0..=3)? {
            addresses.push((ipv4(u)?, u.int_in_range(0..=32)?));
        }
        Ok(Self {
            index: u.int_in_range(0..=3)?,
            addresses,
            loopback: u.arbitrary()?,
        })
    }
}

impl<'a> Arbitrary<'a> for Datagram<'a> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let ours = u.arbitrary()?;
        let source = if ours {
            SocketAddr::from((ipv4(u)?, 5353))
        } else {
            u.arbitrary()?
        };
        Ok(Self {
            interface: u.int_in_range(0..=3)?,
            source,
            multicast: u.arbitrary()?,
            payload: u.arbitrary()?,
        })
    }
}

impl<'a> Arbitrary<'a> for Me {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let port = port(u)?;
        let ip = u.arbitrary::<bool>()?.then(|| ip(u)).transpose()?;
        Ok(Self {
            id: u.arbitrary()?,
            addr: ip.map(|ip| SocketAddr::new(ip, port)),
            port,
        })
    }
}

impl<'a> Arbitrary<'a> for StaticPeer {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let host = match u.arbitrary()? {
            true => ip(u)?.to_string(),
            false => String::from(*u.choose(&["localhost", "cache.example", "nobody.invalid"])?),
        };
        Ok(Self {
            region: u.arbitrary()?,
            host,
            port: port(u)?,
        })
    }
}

impl<'a> Arbitrary<'a> for cluster::Config {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut config = Self::client(u.arbitrary()?);
        config.me = u.arbitrary()?;
        for _ in 0..u.int_in_range(0..=4)? {
            config.peers.push(u.arbitrary()?);
        }
        if u.arbitrary()? {
            let mut multicast: mdns::Config = u.arbitrary()?;
            // What is announced is the node that this is.
            multicast.service = config.me.map(|me| Service {
                id: me.id,
                region: config.region.clone(),
                port: me.port,
                address: match me.addr {
                    Some(SocketAddr::V4(addr)) => Some(*addr.ip()),
                    _ => None,
                },
            });
            config.mdns = Some(multicast);
        }
        Ok(config)
    }
}

impl<'a> Arbitrary<'a> for Peer {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self {
            id: u.arbitrary()?,
            region: u.arbitrary()?,
            addr: SocketAddr::new(ip(u)?, port(u)?),
            capable: u.arbitrary()?,
        })
    }
}

impl<'a> Arbitrary<'a> for Pong {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self::new(short(u)?, u.arbitrary()?))
    }
}

impl<'a> Arbitrary<'a> for Outcome {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(match u.int_in_range(0..=2)? {
            0 => Self::Answered(short(u)?),
            1 => Self::Alive,
            _ => Self::Failed(u.arbitrary()?),
        })
    }
}

impl<'a> Arbitrary<'a> for What {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        u.choose(&[Self::Versions, Self::Values]).copied()
    }
}

impl<'a> Arbitrary<'a> for Buckets {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        if u.arbitrary()? {
            return Ok(Self::ALL);
        }
        let (none, mut some) = (Digest::new(), Digest::new());
        for place in u.arbitrary_iter::<u16>()? {
            let buckets = some.buckets_mut();
            let place = usize::from(place?).checked_rem(buckets.len()).unwrap_or(0);
            if let Some(bucket) = buckets.get_mut(place) {
                *bucket = 1;
            }
        }
        Ok(Self::differing(&none, &some))
    }
}

impl<'a> Arbitrary<'a> for Query {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(match u.int_in_range(0..=3)? {
            0 => Self::Digest,
            1 => Self::Page {
                what: u.arbitrary()?,
                from: u.arbitrary()?,
                buckets: u.arbitrary()?,
            },
            2 => {
                let mut at: Vec<u64> = u.arbitrary()?;
                at.sort_unstable();
                at.dedup();
                at.truncate(MAX_PICKED);
                if at.is_empty() {
                    at.push(0);
                }
                Self::Picked { at }
            }
            _ => {
                let key: &[u8] = u.arbitrary()?;
                let key = key.get(..MAX_ASKED_KEY).unwrap_or(key);
                if key.is_empty() {
                    return Err(Error::NotEnoughData);
                }
                Self::Key { key: key.to_vec() }
            }
        })
    }
}

impl<'a> Arbitrary<'a> for ConnId {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let number = u.arbitrary::<u8>()?.into();
        Ok(match u.arbitrary()? {
            true => Self::In(number),
            false => Self::Out(number),
        })
    }
}

/// Names are looked up in vain: addresses that are lent cannot be made of bytes.
impl<'a> Arbitrary<'a> for Input<'a> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(match u.int_in_range(0..=13)? {
            0 => Self::Accepted {
                conn: u.arbitrary::<u8>()?.into(),
                from: SocketAddr::new(ip(u)?, u.arbitrary()?),
            },
            1 => Self::Received {
                conn: u.arbitrary()?,
                bytes: u.arbitrary()?,
            },
            2 => Self::Written {
                conn: u.arbitrary()?,
                count: u.arbitrary::<u16>()?.into(),
            },
            3 => Self::Closed(u.arbitrary()?),
            4 => Self::Connected(u.arbitrary::<u8>()?.into()),
            5 => Self::ConnectFailed {
                conn: u.arbitrary::<u8>()?.into(),
                why: u.arbitrary()?,
            },
            6 => Self::Datagram(u.arbitrary()?),
            7 => Self::Interface(u.arbitrary()?),
            8 => Self::InterfaceDown(u.int_in_range(0..=3)?),
            9 => Self::Resolved {
                token: u.arbitrary::<u8>()?.into(),
                addrs: &[],
            },
            10 => Self::Announce,
            11 => Self::Leave,
            12 => Self::Resize {
                local: bounds(u)?,
                remote: bounds(u)?,
            },
            _ => Self::Tick,
        })
    }
}

fn bounds(u: &mut Unstructured<'_>) -> Result<Bounds> {
    Ok(Bounds {
        entries: u.arbitrary::<u16>()?.into(),
        weight: u.arbitrary::<u32>()?.into(),
    })
}

/// Half of the time of one small network.
fn ipv4(u: &mut Unstructured<'_>) -> Result<Ipv4Addr> {
    let few = u.arbitrary()?;
    if few {
        Ok(Ipv4Addr::new(10, 0, 0, u.int_in_range(1..=8)?))
    } else {
        u.arbitrary()
    }
}

fn ip(u: &mut Unstructured<'_>) -> Result<IpAddr> {
    let few = u.arbitrary()?;
    if few {
        ipv4(u).map(IpAddr::V4)
    } else {
        u.arbitrary()
    }
}

/// Never 0, which is nobody's.
fn port(u: &mut Unstructured<'_>) -> Result<u16> {
    let few = u.arbitrary()?;
    if few {
        Ok(PORT)
    } else {
        u.int_in_range(1..=u16::MAX)
    }
}

/// The time an answer may take.
fn short(u: &mut Unstructured<'_>) -> Result<Duration> {
    Ok(Duration::from_micros(u.arbitrary::<u32>()?.into()))
}
