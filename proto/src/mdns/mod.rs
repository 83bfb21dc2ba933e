//! Multicast DNS service discovery (RFC 6762, RFC 6763) of `_server._geocache._tcp.local`.

mod config;
mod machine;

pub use config::{
    Config, Datagram, Destination, Event, Interface, Service, Sighting, Stats, Transmit,
};
pub use machine::Mdns;
