//! The fuzz targets, as plain functions: each takes bytes and panics when something does not hold.

#[path = "../../proto/tests/checked/mod.rs"]
mod checked;
mod chunked;
mod cluster;
mod headers;
mod http;
mod link;
mod mdns;
mod node;
mod script;
mod sim;
mod split;
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
        name: "chunked",
        run: chunked::run,
    },
    Target {
        name: "cluster",
        run: cluster::run,
    },
    Target {
        name: "http_request",
        run: http::request,
    },
    Target {
        name: "http_response",
        run: http::response,
    },
    Target {
        name: "http_split",
        run: split::run,
    },
    Target {
        name: "link",
        run: link::run,
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
        name: "node",
        run: node::run,
    },
    Target {
        name: "node_sim",
        run: sim::world,
    },
    Target {
        name: "sync_round",
        run: sync::round,
    },
    Target {
        name: "target_decode",
        run: http::target,
    },
    Target {
        name: "tlru_model",
        run: tlru::model,
    },
    Target {
        name: "zc_headers",
        run: headers::run,
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
