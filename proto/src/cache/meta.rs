//! What the store keeps beside each key: version and origin region, in 16 bytes.

use alloc::vec::Vec;

use crate::{NodeId, Region, Version};

/// The most region names a shard remembers; records of further ones all count as from
/// [`ELSEWHERE`].
pub const MAX_ORIGINS: usize = 256;

/// The name that stands for an origin region that found no more room: such records are held and
/// merged as any other, they only have forgotten where they were written.
pub const ELSEWHERE: &str = "elsewhere";

/// A record's version and origin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Meta {
    clock: u64,
    node: NodeId,
    origin: Origin,
}

impl Meta {
    pub(super) const fn new(version: Version, origin: Origin) -> Self {
        Self {
            clock: version.clock,
            node: version.node,
            origin,
        }
    }

    pub(super) const fn version(self) -> Version {
        Version {
            clock: self.clock,
            node: self.node,
        }
    }

    pub(super) const fn origin(self) -> Origin {
        self.origin
    }
}

/// A place in [`Origins`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Origin(u16);

impl Origin {
    /// The node's own region.
    pub(super) const OWN: Self = Self(0);
    const ELSEWHERE: Self = Self(1);
}

/// The interned region names of a shard: the own one, [`ELSEWHERE`], then the others as they came.
#[derive(Debug)]
pub(super) struct Origins(Vec<Region>);

impl Origins {
    pub(super) fn new(own: Region) -> Self {
        let elsewhere = Region::new(ELSEWHERE).unwrap_or_else(|_| own.clone());
        Self(Vec::from([own, elsewhere]))
    }

    /// The place of `region`, made if need and room be.
    pub(super) fn intern(&mut self, region: &Region) -> Origin {
        let known = self.0.iter().position(|name| name == region);
        let place = known.unwrap_or_else(|| {
            if self.0.len() >= MAX_ORIGINS {
                return usize::from(Origin::ELSEWHERE.0);
            }
            self.0.push(region.clone());
            self.0.len().saturating_sub(1)
        });
        Origin(u16::try_from(place).unwrap_or(Origin::ELSEWHERE.0))
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "`new` puts two names in, and none is ever taken out"
    )]
    pub(super) fn name(&self, origin: Origin) -> &Region {
        // An origin always comes from this table; the own region stands in for the impossible.
        self.0.get(usize::from(origin.0)).unwrap_or(&self.0[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn metadata_takes_sixteen_bytes_and_gives_back_what_went_in() {
        assert_eq!(size_of::<Meta>(), 16);
        let version = Version {
            clock: 0x0123_4567_89ab_cdef,
            node: NodeId::from_bits(0xfeed_beef),
        };
        let meta = Meta::new(version, Origin(9));
        assert_eq!((meta.version(), meta.origin()), (version, Origin(9)));
    }

    #[test]
    fn regions_are_interned_once() {
        let region = |name: &str| Region::new(name).unwrap();
        let mut origins = Origins::new(region("london"));
        assert_eq!(origins.intern(&region("london")), Origin::OWN);
        let paris = origins.intern(&region("paris"));
        assert_ne!(paris, Origin::OWN);
        assert_eq!(origins.intern(&region("paris")), paris);
        assert_eq!(origins.name(paris), &region("paris"));
        assert_eq!(origins.name(Origin::OWN), &region("london"));
    }

    #[test]
    fn a_full_table_forgets_names_and_stays_bounded() {
        let mut origins = Origins::new(Region::new("london").unwrap());
        for n in 0..2 * MAX_ORIGINS {
            let region = Region::new(&format!("r{n}")).unwrap();
            let origin = origins.intern(&region);
            assert_ne!(origin, Origin::OWN);
            let expected = if n < MAX_ORIGINS - 2 {
                region.as_str()
            } else {
                ELSEWHERE
            };
            assert_eq!(origins.name(origin).as_str(), expected);
        }
        assert_eq!(origins.0.len(), MAX_ORIGINS);
        let first = Region::new("r0").unwrap();
        let known = origins.intern(&first);
        assert_eq!(origins.name(known), &first);
    }
}
