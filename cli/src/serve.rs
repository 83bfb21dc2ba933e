//! `serve`: one node, until a signal stops it.

use crate::args::{Ack, Serve};
use crate::output::{self, Code, Failure};
use crate::signals::Signals;
use serde_json::json;
use std::net::{IpAddr, Ipv4Addr};
use zerocache_proto::cache::Bounds;
use zerocache_proto::op;
use zerocache_tokio::{Node, NodeBuilder, StartError};

/// Runs a node in the foreground.
pub(crate) async fn run(args: Serve, json: bool) -> Result<Code, Failure> {
    // Before the node starts: a signal must never find it announced and without a handler.
    let mut signals = Signals::install().map_err(|error| {
        Failure::new(Code::Miss, format_args!("can not handle signals: {error}"))
    })?;
    let node = builder(args).start().map_err(not_started)?;
    tracing::info!(id = %node.id(), region = %node.region(), address = %node.addr(), "listening");
    let signal = tokio::select! {
        signal = signals.next() => signal,
        () = node.ready() => {
            say_ready(&node, json);
            signals.next().await
        }
    };
    tracing::info!(
        signal = signal.name,
        "leaving; a second signal stops at once"
    );
    tokio::select! {
        () = node.shutdown() => {}
        again = signals.next() => {
            tracing::warn!(signal = again.name, "stopped at once");
            std::process::exit(again.exit_code().into());
        }
    }
    tracing::info!("stopped");
    Ok(Code::Done)
}

fn builder(args: Serve) -> NodeBuilder {
    let mut builder = Node::builder(args.region.as_str())
        .port(args.port)
        .local(Bounds {
            entries: args.local_entries,
            weight: args.local_bytes,
        })
        .remote(Bounds {
            entries: args.remote_entries,
            weight: args.remote_bytes,
        })
        .max_value(usize::try_from(args.max_value).unwrap_or(usize::MAX))
        .ack(match args.ack {
            Ack::None => op::Ack::None,
            Ack::Region => op::Ack::Region,
            Ack::All => op::Ack::All,
        })
        .mdns(!args.discovery.no_mdns);
    // The wildcard can be listened on, but nobody can call it.
    if let Some(address) = args
        .address
        .filter(|ip| *ip != IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    {
        builder = builder.address(address);
    }
    if let Some(id) = args.id {
        builder = builder.id(id);
    }
    if let Some(shards) = args.shards {
        builder = builder.shards(shards);
    }
    for peer in args.discovery.peer {
        builder = builder.peer(peer);
    }
    for name in args.discovery.interface {
        builder = builder.interface(&name);
    }
    builder
}

fn not_started(error: StartError) -> Failure {
    let code = if matches!(error, StartError::Region(_)) {
        Code::Usage
    } else {
        Code::Miss
    };
    Failure::new(code, error)
}

/// Tells whoever waits on standard output that requests can come.
fn say_ready(node: &Node, json: bool) {
    let (id, region, address) = (node.id(), node.region(), node.addr());
    let line = if json {
        let (id, region) = (id.to_string(), region.as_str());
        json!({ "ready": true, "id": id, "region": region, "address": address }).to_string()
    } else {
        format!("ready {id} {region} {address}")
    };
    // A node serves on, whatever becomes of its standard output.
    if let Err(failure) = output::print(&line) {
        tracing::warn!("{}", failure.message);
    }
    tracing::info!(%id, %region, %address, "ready");
}
