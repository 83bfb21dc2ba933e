//! Rare branches of the core, made frequent: what a run draws of it, and what came of that.
//! Without the feature `buggify` there is none of it.

use zerocache_proto::{Buggify, Point};

use crate::world::World;

#[cfg(feature = "buggify")]
pub(crate) fn buggify(seed: Option<u64>) -> Buggify {
    seed.map_or(Buggify::OFF, Buggify::new)
}

#[cfg(not(feature = "buggify"))]
pub(crate) const fn buggify(_: Option<u64>) -> Buggify {
    Buggify::OFF
}

impl World {
    /// Rare branches are rare again; counts what was made to happen.
    pub(crate) fn calm(&mut self) {
        #[cfg(feature = "buggify")]
        self.buggify.end();
        for point in Point::ALL {
            self.coverage.add(point.name(), self.count(point));
        }
    }

    /// Whether a node has too little room for its tombstones.
    pub(crate) fn forgets(&self) -> bool {
        self.count(Point::TwoTombstones) > 0
    }

    #[cfg(feature = "buggify")]
    fn count(&self, point: Point) -> u64 {
        let mut counts = self.buggify.counts();
        let count = counts.find(|(of, _)| *of == point);
        count.map_or(0, |(_, count)| count.into())
    }

    #[cfg(not(feature = "buggify"))]
    #[expect(clippy::unused_self, reason = "with the feature it is used")]
    const fn count(&self, _: Point) -> u64 {
        0
    }
}
