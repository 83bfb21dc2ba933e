//! The records of the announced service.

use alloc::format;
use alloc::string::String;
use core::net::Ipv4Addr;

use simple_dns::rdata::{A, NSEC, PTR, RData, SRV, TXT};
use simple_dns::{CLASS, Name, QTYPE, ResourceRecord, TYPE};

use super::Service;
use super::names::{ALIAS, Known, SERVICE, SUBTYPE, TYPES, is};
use crate::{Duration, NodeId};

/// A quarter of the usual 75 minutes: python-zeroconf raises anything shorter to this, and so long
/// does it believe in a node that died without a goodbye.
const PTR_TTL: u32 = 1_125;
/// RFC 6762 §10: records without a host name in them, or about one.
const LONG_TTL: u32 = 4_500;
const HOST_TTL: u32 = 120;

/// One of the records.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Record {
    Ptr,
    Srv,
    Txt,
    A,
    /// "The host has an A record and nothing else" (RFC 6762 §6.1).
    HostNsec,
    /// The same of the instance name.
    InstanceNsec,
    /// The service type in the list of types (RFC 6763 §9).
    Type,
    AliasPtr,
    SubtypePtr,
    AliasSrv,
    AliasTxt,
    AliasNsec,
    AliasType,
}

impl Record {
    pub(super) const ALL: [Self; 13] = [
        Self::Ptr,
        Self::Srv,
        Self::Txt,
        Self::A,
        Self::HostNsec,
        Self::InstanceNsec,
        Self::Type,
        Self::AliasPtr,
        Self::SubtypePtr,
        Self::AliasSrv,
        Self::AliasTxt,
        Self::AliasNsec,
        Self::AliasType,
    ];

    /// Whether other hosts have records of this name and type too.
    pub(super) const fn is_shared(self) -> bool {
        matches!(
            self,
            Self::Ptr | Self::Type | Self::AliasPtr | Self::SubtypePtr | Self::AliasType
        )
    }

    /// Seconds.
    pub(super) const fn ttl(self) -> u32 {
        match self {
            Self::Ptr | Self::AliasPtr | Self::SubtypePtr => PTR_TTL,
            Self::Txt | Self::AliasTxt | Self::Type | Self::AliasType => LONG_TTL,
            _ => HOST_TTL,
        }
    }

    /// A quarter of the TTL: how long a multicast serves for those who ask for unicast (RFC 6762 §5.4).
    pub(super) fn recent(self) -> Duration {
        Duration::from_secs(u64::from(self.ttl() / 4))
    }
}

/// A set of records.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Records(u16);

impl Records {
    pub(super) const NONE: Self = Self(0);

    pub(super) fn of(records: &[Record]) -> Self {
        records
            .iter()
            .fold(Self::NONE, |set, record| set.with(*record))
    }

    pub(super) const fn with(self, record: Record) -> Self {
        Self(self.0 | (1 << record as u8))
    }

    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) const fn contains(self, record: Record) -> bool {
        self.0 & (1 << record as u8) != 0
    }

    pub(super) fn iter(self) -> impl Iterator<Item = Record> {
        Record::ALL.into_iter().filter(move |r| self.contains(*r))
    }
}

/// The names and data of the service; the address is the interface's affair.
#[derive(Debug)]
pub(super) struct Zone {
    service: Service,
    instance: String,
    /// Never the machine's own host name: that one has an owner, who would see a conflict.
    host: String,
    /// Empty without the alias.
    alias: String,
    region: String,
    /// Whom it stands in for, if it is no node of its own: `for=…`.
    dead: String,
}

impl Zone {
    pub(super) fn new(service: Service, alias: bool) -> Self {
        let id = service.id;
        let alias = alias.then(|| format!("{id}.{ALIAS}"));
        Self {
            instance: format!("{id}.{SERVICE}"),
            host: format!("{id}.local"),
            alias: alias.unwrap_or_default(),
            // Lower case: stock listeners die of a TXT without this very key.
            region: format!("region={}", service.region),
            dead: String::new(),
            service,
        }
    }

