//! The names this machine knows.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use alloc::boxed::Box;
use alloc::vec::Vec;

use simple_dns::{Label, Name};

use crate::NodeId;

/// The service type of the stock package: one label more than DNS-SD has (RFC 6763 §7).
pub(super) const SERVICE: &str = "_server._geocache._tcp.local";
/// The legal one.
pub(super) const ALIAS: &str = "_geocache._tcp.local";
/// The legal one's subtype, which Apple's resolver makes of the stock type.
pub(super) const SUBTYPE: &str = "_server._sub._geocache._tcp.local";
/// What lists all service types (RFC 6763 §9).
pub(super) const TYPES: &str = "_services._dns-sd._udp.local";

/// What a name is to this machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Known {
    /// [`SERVICE`].
    Service,
    /// `<id>` of [`SERVICE`].
    Instance(NodeId),
    /// [`TYPES`].
    Types,
    /// [`ALIAS`].
    Alias,
    /// [`SUBTYPE`].
    Subtype,
    /// `<id>` of [`ALIAS`].
    AliasInstance(NodeId),
    /// Any other: a host, or no business of ours.
    Other,
}

impl Known {
    /// What `name` is, ASCII case ignored (RFC 6762 §16).
    pub(super) fn of(name: &Name<'_>) -> Self {
        let labels = name.get_labels();
        if is(labels, SERVICE) {
            return Self::Service;
        }
        if is(labels, TYPES) {
            return Self::Types;
        }
        if is(labels, ALIAS) {
            return Self::Alias;
        }
        if is(labels, SUBTYPE) {
            return Self::Subtype;
        }
        let Some((first, rest)) = labels.split_first() else {
            return Self::Other;
        };
        match node(first) {
            Some(id) if is(rest, SERVICE) => Self::Instance(id),
            Some(id) if is(rest, ALIAS) => Self::AliasInstance(id),
            _ => Self::Other,
        }
    }
}

/// Whether `labels` spell `text`, which is without escapes.
pub(super) fn is(labels: &[Label<'_>], text: &str) -> bool {
    let mut parts = text.split('.');
    labels.iter().all(|label| {
        parts
            .next()
            .is_some_and(|part| part.as_bytes().eq_ignore_ascii_case(label.as_ref()))
    }) && parts.next().is_none()
}

fn node(label: &Label<'_>) -> Option<NodeId> {
    core::str::from_utf8(label.as_ref()).ok()?.parse().ok()
}

/// A host name as a key: its labels, each with its length before it, in lower case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Host(Box<[u8]>);

impl Host {
    pub(super) fn of(name: &Name<'_>) -> Self {
        let mut bytes = Vec::new();
        for label in name.get_labels() {
            // A label read from the wire has at most 63 bytes.
            bytes.push(u8::try_from(label.len()).unwrap_or_default());
            bytes.extend_from_slice(label.as_ref());
        }
        bytes.make_ascii_lowercase();
        Self(bytes.into())
    }

    pub(super) fn to_name(&self) -> Name<'_> {
        let mut labels = Vec::new();
        let mut rest = &*self.0;
        while let Some((&length, behind)) = rest.split_first() {
            let Some((label, after)) = behind.split_at_checked(length.into()) else {
                break;
            };
            labels.push(Label::new_unchecked(label));
            rest = after;
        }
        Name::new_with_labels(&labels)
    }
}
