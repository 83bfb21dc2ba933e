//! What a path names.

use super::Page;
use crate::Region;
use crate::http::{InvalidTarget, Name, Status, Target};

/// What a path names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Route<'t> {
    /// A key, under a region's path.
    Record { region: &'t str, key: &'t [u8] },
    /// Something to be read only.
    Known(Known),
}

/// What can be read beside keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Known {
    Ping,
    LocalInfo,
    RemoteInfo,
    Health,
    Ready,
    Members,
    Digest,
    Records,
    Page(Page),
}

/// Why a path names nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Refusal {
    pub(super) status: Status,
    pub(super) reason: &'static str,
}

impl<'t> Route<'t> {
    /// What `target`'s path names.
    pub(super) fn of(target: &'t Target<'_>) -> Result<Self, Refusal> {
        let known = match target.segments() {
            [] => Known::Page(Page::Index),
            [page] => match &**page {
                b"ping" => Known::Ping,
                b"local_cache_info" => Known::LocalInfo,
                b"remote_cache_info" => Known::RemoteInfo,
                b"healthz" => Known::Health,
                b"readyz" => Known::Ready,
                b"metrics" => Known::Page(Page::Metrics),
                b"status" => Known::Page(Page::Status),
                _ => return Err(Refusal::UNKNOWN),
            },
            // No region can be called `_zc`: what is under it is for nodes among themselves.
            [zc, version, name] if **zc == *b"_zc" && **version == *b"1" => match &**name {
                b"members" => Known::Members,
                b"digest" => Known::Digest,
                b"records" => Known::Records,
                _ => return Err(Refusal::UNKNOWN),
            },
            [zc, ..] if **zc == *b"_zc" => return Err(Refusal::UNKNOWN),
            _ => return Self::record(target),
        };
        Ok(Self::Known(known))
    }

    fn record(target: &'t Target<'_>) -> Result<Self, Refusal> {
        let Name { region, key } = target.key()?.ok_or(Refusal::UNKNOWN)?;
        let region = core::str::from_utf8(region).ok();
        let region = region.filter(|region| Region::is_valid(region));
        let region = region.ok_or(Refusal::REGION)?;
        Ok(Self::Record { region, key })
    }
}

impl Refusal {
    const UNKNOWN: Self = Self {
        status: Status::NotFound,
        reason: "no such page\n",
    };
    pub(super) const REGION: Self = Self {
        status: Status::BadRequest,
        reason: "no name for a region\n",
    };
}

impl From<InvalidTarget> for Refusal {
    fn from(invalid: InvalidTarget) -> Self {
        match invalid {
            InvalidTarget::Malformed => Self {
                status: Status::BadRequest,
                reason: "malformed percent-encoding\n",
            },
            InvalidTarget::KeyTooLong => Self {
                status: Status::UriTooLong,
                reason: "key longer than 4096 bytes\n",
            },
            InvalidTarget::TooDeep => Self::UNKNOWN,
        }
    }
}
