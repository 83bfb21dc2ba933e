//! What can go wrong, said so that it can be acted on.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use zerocache_proto::op::Unreachable;
use zerocache_proto::{InvalidRegion, NodeId, Region};

/// Why an operation of a client did not succeed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// No node answered within the ladder's deadlines; names every attempt.
    ///
    /// A write may still have been stored by a node whose answer was lost.
    Unreachable(Unreachable),
    /// A node answered that it will not take this request; no other node was asked. Nothing changed.
    Refused {
        /// The node.
        node: NodeId,
        /// Its region.
        region: Region,
        /// Its answer: 413 for a value that is too large, for one.
        status: u16,
    },
    /// The key is empty or longer than 4,096 bytes; nothing was sent.
    InvalidKey {
        /// Its length in bytes.
        len: usize,
    },
    /// The client has been shut down; nothing was sent.
    ShutDown,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(unreachable) => unreachable.fmt(f),
            Self::Refused {
                node,
                region,
                status: 413,
            } => {
                write!(
                    f,
                    "node {node} of {region} refused the value: too large (413)"
                )
            }
            Self::Refused {
                node,
                region,
                status,
            } => {
                write!(f, "node {node} of {region} refused the request ({status})")
            }
            Self::InvalidKey { len } => {
                write!(f, "a key has 1 to 4096 bytes, this one {len}")
            }
            Self::ShutDown => f.write_str("the client has been shut down"),
        }
    }
}

impl std::error::Error for Error {}

/// Why a node or client did not start. Nothing was announced.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The region's name is not one.
    Region(InvalidRegion),
    /// The address could not be listened on.
    Listen {
        /// The address.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The runtime could not be used.
    Runtime(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Region(invalid) => invalid.fmt(f),
            Self::Listen { addr, source } => write!(f, "can not listen on {addr}: {source}"),
            Self::Runtime(source) => write!(f, "the async runtime can not be used: {source}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Region(invalid) => Some(invalid),
            Self::Listen { source, .. } | Self::Runtime(source) => Some(source),
        }
    }
}

impl From<InvalidRegion> for StartError {
    fn from(invalid: InvalidRegion) -> Self {
        Self::Region(invalid)
    }
}
