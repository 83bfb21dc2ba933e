//! Rare branches taken often, on purpose, so that a simulator need not wait for them: a page of one
//! record, a timer at its earliest, a connection that is gone when it is wanted.
//!
//! Whatever a [`Point`] does is something that may happen anyway: no promise of a node is weaker for it.
//! The handle is given to each machine and travels with its chance ([`Rng`](crate::Rng)); it costs
//! nothing, and takes no room, without the feature `buggify`. With it, all is off until a handle is
//! made by [`Buggify::new`], which decides by its seed which half of the points is active in this
//! run; those fire one time in four. (`FoundationDB` has found its bugs that way.)

#[cfg(feature = "buggify")]
use alloc::sync::Arc;
#[cfg(feature = "buggify")]
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

/// A handle to the points of a run; clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Buggify {
    #[cfg(feature = "buggify")]
    run: Option<Arc<Run>>,
}

#[cfg(feature = "buggify")]
#[derive(Debug)]
struct Run {
    active: u64,
    draws: AtomicU64,
    over: AtomicBool,
    hits: [AtomicU32; Point::ALL.len()],
}

macro_rules! points {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)+) => {
        /// Where something rare can be made to happen.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Point {
            $($(#[$doc])* $name,)+
        }

        impl Point {
            /// All of them.
            pub const ALL: [Self; [$(Self::$name),+].len()] = [$(Self::$name),+];

            /// What it does, in some words.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => concat!("buggify: ", $text),)+
                }
            }
        }
    };
}

points! {
    /// A write is answered only when its time is up, though all copies are there.
    AckLate = "ack at the last moment",
    /// A choice falls on the first.
    ChooseFirst = "the first chosen",
    /// The wall clock shows tenths of a second, so that versions of different nodes tie.
    CoarseClock = "clock of tenths",
    /// A digest that is the same is taken to differ everywhere.
    DigestDiffers = "digest differs",
    /// A time between two is the earlier one.
    Earliest = "earliest time",
    /// Expired records are freed one at a time.
    ExpireOne = "one record freed",
    /// A queue has room for one peer.
    HandoffOnePeer = "queue for one peer",
    /// A queue has room for two keys.
    HandoffTwoKeys = "queue of two keys",
    /// Only one key of a queue is on its way at a time.
    HandoffWindow = "queue's window of one",
    /// A node that asks for members does not say who it is.
    HelloLeftOut = "hello left out",
    /// A hello is not listened to.
    HelloUnheard = "hello unheard",
    /// A connection is closed that could have been kept.
    IdleClosed = "idle connection closed",
    /// A swing is as far to the one side as it goes.
    JitterLeast = "least jitter",
    /// Or to the other.
    JitterMost = "most jitter",
    /// A question lists no known answers.
    KnownAnswersLeftOut = "known answers left out",
    /// An answer is suppressed as if it were known.
    KnownAnswerSuppressed = "answer suppressed",
    /// Members tell of one other node at most.
    MembersShort = "members cut short",
    /// What a peer tells of others is not read.
    MembersUnread = "members unread",
    /// A hint that there may be something new is not taken.
    HintIgnored = "hint ignored",
    /// Somebody is asked for members at once again.
    PollSoon = "members asked soon",
    /// A kept connection is dropped just before its use.
    PoolDropped = "kept connection dropped",
    /// A peer is pinged at once again.
    ProbeEarly = "probe early",
    /// A peer is pinged a second later.
    ProbeLate = "probe late",
    /// What arrives is read byte by byte for a while.
    ReadByte = "read of one byte",
    /// A write finds no room among those being spread.
    SpreadsFull = "no room to spread",
    /// A node that is new is not greeted.
    StrangerUngreeted = "stranger ungreeted",
    /// A page of a comparison has room for one record.
    SyncPageOfOne = "page of one record",
    /// A round of comparing ends after few answers.
    SyncRoundShort = "round cut short",
    /// The next comparison comes soon.
    SyncSoon = "comparison soon",
    /// There is room for two tombstones.
    TwoTombstones = "two tombstones",
}

