//! What somebody announces, or what is wrong with it.

use std::net::Ipv4Addr;

use simple_dns::rdata::{A, NSEC, PTR, RData, SRV, TXT};
use simple_dns::{CLASS, Name, Packet, PacketFlag, ResourceRecord, TYPE};

/// A response of records about one instance.
#[derive(Clone)]
pub(crate) struct Announcement {
    pub(crate) label: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) region: Option<&'static str>,
    pub(crate) addresses: Vec<[u8; 4]>,
    pub(crate) ttl: u32,
    pub(crate) srv: bool,
    pub(crate) pointer: bool,
    pub(crate) nsec: bool,
}

impl Announcement {
    pub(crate) fn new(bits: u32) -> Self {
        Self {
            label: format!("{bits:08x}"),
            host: "machine.local".into(),
            port: 6789,
            region: Some("region=london"),
            addresses: vec![[10, 0, 0, 9]],
            ttl: 120,
            srv: true,
            pointer: true,
            nsec: false,
        }
    }

    /// As Avahi does it: the host has a name of its own.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let name = format!("{}._server._geocache._tcp.local", self.label);
        let name = Name::new(&name).unwrap();
        let host = Name::new(&self.host).unwrap();
        let mut packet = Packet::new_reply(0);
        packet.set_flags(PacketFlag::AUTHORITATIVE_ANSWER);
        let mut add = |name: &Name<'_>, ttl, data: RData<'_>, flush| {
            let record = ResourceRecord::new(name.clone(), CLASS::IN, ttl, data);
            packet
                .answers
                .push(record.with_cache_flush(flush).into_owned());
        };
        for address in &self.addresses {
            add(
                &host,
                self.ttl,
                RData::A(A::from(Ipv4Addr::from(*address))),
                true,
            );
        }
        if let Some(region) = self.region {
            let txt = TXT::new().with_string(region).unwrap();
            add(&name, self.ttl, RData::TXT(txt), true);
        }
        if self.srv {
            let data = SRV {
                priority: 0,
                weight: 0,
                port: self.port,
                target: host.clone(),
            };
            add(&name, self.ttl, RData::SRV(data), true);
        }
        if self.nsec {
            let data = NSEC::from_types(host.clone(), &[TYPE::AAAA]);
            add(&host, self.ttl, RData::NSEC(data), true);
        }
        if self.pointer {
            let service = Name::new("_server._geocache._tcp.local").unwrap();
            add(&service, self.ttl, RData::PTR(PTR(name.clone())), false);
        }
        packet.build_bytes_vec_compressed().unwrap()
    }
}
