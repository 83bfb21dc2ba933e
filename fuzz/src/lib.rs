//! The fuzz targets, as plain functions: each takes bytes and panics when something does not hold.

#[path = "../../proto/tests/checked/mod.rs"]
mod checked;
mod http;
mod mdns;
mod node;
mod script;
mod sync;
mod tlru;

/// A target by its name.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// As libFuzzer and the corpus folder call it.
    pub name: &'static str,
    /// Runs one input.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target {
        name: "http_request",
        run: http::request,
    },
    Target {
        name: "http_response",
        run: http::response,
    },
    Target {
        name: "node",
        run: node::run,
    },
    Target {
        name: "target_decode",
        run: http::target,
    },
    Target {
        name: "mdns_packet",
        run: mdns::packet,
    },
    Target {
        name: "mdns_session",
        run: mdns::session,
    },
    Target {
        name: "sync_round",
        run: sync::round,
    },
    Target {
        name: "tlru_model",
        run: tlru::model,
    },
];

/// Runs one input of the named target.
///
/// # Panics
/// When something does not hold, or there is no such target.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.expect("a target of the list").run)(data);
}
