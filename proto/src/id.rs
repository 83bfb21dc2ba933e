//! Who and where: node ids, region names, versions.

use alloc::sync::Arc;
use core::fmt;
use core::net::SocketAddr;
use core::str::FromStr;

/// A node's identity: on the wire, 8 lower-case hex digits (the DNS-SD instance name).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u32);

/// The text was not 8 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InvalidNodeId;

impl NodeId {
    /// The id with these bits.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// The id's bits.
    #[must_use]
    pub const fn to_bits(self) -> u32 {
        self.0
    }

    /// The id in these bytes, which need not be UTF-8.
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        let digits: &[u8; 8] = text.try_into().ok()?;
        hex(digits).map(|bits| Self(bits as u32))
    }

    /// The id of the node of `region` that is reached at `addr`: the same one after every restart,
    /// another one once any of the three changes (stock peers ignore updates of a known name).
    #[must_use]
    pub fn derive(region: &Region, addr: SocketAddr) -> Self {
        // FNV-1a: has to be the same in every version of this crate, and nothing more.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut eat = |bytes: &[u8]| {
            for byte in bytes {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        };
        eat(region.as_str().as_bytes());
        eat(&[0]);
        match addr {
            SocketAddr::V4(v4) => eat(&v4.ip().octets()),
            SocketAddr::V6(v6) => eat(&v6.ip().octets()),
        }
        eat(&addr.port().to_be_bytes());
        Self((hash ^ (hash >> 32)) as u32)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for NodeId {
    type Err = InvalidNodeId;

    fn from_str(text: &str) -> Result<Self, InvalidNodeId> {
        Self::read(text.as_bytes()).ok_or(InvalidNodeId)
    }
}

/// The number that `N` hex digits spell, 16 at most. `from_str_radix` takes thrice as long, and a sign.
fn hex<const N: usize>(digits: &[u8; N]) -> Option<u64> {
    digits.iter().try_fold(0, |number, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte & 0x0f,
            b'a'..=b'f' | b'A'..=b'F' => (byte & 0x0f).saturating_add(9),
            _ => return None,
        };
        Some((number << 4) | u64::from(digit))
    })
}

impl fmt::Display for InvalidNodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a node id is 8 hex digits")
    }
}

impl core::error::Error for InvalidNodeId {}

/// A region's name: 1 to 64 bytes of UTF-8 without controls, space, `/`, `?`, `#` or `%`, since it
/// becomes a path segment; compared exactly. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region(Arc<str>);

/// The text can not name a region.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InvalidRegion;

impl Region {
    /// The most bytes a name may have.
    pub const MAX_LEN: usize = 64;

    /// The region called `name`.
    ///
    /// # Errors
    /// [`InvalidRegion`] if the name breaks a rule of the type's.
    pub fn new(name: &str) -> Result<Self, InvalidRegion> {
        if Self::is_valid(name) {
            Ok(Self(name.into()))
        } else {
            Err(InvalidRegion)
        }
    }

    /// Whether `name` can name a region, without an allocation.
    #[must_use]
    pub fn is_valid(name: &str) -> bool {
        let fits = (1..=Self::MAX_LEN).contains(&name.len()) && !matches!(name, "." | ".." | "_zc");
        let clean = |c: char| !c.is_control() && !c.is_whitespace() && !"/?#%".contains(c);
        fits && name.chars().all(clean)
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Region {
    type Err = InvalidRegion;

    fn from_str(name: &str) -> Result<Self, InvalidRegion> {
        Self::new(name)
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl fmt::Display for InvalidRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a region is 1 to 64 bytes without space, control characters, '/', '?', '#' or '%'",
        )
    }
}

impl core::error::Error for InvalidRegion {}

/// When and where a write was accepted. Newest wins: the order is that of the hybrid logical clock,
/// ties go to the higher node id, so every node picks the same winner.
///
/// On the wire (`Zc-Version`): 16 hex digits of clock, `-`, 8 hex digits of node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// 48 bits of Unix milliseconds, 16 bits of counter.
    pub clock: u64,
    /// The node that stamped it.
    pub node: NodeId,
}

/// The text was not a version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InvalidVersion;

impl Version {
    /// The Unix milliseconds in the clock.
    #[must_use]
    pub const fn unix_ms(self) -> u64 {
        self.clock >> 16
    }

    /// The version in these bytes, which need not be UTF-8.
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        let (clock, rest) = text.split_first_chunk::<16>()?;
        Some(Self {
            clock: hex(clock)?,
            node: NodeId::read(rest.strip_prefix(b"-")?)?,
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.clock, self.node)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Version {
    type Err = InvalidVersion;

    fn from_str(text: &str) -> Result<Self, InvalidVersion> {
        Self::read(text.as_bytes()).ok_or(InvalidVersion)
    }
}

impl fmt::Display for InvalidVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a version is 16 hex digits, '-', 8 hex digits")
    }
}

impl core::error::Error for InvalidVersion {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn node_ids_read_back_as_they_are_written() {
        let id: NodeId = "00ab12Cd".parse().unwrap();
        assert_eq!(id.to_string(), "00ab12cd");
        for bad in ["", "1234567", "123456789", "+1234567", "1234567g"] {
            assert_eq!(bad.parse::<NodeId>(), Err(InvalidNodeId), "{bad}");
        }
    }

    #[test]
    fn a_derived_id_depends_on_region_address_and_port_alone() {
        let derive = |region: &str, addr: &str| {
            NodeId::derive(&Region::new(region).unwrap(), addr.parse().unwrap())
        };
        let id = derive("london", "10.0.0.1:6789");
        assert_eq!(id, derive("london", "10.0.0.1:6789"));
        assert_ne!(id, derive("london", "10.0.0.1:6790"));
        assert_ne!(id, derive("london", "10.0.0.2:6789"));
        assert_ne!(id, derive("paris", "10.0.0.1:6789"));
    }

    #[test]
    fn a_region_is_a_clean_path_segment() {
        assert_eq!(Region::new("são-paulo").unwrap().as_str(), "são-paulo");
        assert!(Region::new(&"x".repeat(64)).is_ok());
        for bad in [
            "", ".", "..", "_zc", "a/b", "a b", "a?b", "a#b", "a%b", "a\u{0}b", "a\tb",
        ] {
            assert_eq!(Region::new(bad), Err(InvalidRegion), "{bad:?}");
        }
        assert_eq!(Region::new(&"x".repeat(65)), Err(InvalidRegion));
    }

    #[test]
    fn versions_order_by_clock_then_node_and_read_back() {
        let version = |clock, node| Version {
            clock,
            node: NodeId::from_bits(node),
        };
        assert!(version(1, 9) < version(2, 1));
        assert!(version(2, 1) < version(2, 2));
        let v = version(0x0123_4567_89ab_cdef, 0xa1b2_c3d4);
        assert_eq!(v.to_string(), "0123456789abcdef-a1b2c3d4");
        assert_eq!(v.to_string().parse(), Ok(v));
        assert_eq!(v.to_string().to_uppercase().parse(), Ok(v));
        for bad in [
            "",
            "-",
            "0123456789abcdef",
            "0123456789abcde-a1b2c3d4",
            "0123456789abcdef-a1b2c3d",
            "0123456789abcdef-a1b2c3d4e",
            "0123456789abcdefa1b2c3d4",
            "0123456789abcdef_a1b2c3d4",
            "+123456789abcdef-a1b2c3d4",
            "0123456789abcdeg-a1b2c3d4",
            "é123456789abcde-a1b2c3d4",
        ] {
            assert_eq!(bad.parse::<Version>(), Err(InvalidVersion), "{bad}");
        }
    }
}
