//! The names this machine knows.

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
        // By their lengths there are at most two that a name can be.
        match labels {
            [_, rest @ ..] if rest.len() == SERVICE_LABELS.len() => {
                if let Some(id) = instance(labels, SERVICE_LABELS) {
                    return Self::Instance(id);
                }
                if spell(labels, SUBTYPE_LABELS) {
                    return Self::Subtype;
                }
            }
            [_, rest @ ..] if rest.len() == ALIAS_LABELS.len() => {
                if spell(labels, SERVICE_LABELS) {
                    return Self::Service;
                }
                if spell(labels, TYPES_LABELS) {
                    return Self::Types;
                }
                if let Some(id) = instance(labels, ALIAS_LABELS) {
                    return Self::AliasInstance(id);
                }
            }
            _ if spell(labels, ALIAS_LABELS) => return Self::Alias,
            _ => {}
        }
        Self::Other
    }
}

const SERVICE_LABELS: &[&[u8]] = &[b"_server", b"_geocache", b"_tcp", b"local"];
const ALIAS_LABELS: &[&[u8]] = &[b"_geocache", b"_tcp", b"local"];
const SUBTYPE_LABELS: &[&[u8]] = &[b"_server", b"_sub", b"_geocache", b"_tcp", b"local"];
const TYPES_LABELS: &[&[u8]] = &[b"_services", b"_dns-sd", b"_udp", b"local"];

/// Whether `labels` are those of a `known` name.
fn spell(labels: &[Label<'_>], known: &[&[u8]]) -> bool {
    let alike = |(label, part): (&Label<'_>, &&[u8])| {
        let label: &[u8] = label.as_ref();
        label == *part || label.eq_ignore_ascii_case(part)
    };
    labels.len() == known.len() && labels.iter().zip(known).all(alike)
}

/// The node of which `labels` are the instance name in `service`.
fn instance(labels: &[Label<'_>], service: &[&[u8]]) -> Option<NodeId> {
    let (first, rest) = labels.split_first()?;
    let id = node(first)?;
    spell(rest, service).then_some(id)
}

/// Whether `labels` spell `text`, which is without escapes.
pub(super) fn is(labels: &[Label<'_>], text: &str) -> bool {
    let mut parts = text.as_bytes().split(|byte| *byte == b'.');
    labels.iter().all(|label| {
        parts
            .next()
            .is_some_and(|part| part.eq_ignore_ascii_case(label.as_ref()))
    }) && parts.next().is_none()
}

fn node(label: &Label<'_>) -> Option<NodeId> {
    NodeId::read(label.as_ref())
}

/// A host name as a key: its labels, each with its length before it, in lower case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Host(Box<[u8]>);

impl Host {
    pub(super) fn of(name: &Name<'_>) -> Self {
        let labels = name.get_labels();
        let len = |label: &Label<'_>| label.len().saturating_add(1);
        let mut bytes = Vec::with_capacity(labels.iter().map(len).sum());
        for label in labels {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn each_name_is_known_by_its_labels_in_any_case() {
        let id = NodeId::from_bits(0xa1b2_c3d4);
        let of = |text: &str| Known::of(&Name::new_unchecked(text));
        for (text, known) in [
            (SERVICE, Known::Service),
            (ALIAS, Known::Alias),
            (SUBTYPE, Known::Subtype),
            (TYPES, Known::Types),
            (&format!("{id}.{SERVICE}"), Known::Instance(id)),
            (&format!("{id}.{ALIAS}"), Known::AliasInstance(id)),
        ] {
            assert_eq!(of(text), known, "{text}");
            assert_eq!(of(&text.to_ascii_uppercase()), known, "{text}");
            for other in [
                format!("x.{text}"),
                format!("{text}.x"),
                text.replacen("l", "1", 1),
                text.split_once('.').unwrap().1.replacen("_", "__", 1),
            ] {
                let known = of(&other);
                assert!(matches!(known, Known::Other), "{other}: {known:?}");
            }
        }
        assert_eq!(of(&format!("a1b2c3d4e.{SERVICE}")), Known::Other);
        assert_eq!(of("local"), Known::Other);
    }
}
