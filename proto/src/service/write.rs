//! A write that was stored here, and the copies of it that peers get.

use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::cache::{Record, State};
use crate::cluster::{Peer, RegionView, View};
use crate::http::{Host, Options, Outgoing, Target};
use crate::op::{self, Scope};
use crate::{Instant, Region, Version};

/// The longest value whose copy is short, in bytes.
const SHORT: usize = 16 << 10;

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
        self.is_short() && !recurse
    }

    /// Whether the copy for `peer` may share a connection with others: it is short, it bears being sent
    /// twice, and no spread delays its answer.
    #[must_use]
    pub fn may_share(&self, peer: &Peer, recurse: bool) -> bool {
        peer.capable && !recurse && self.is_short()
    }

    /// The copies that [may share](Self::may_share) a connection, whoever they are for. `None` once the
    /// write's life is over.
    #[must_use]
    pub fn template(&self, now: Instant) -> Option<Template> {
        let life = self.life(now)?;
        let mut options = Options {
            local: true,
            version: Some(self.version),
            ..Options::default()
        };
        let request = match &self.change {
            Change::Put { value } => {
                options.expiry = Some(life);
                Outgoing::put_anywhere(&self.region, &self.key, value, &options)
            }
            Change::Delete => Outgoing::delete_anywhere(&self.region, &self.key, &options),
        };
        Some(Template { request, life })
    }

    /// The bytes of its value, which each copy carries; none of a deletion.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        match &self.change {
            Change::Put { value } => value.len(),
            Change::Delete => 0,
        }
    }

    /// The same, but none of a short one: those that take their time, and count as [`op::Freight`].
    #[must_use]
    pub const fn bulk(&self) -> usize {
        if self.is_short() { 0 } else { self.bytes() }
    }

    const fn is_short(&self) -> bool {
        self.bytes() <= SHORT
    }

    /// The seconds it has still to live; `None` once its life is over. A part of one rounds up: the
    /// value must not die early.
    fn life(&self, now: Instant) -> Option<u32> {
        let remaining = self.expires.saturating_since(now);
        if remaining.is_zero() {
            return None;
        }
        let part = u64::from(remaining.subsec_nanos() > 0);
        let seconds = remaining.as_secs().saturating_add(part);
        let seconds = u32::try_from(seconds).unwrap_or(Target::MAX_EXPIRY);
        Some(seconds.min(Target::MAX_EXPIRY))
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
        let life = self.life(now)?;
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
                let options = Options {
                    expiry: Some(life),
                    ..options
                };
                Outgoing::put(peer.addr, &self.region, &self.key, value.clone(), &options)
            }
            Change::Delete => Outgoing::delete(peer.addr, &self.region, &self.key, &options),
        })
    }
}

/// A write's copies for nodes of ours: the same bytes for each, but for its address.
#[derive(Clone, Debug)]
pub struct Template {
    request: Outgoing,
    life: u32,
}

impl Template {
    /// Appends the copy of `write` for the node at `host` to `out`; nothing once the write's life is over.
    pub fn write_to(&self, write: &Write, now: Instant, host: &Host, out: &mut Vec<u8>) {
        match write.life(now) {
            Some(life) if life == self.life => self.request.write_for(host, out),
            // It has waited for so long that it would live too long.
            Some(_) => {
                if let Some(renewed) = write.template(now) {
                    renewed.request.write_for(host, out);
                }
            }
            None => {}
        }
    }
}