impl Buggify {
    /// No point ever fires.
    pub const OFF: Self = Self {
        #[cfg(feature = "buggify")]
        run: None,
    };

    /// The points of one run: which are active, and when they fire, follows from `seed`.
    #[cfg(feature = "buggify")]
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut rng = crate::Rng::new(seed);
        let run = Run {
            active: rng.next_u64(),
            draws: AtomicU64::new(rng.next_u64()),
            over: AtomicBool::new(false),
            hits: [const { AtomicU32::new(0) }; Point::ALL.len()],
        };
        Self {
            run: Some(Arc::new(run)),
        }
    }

    /// Whether `point` fires this time.
    #[inline]
    #[must_use]
    pub fn hits(&self, point: Point) -> bool {
        #[cfg(feature = "buggify")]
        return self.run.as_ref().is_some_and(|run| run.draw(point));
        #[cfg(not(feature = "buggify"))]
        {
            let _ = point;
            false
        }
    }

    /// Nothing fires from now on. What was built small stays small.
    #[cfg(feature = "buggify")]
    pub fn end(&self) {
        if let Some(run) = &self.run {
            run.over.store(true, Relaxed);
        }
    }

    /// How often each point has fired.
    #[cfg(feature = "buggify")]
    pub fn counts(&self) -> impl Iterator<Item = (Point, u32)> + '_ {
        let counts = self.run.iter().flat_map(|run| run.hits.iter());
        let counts = counts.map(|count| count.load(Relaxed));
        Point::ALL.into_iter().zip(counts)
    }
}

#[cfg(feature = "buggify")]
impl Run {
    fn draw(&self, point: Point) -> bool {
        let place = point as usize;
        if self.active >> (place % 64) & 1 == 0 || self.over.load(Relaxed) {
            return false;
        }
        let mut rng = crate::Rng::new(self.draws.load(Relaxed));
        let drawn = rng.next_u64();
        self.draws.store(drawn, Relaxed);
        let fires = drawn >> 62 == 0;
        if let Some(count) = self.hits.get(place).filter(|_| fires) {
            count.fetch_add(1, Relaxed);
        }
        fires
    }
}

#[cfg(all(test, feature = "buggify"))]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn half_of_the_points_are_active_and_those_fire_one_time_in_four() {
        let mut active = 0;
        for seed in 0..200 {
            let run = Buggify::new(seed);
            for point in Point::ALL {
                let hits = (0..100).filter(|_| run.hits(point)).count();
                active += usize::from(hits > 0);
                assert!(hits == 0 || (5..60).contains(&hits), "{hits} of 100");
            }
        }
        let all = 200 * Point::ALL.len();
        assert!(
            (all * 4..all * 6).contains(&(active * 10)),
            "{active} of {all}"
        );
    }

    #[test]
    fn the_same_seed_fires_the_same_and_what_is_off_or_over_never() {
        let fires = |run: &Buggify| -> Vec<bool> {
            let points = Point::ALL.iter().cycle().take(1_000);
            points.map(|point| run.hits(*point)).collect()
        };
        let (one, other) = (Buggify::new(7), Buggify::new(7));
        assert_eq!(fires(&one), fires(&other));
        let fired = fires(&one).into_iter().filter(|hit| *hit).count();
        let counted = |run: &Buggify| run.counts().map(|(_, count)| count as usize).sum::<usize>();
        assert!(fired > 0);
        assert_eq!(counted(&one), counted(&other) + fired);
        one.end();
        assert!(!fires(&one).contains(&true));
        assert!(!fires(&Buggify::OFF).contains(&true));
    }

    #[test]
    fn a_point_has_a_name_of_its_own_and_a_bit() {
        let names: alloc::collections::BTreeSet<_> = Point::ALL.map(Point::name).into();
        assert_eq!(names.len(), Point::ALL.len());
        assert!((20..=64).contains(&Point::ALL.len()));
    }
}
