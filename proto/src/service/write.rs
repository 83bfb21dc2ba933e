//! A write that was stored here, and the copies of it that peers get.

use alloc::sync::Arc;

use bytes::Bytes;

use crate::cache::{Record, State};
use crate::cluster::{Peer, RegionView, View};
use crate::http::{Options, Outgoing, Target};
use crate::op::{self, Scope};
use crate::{Instant, Region, Version};

/// The longest value whose copy says how far a peer is, in bytes.
const MEASURING: usize = 16 << 10;

/// A write, with all that its copies need.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Write {
    /// The region it was made in: the one in its path.
    pub region: Region,
    /// The decoded key.
    pub key: Bytes,
    /// What became of the key.
    pub change: Change,
    /// Its version.
    pub version: Version,
    /// When its life ends: after that there is nothing to copy.
    pub expires: Instant,
    /// Who gets copies from here.
    pub scope: Scope,
}

/// What a write does to its key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// It has this value.
    Put {
        /// The value.
        value: Bytes,
    },
    /// It is deleted.
    Delete,
}

impl Write {
    /// The write that made `record`, for a peer that has missed it.
    #[must_use]
    pub fn of(key: &[u8], record: &Record<'_>) -> Self {
        Self {
            region: record.origin.clone(),
            key: Bytes::copy_from_slice(key),
            change: match &record.state {
                State::Value(value) => Change::Put {
                    value: value.to_bytes(),
                },
                State::Tombstone => Change::Delete,
            },
            version: record.version,
            expires: record.expires,
            scope: Scope {
                local: false,
                remote: false,
            },
        }
    }

    /// What the write does, for the queue of a peer that could not be reached.
    #[must_use]
    pub const fn kind(&self) -> op::Change {
        match self.change {
            Change::Put { .. } => op::Change::Put,
            Change::Delete => op::Change::Delete,
        }
    }

    /// Whether the time a copy takes tells how far its peer is: not if that includes the peer's own
    /// spread, or a body that takes a while by itself.
    #[must_use]
    pub fn measures(&self, recurse: bool) -> bool {
        let small = match &self.change {
            Change::Put { value } => value.len() <= MEASURING,
            Change::Delete => true,
        };
        small && !recurse
    }

    /// Who is to get a copy from here, and whether they are to spread it in their own region: every
    /// node of the own region, one of each other, ours rather than stock ones.
    ///
    /// [`op::Fanout`] sees to that by itself; this is for a write whose spread can not even begin,
    /// because too many others have not ended.
    pub fn receivers<'a>(&self, view: &'a View) -> impl Iterator<Item = (&'a Arc<Peer>, bool)> {
        let (local, absent): (&[_], &[_]) = match self.scope.local {
            true => (&view.local, &view.absent),
            false => (&[], &[]),
        };
        let remote: &[_] = if self.scope.remote {
            &view.regions
        } else {
            &[]
        };
        let entries = remote.iter().filter_map(|region: &RegionView| {
            let ours = region.peers.iter().find(|peer| peer.capable);
            ours.or(region.peers.first())
        });
        let local = local.iter().chain(absent).map(|peer| (peer, false));
        local.chain(entries.map(|peer| (peer, true)))
    }

    /// The request that copies the write to `peer`, which is to spread it in its own region if
    /// `recurse` is set. `None` once the write's life is over.
    ///
    /// The copy says how long it has still to live, so that all copies die together, and to a node
    /// of ours its version. A stock node ignores what it does not know.
    #[must_use]
    pub fn request_for(&self, now: Instant, peer: &Peer, recurse: bool) -> Option<Outgoing> {
        let remaining = self.expires.saturating_since(now);
        if remaining.is_zero() {
            return None;
        }
        // A stock node of the very region in the path would take the write for a client's and
        // send it back to every other region, without its life.
        let recurse = recurse && (peer.capable || peer.region != self.region);
        let options = Options {
            local: !recurse,
            version: peer.capable.then_some(self.version),
            ..Options::default()
        };
        Some(match &self.change {
            Change::Put { value } => {
                // A part of a second rounds up: the value must not die early.
                let seconds = remaining.as_nanos().div_ceil(1_000_000_000);
                let expiry = u32::try_from(seconds).unwrap_or(Target::MAX_EXPIRY);
                let options = Options {
                    expiry: Some(expiry.min(Target::MAX_EXPIRY)),
                    ..options
                };
                Outgoing::put(peer.addr, &self.region, &self.key, value.clone(), &options)
            }
            Change::Delete => Outgoing::delete(peer.addr, &self.region, &self.key, &options),
        })
    }
}
