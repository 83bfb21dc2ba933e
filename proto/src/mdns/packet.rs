//! The messages this machine sends. Always into a `Vec`, names compressed, then measured: the codec
//! can neither tell a length beforehand nor write into a buffer that may be too short.

use alloc::vec::Vec;
use core::net::Ipv4Addr;

use simple_dns::rdata::{PTR, RData};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, ResourceRecord, TYPE};

use super::names::{Host, SERVICE};
use super::zone::{Record, Records, Zone};
use crate::NodeId;

/// The longest payload sent over IPv4 (RFC 6762 §17): an Ethernet frame's, headers and some slack off.
pub(super) const MAX_PAYLOAD: usize = 1_452;
/// The longest answer to a resolver that is no mDNS querier.
const MAX_LEGACY: usize = 512;
/// Its longest TTL (RFC 6762 §6.7), seconds.
const LEGACY_TTL: u32 = 10;
/// Known answers that fit into one query: each takes 23 bytes.
const MAX_KNOWN: usize = 60;

/// Something to ask for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Ask {
    /// All instances.
    Service,
    /// Where an instance is.
    Srv(NodeId),
    /// Its attributes.
    Txt(NodeId),
    /// A host's address.
    A(Host),
}

/// All records as answers; with TTL 0 if it is a `goodbye`.
pub(super) fn announcement(zone: &Zone, address: Ipv4Addr, goodbye: bool) -> Vec<u8> {
    let mut packet = reply(0);
    for record in zone.announced().iter() {
        let mut record = zone.record(record, address);
        if goodbye {
            record.ttl = 0;
        }
        packet.answers.push(record);
    }
    bytes(&packet)
}

/// "I want these names" (RFC 6762 §8.1): a question for each, the records in the authority section.
/// By multicast only: a unicast reply might reach another process of this host.
pub(super) fn probe(zone: &Zone, address: Ipv4Addr) -> Vec<u8> {
    let mut packet = Packet::new_query(0);
    for name in [zone.instance(), zone.host(), zone.alias()] {
        if !name.is_empty() {
            packet
                .questions
                .push(question(Name::new_unchecked(name), QTYPE::ANY));
        }
    }
    for record in zone.unique().iter() {
        // The flush bit belongs to responses (RFC 6762 §10.2).
        let record = zone.record(record, address).with_cache_flush(false);
        packet.name_servers.push(record);
    }
    bytes(&packet)
}

/// An answer, with what belongs to it.
pub(super) fn answer(zone: &Zone, address: Ipv4Addr, answers: Records) -> Vec<u8> {
    let mut packet = reply(0);
    let record = |record| zone.record(record, address);
    packet.answers = answers.iter().map(record).collect();
    packet.additional_records = zone.additionals(answers).iter().map(record).collect();
    bytes(&packet)
}

/// An answer to a resolver that is no mDNS querier (RFC 6762 §6.7): its id and questions back, short
/// TTLs, no cache-flush bits.
pub(super) fn legacy(
    zone: &Zone,
    address: Ipv4Addr,
    id: u16,
    questions: &[&Question<'_>],
    answers: Records,
) -> Option<Vec<u8>> {
    let mut packet = reply(id);
    packet.questions = questions.iter().map(|q| (*q).clone()).collect();
    for question in &mut packet.questions {
        question.unicast_response = false;
    }
    let record = |record: Record| {
        let mut record = zone.record(record, address).with_cache_flush(false);
        record.ttl = record.ttl.min(LEGACY_TTL);
        record
    };
    packet.answers = answers.iter().map(record).collect();
    packet.additional_records = zone.additionals(answers).iter().map(record).collect();
    let whole = bytes(&packet);
    if whole.len() <= MAX_LEGACY {
        return Some(whole);
    }
    packet.additional_records.clear();
    let short = bytes(&packet);
    (short.len() <= MAX_LEGACY).then_some(short)
}

/// Queries for `asks`, in as many packets as it takes. `known` are the instances not to be told again,
/// with the seconds left (RFC 6762 §7.1); beyond one packet's fill they follow with TC set (§7.2).
pub(super) fn queries(asks: &[Ask], known: &[(NodeId, u32)]) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    let service = asks.contains(&Ask::Service);
    let single: Vec<&Ask> = asks.iter().filter(|ask| **ask != Ask::Service).collect();
    split(&single, &mut out);
    if service {
        let mut parts = known.chunks(MAX_KNOWN);
        let mut part = parts.next().unwrap_or_default();
        let mut first = true;
        loop {
            let next = parts.next();
            out.push(browse(first, part, next.is_some()));
            first = false;
            match next {
                Some(next) => part = next,
                None => break,
            }
        }
    }
    out
}

