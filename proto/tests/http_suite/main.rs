//! HTTP connections, played as byte scripts against a virtual clock.

#[cfg(test)]
mod bodies;
#[cfg(test)]
#[path = "../http_cases/cases.rs"]
mod cases;
#[cfg(test)]
#[path = "../checked/mod.rs"]
mod checked;
#[cfg(test)]
mod client;
#[cfg(test)]
mod deadlines;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod mutants;
#[cfg(test)]
#[path = "../http_cases/mutate.rs"]
mod mutate;
#[cfg(test)]
mod node;
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
mod table;
#[cfg(test)]
mod target;
