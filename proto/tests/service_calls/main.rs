//! Requests as bytes through a connection into the service, and what comes back.

mod routes;
mod spread;
mod support;