fn browse(first: bool, known: &[(NodeId, u32)], more: bool) -> Vec<u8> {
    let names: Vec<_> = known
        .iter()
        .map(|(id, ttl)| (alloc::format!("{id}.{SERVICE}"), *ttl))
        .collect();
    let mut packet = Packet::new_query(0);
    if first {
        let service = Name::new_unchecked(SERVICE);
        packet.questions.push(question(service, TYPE::PTR.into()));
    }
    for (name, ttl) in &names {
        let data = RData::PTR(PTR(Name::new_unchecked(name)));
        let owner = Name::new_unchecked(SERVICE);
        packet
            .answers
            .push(ResourceRecord::new(owner, CLASS::IN, *ttl, data));
    }
    if more {
        packet.set_flags(PacketFlag::TRUNCATION);
    }
    bytes(&packet)
}

/// The questions in as few packets as halving gives.
fn split(asks: &[&Ask], out: &mut Vec<Vec<u8>>) {
    if asks.is_empty() {
        return;
    }
    let names: Vec<_> = asks
        .iter()
        .map(|ask| match ask {
            Ask::Srv(id) | Ask::Txt(id) => alloc::format!("{id}.{SERVICE}"),
            Ask::Service | Ask::A(_) => SERVICE.into(),
        })
        .collect();
    let mut packet = Packet::new_query(0);
    for (ask, name) in asks.iter().zip(&names) {
        let (name, kind) = match ask {
            Ask::Service => (Name::new_unchecked(name), TYPE::PTR),
            Ask::Srv(_) => (Name::new_unchecked(name), TYPE::SRV),
            Ask::Txt(_) => (Name::new_unchecked(name), TYPE::TXT),
            Ask::A(host) => (host.to_name(), TYPE::A),
        };
        packet.questions.push(question(name, kind.into()));
    }
    let whole = bytes(&packet);
    match asks.split_at_checked(asks.len() / 2) {
        Some((left, right)) if whole.len() > MAX_PAYLOAD && !left.is_empty() => {
            split(left, out);
            split(right, out);
        }
        _ => out.push(whole),
    }
}

/// What the tie-break compares (RFC 6762 §8.2): class, type, and the data with its names in full.
pub(super) fn rank(record: &ResourceRecord<'_>) -> (u16, u16, Vec<u8>) {
    let mut packet = Packet::new_query(0);
    packet.answers.push(ResourceRecord {
        name: Name::new_with_labels(&[]),
        ..record.clone()
    });
    let mut data = packet.build_bytes_vec().unwrap_or_default();
    // Header, the root name, and what stands before the data.
    data.drain(..data.len().min(12 + 1 + 10));
    (record.class.into(), record.rdata.type_code().into(), data)
}

fn question(name: Name<'_>, kind: QTYPE) -> Question<'_> {
    Question::new(name, kind, QCLASS::CLASS(CLASS::IN), false)
}

fn reply<'a>(id: u16) -> Packet<'a> {
    let mut packet = Packet::new_reply(id);
    packet.set_flags(PacketFlag::AUTHORITATIVE_ANSWER);
    packet
}

fn bytes(packet: &Packet<'_>) -> Vec<u8> {
    // Writing into memory does not fail.
    packet.build_bytes_vec_compressed().unwrap_or_default()
}
