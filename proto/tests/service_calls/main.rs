//! Requests as bytes through a connection into the service, and what comes back.

mod any;
mod routes;
mod spread;
mod support;
