//! `serve`: one node, until a signal stops it.

use crate::args::{self, Ack, Serve};
use crate::output::{self, Code, Failure};
use crate::signals::{self, Signals};
use serde_json::json;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use zerocache_driver::{Admission, Node, NodeBuilder, Runtime, StartError};
use zerocache_proto::cache::Bounds;
use zerocache_proto::op;
use zerocache_tokio::Tokio;

/// Runs a node in the foreground.
pub(crate) fn run(args: Serve, json: bool) -> Result<Code, Failure> {
    #[cfg(target_os = "linux")]
    if args.die_with_parent {
        use rustix::process::{Signal, set_parent_process_death_signal};
        set_parent_process_death_signal(Some(Signal::KILL))
            .map_err(|error| Failure::new(Code::Miss, error))?;
    }
    match args.runtime {
        args::Runtime::Tokio => crate::block_on(args.workers, async move {
            let signals = signals::OnTokio::install().map_err(no_signals)?;
            let node = builder::<Tokio>(args).start().map_err(not_started)?;
            serve(node, signals, json).await
        }),
        args::Runtime::Smol => crate::smol::block_on(args.workers, move |runtime| async move {
            let signals = signals::OnSmol::install().map_err(no_signals)?;
            let node = builder(args).start_on(runtime).map_err(not_started)?;
            serve(node, signals, json).await
        }),
    }
}

/// Runs `node` until a signal stops it. They are handled since before the node started: one must never
/// find it announced and without a handler.
async fn serve<R: Runtime>(
    node: Node<R>,
    mut signals: impl Signals,
    json: bool,
) -> Result<Code, Failure> {
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

fn builder<R: Runtime>(args: Serve) -> NodeBuilder<R> {
    let mut builder = NodeBuilder::new(args.region.as_str())
        .port(args.port)
        .local(Bounds {
            entries: args.local_entries,
            weight: args.local_bytes,
        })
        .remote(Bounds {
            entries: args.remote_entries,
            weight: args.remote_bytes,
        })
        .admission(Admission {
            connections: args.connections,
            per_source: args.connections_per_source,
        })
        .max_value(usize::try_from(args.max_value).unwrap_or(usize::MAX))
        .ack(match args.ack {
            Ack::None => op::Ack::None,
            Ack::Region => op::Ack::Region,
            Ack::All => op::Ack::All,
        })
        .mdns(!args.discovery.no_mdns)
        .ttl_255(args.discovery.mdns_ttl_255);
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
    for range in args.discovery.allow_peers {
        builder = builder.allow_peers(range);
    }
    builder
}

fn no_signals(error: io::Error) -> Failure {
    Failure::new(Code::Miss, format_args!("can not handle signals: {error}"))
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
fn say_ready<R: Runtime>(node: &Node<R>, json: bool) {
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
