//! Multicast DNS service discovery (RFC 6762, RFC 6763): finding the nodes of the link, and being
//! found, as one pure machine.
//!
//! [`Mdns`] is given interfaces, datagrams and time; it gives datagrams to send, [`Event`]s, and the
//! time to wake it. On each interface the own names go through probing and announcing (`prober`), then
//! answer questions (`responder`); what others announce goes into a cache (`instance`) and is
//! reported once it is whole.
//!
//! The service type is `_server._geocache._tcp.local`, an instance is called by its
//! [`NodeId`](crate::NodeId), its host `<id>.local`; PTR, SRV, TXT and exactly one A record always
//! travel together, since a stock peer that meets one without the others stops listening for good.

mod browser;
mod burial;
mod cache;
mod cidr;
mod common;
mod config;
mod guard;
mod identity;
mod instance;
mod life;
mod link;
mod machine;
mod names;
mod packet;
mod prefilter;
mod prober;
mod responder;
mod schedule;
mod zone;

pub use cidr::{Cidr, InvalidCidr};
pub use config::{
    Config, Datagram, Destination, Event, Interface, Service, Sighting, Stats, Transmit,
};
pub use machine::Mdns;
pub use prefilter::prefilter;
