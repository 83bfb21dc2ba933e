//! Byte scripts over plain sockets.

pub(crate) mod bodies;
pub(crate) mod framing;
pub(crate) mod paths;
pub(crate) mod peers;
mod play;
mod script;
pub(crate) mod semantics;

pub(crate) use play::play;
pub(crate) use script::Case;
