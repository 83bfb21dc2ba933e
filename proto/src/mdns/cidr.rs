//! Ranges of addresses.

use core::fmt;
use core::net::Ipv4Addr;
use core::str::FromStr;

/// A range of IPv4 addresses, in the notation of RFC 4632: `10.20.0.0/16`; an address alone is a range
/// of one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cidr {
    first: Ipv4Addr,
    prefix: u8,
}

/// The text was not `ADDRESS/PREFIX`: an IPv4 address, and 0 to 32 bits of it, the others being 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct InvalidCidr;

impl Cidr {
    /// The addresses that share their first `prefix` bits with `address`; all 32 if it is larger.
    #[must_use]
    pub fn around(address: Ipv4Addr, prefix: u8) -> Self {
        let prefix = prefix.min(32);
        Self {
            first: Ipv4Addr::from_bits(address.to_bits() & mask(prefix)),
            prefix,
        }
    }

    /// Whether `address` is among them.
    #[must_use]
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        address.to_bits() & mask(self.prefix) == self.first.to_bits()
    }
}

/// The first so many bits.
pub(super) fn mask(prefix: u8) -> u32 {
    u32::MAX
        .checked_shl(32_u32.saturating_sub(prefix.into()))
        .unwrap_or(0)
}

impl FromStr for Cidr {
    type Err = InvalidCidr;

    fn from_str(text: &str) -> Result<Self, InvalidCidr> {
        let (address, prefix) = text.split_once('/').unwrap_or((text, "32"));
        let address = address.parse().map_err(|_| InvalidCidr)?;
        let digits = prefix.bytes().all(|byte| byte.is_ascii_digit());
        let prefix = prefix.parse().ok().filter(|bits| digits && *bits <= 32);
        let range = Self::around(address, prefix.ok_or(InvalidCidr)?);
        // Whoever writes 10.0.0.1/8 may have meant something else.
        (range.first == address).then_some(range).ok_or(InvalidCidr)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

impl fmt::Display for InvalidCidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a range is an IPv4 address and how many of its bits count, as 10.20.0.0/16")
    }
}

impl core::error::Error for InvalidCidr {}
