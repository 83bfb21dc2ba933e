//! HTTP connections, played as byte scripts against a virtual clock.

#[cfg(test)]
mod bodies;
#[cfg(test)]
#[path = "../checked/mod.rs"]
mod checked;
#[cfg(test)]
mod client;
#[cfg(test)]
mod deadlines;
#[cfg(test)]
mod framing;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod pipeline;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod splits;
#[cfg(test)]
mod support;
#[cfg(test)]
mod target;