    /// Another name for a node, in place of one that is dead.
    pub(super) fn standing_in(service: Service, dead: NodeId) -> Self {
        Self {
            dead: format!("for={dead}"),
            ..Self::new(service, false)
        }
    }

    pub(super) const fn service(&self) -> &Service {
        &self.service
    }

    pub(super) fn has_alias(&self) -> bool {
        !self.alias.is_empty()
    }

    pub(super) fn instance(&self) -> &str {
        &self.instance
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Empty without the alias.
    pub(super) fn alias(&self) -> &str {
        &self.alias
    }

    /// What an announcement and a goodbye hold.
    pub(super) fn announced(&self) -> Records {
        use Record::{AliasPtr, AliasSrv, AliasTxt, HostNsec, Ptr, Srv, SubtypePtr, Txt};
        let base = Records::of(&[Ptr, Srv, Txt, Record::A, HostNsec]);
        if self.has_alias() {
            base.and(Records::of(&[AliasPtr, SubtypePtr, AliasSrv, AliasTxt]))
        } else {
            base
        }
    }

    /// What has to be unique, and is probed for.
    pub(super) fn unique(&self) -> Records {
        let base = Records::of(&[Record::Srv, Record::Txt, Record::A]);
        if self.has_alias() {
            base.and(Records::of(&[Record::AliasSrv, Record::AliasTxt]))
        } else {
            base
        }
    }

    /// The record to send.
    pub(super) fn record(&self, record: Record, address: Ipv4Addr) -> ResourceRecord<'_> {
        let (owner, data) = match record {
            Record::Ptr => (SERVICE, pointer(&self.instance)),
            Record::Srv => (self.instance(), self.location()),
            Record::Txt => (self.instance(), self.attributes()),
            Record::A => (self.host(), RData::A(A::from(address))),
            Record::HostNsec => (self.host(), only(&self.host, &[TYPE::A])),
            Record::InstanceNsec => {
                let data = only(&self.instance, &[TYPE::TXT, TYPE::SRV]);
                (self.instance(), data)
            }
            Record::Type => (TYPES, pointer(SERVICE)),
            Record::AliasPtr => (ALIAS, pointer(&self.alias)),
            Record::SubtypePtr => (SUBTYPE, pointer(&self.alias)),
            Record::AliasSrv => (self.alias(), self.location()),
            Record::AliasTxt => (self.alias(), self.attributes()),
            Record::AliasNsec => (self.alias(), only(&self.alias, &[TYPE::TXT, TYPE::SRV])),
            Record::AliasType => (TYPES, pointer(ALIAS)),
        };
        let owner = Name::new_unchecked(owner);
        ResourceRecord::new(owner, CLASS::IN, record.ttl(), data)
            .with_cache_flush(!record.is_shared())
    }

