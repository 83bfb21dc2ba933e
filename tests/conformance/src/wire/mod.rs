//! Byte scripts over plain sockets.

pub(crate) mod bodies;
pub(crate) mod framing;
pub(crate) mod paths;
pub(crate) mod peers;
mod play;
mod script;
pub(crate) mod semantics;
pub(crate) mod table;

#[cfg(feature = "interop")]
pub(crate) use play::compare;
pub(crate) use play::play;
#[cfg(feature = "interop")]
pub(crate) use script::Case;
#[cfg(not(feature = "interop"))]
use script::Case;