    fn location(&self) -> RData<'_> {
        RData::SRV(SRV {
            priority: 0,
            weight: 0,
            port: self.service.port,
            target: Name::new_unchecked(&self.host),
        })
    }

    fn attributes(&self) -> RData<'_> {
        let mut txt = TXT::new();
        for string in [self.region.as_str(), "zc=1", &self.dead] {
            if !string.is_empty() {
                // Cannot fail: a region has at most 64 bytes, a string may have 255.
                let _ = txt.add_string(string);
            }
        }
        RData::TXT(txt)
    }

    /// The records that answer a question.
    pub(super) fn answers(&self, name: &Name<'_>, kind: QTYPE) -> Records {
        let any = kind == QTYPE::ANY;
        let asks = |wanted: TYPE| any || kind == QTYPE::TYPE(wanted);
        let pointers = |records: &[Record]| match asks(TYPE::PTR) {
            true => Records::of(records),
            false => Records::NONE,
        };
        let own = self.service.id;
        match Known::of(name) {
            Known::Service => pointers(&[Record::Ptr]),
            Known::Instance(id) if id == own => {
                exact(kind, Record::Srv, Record::Txt, Record::InstanceNsec)
            }
            Known::Types if self.has_alias() => pointers(&[Record::Type, Record::AliasType]),
            Known::Types => pointers(&[Record::Type]),
            Known::Alias if self.has_alias() => pointers(&[Record::AliasPtr]),
            Known::Subtype if self.has_alias() => pointers(&[Record::SubtypePtr]),
            Known::AliasInstance(id) if id == own && self.has_alias() => {
                exact(kind, Record::AliasSrv, Record::AliasTxt, Record::AliasNsec)
            }
            Known::Other if self.is_host(name) => match asks(TYPE::A) {
                true => Records::of(&[Record::A]),
                false => Records::of(&[Record::HostNsec]),
            },
            _ => Records::NONE,
        }
    }

    /// What goes along in the same packet (RFC 6763 §12): a PTR that does not resolve at once ends a
    /// stock peer's discovery for good.
    pub(super) fn additionals(&self, answers: Records) -> Records {
        use Record::{A, AliasPtr, AliasSrv, AliasTxt, HostNsec, Ptr, Srv, SubtypePtr, Txt};
        let mut more = Records::NONE;
        if answers.contains(Ptr) {
            more = more.and(Records::of(&[Srv, Txt, A, HostNsec]));
        }
        if answers.contains(AliasPtr) || answers.contains(SubtypePtr) {
            more = more.and(Records::of(&[AliasSrv, AliasTxt, A, HostNsec]));
        }
        if answers.contains(Srv) || answers.contains(AliasSrv) {
            more = more.and(Records::of(&[A, HostNsec]));
        }
        if answers.contains(HostNsec) {
            more = more.with(A);
        }
        more.without(answers)
    }

    /// The unique record whose name and type `theirs` bears, if any.
    pub(super) fn rival(&self, theirs: &ResourceRecord<'_>) -> Option<Record> {
        let own = self.service.id;
        let (srv, txt) = match Known::of(&theirs.name) {
            Known::Instance(id) if id == own => (Record::Srv, Record::Txt),
            Known::AliasInstance(id) if id == own && self.has_alias() => {
                (Record::AliasSrv, Record::AliasTxt)
            }
            Known::Other if self.is_host(&theirs.name) => {
                return (theirs.rdata.type_code() == TYPE::A).then_some(Record::A);
            }
            _ => return None,
        };
        match theirs.rdata.type_code() {
            TYPE::SRV => Some(srv),
            TYPE::TXT => Some(txt),
            _ => None,
        }
    }

    /// Whether `name` is the host's.
    pub(super) fn is_host(&self, name: &Name<'_>) -> bool {
        is(name.get_labels(), &self.host)
    }

    /// Whether `name` is one of the unique names.
    pub(super) fn owns(&self, name: &Name<'_>) -> bool {
        let own = self.service.id;
        match Known::of(name) {
            Known::Instance(id) => id == own,
            Known::AliasInstance(id) => id == own && self.has_alias(),
            Known::Other => self.is_host(name),
            _ => false,
        }
    }

    /// The same service under another id.
    pub(super) fn renamed(&self, id: NodeId) -> Self {
        let service = Service {
            id,
            ..self.service.clone()
        };
        Self {
            dead: self.dead.clone(),
            ..Self::new(service, self.has_alias())
        }
    }
}

/// The answers to a question for an instance name.
fn exact(kind: QTYPE, srv: Record, txt: Record, nsec: Record) -> Records {
    match kind {
        QTYPE::ANY => Records::of(&[srv, txt]),
        QTYPE::TYPE(TYPE::SRV) => Records::of(&[srv]),
        QTYPE::TYPE(TYPE::TXT) => Records::of(&[txt]),
        _ => Records::of(&[nsec]),
    }
}

fn pointer(target: &str) -> RData<'_> {
    RData::PTR(PTR(Name::new_unchecked(target)))
}

fn only<'a>(name: &'a str, types: &[TYPE]) -> RData<'a> {
    RData::NSEC(NSEC::from_types(Name::new_unchecked(name), types))
}
