//! Nodes that go away and come back, one at a time.

use super::load::Shared;
use super::node::Node;
use super::plan::{self, region_of};
use serde_json::Value;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// How long all may take to be whole again after an outage, on a busy machine.
const RECOVERY: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What there was, and how long the longest recovery took.
#[derive(Debug, Default)]
pub(super) struct Outages {
    pub(super) kills: usize,
    pub(super) stops: usize,
    pub(super) recovery: Duration,
    /// What went wrong with the nodes' processes.
    pub(super) failures: Vec<String>,
}

/// Takes nodes away until it is over.
pub(super) async fn lane(
    nodes: &mut [Node],
    regions: usize,
    seed: u64,
    shared: &Shared,
) -> io::Result<Outages> {
    let mut done = Outages::default();
    for outage in plan::outages(seed, nodes.len(), regions) {
        sleep(outage.after).await;
        if shared.is_over() {
            break;
        }
        done.failures.extend(ended(nodes));
        let node = &mut nodes[outage.node];
        if outage.kill {
            let region = region_of(outage.node, regions);
            shared.note_kill(region);
            node.kill().await?;
            shared.note_kill(region);
            sleep(outage.lasts).await;
            node.start_again()?;
            done.kills += 1;
        } else {
            node.pause(true)?;
            sleep(outage.lasts).await;
            node.pause(false)?;
            done.stops += 1;
        }
        match whole(nodes, regions, RECOVERY).await {
            Ok(took) => done.recovery = done.recovery.max(took),
            Err(why) => done.failures.push(why),
        }
    }
    done.failures.extend(ended(nodes));
    Ok(done)
}

/// Nodes whose processes ended by themselves.
fn ended(nodes: &mut [Node]) -> Vec<String> {
    let tell = |node: &mut Node| {
        let status = node.ended()?;
        Some(format!("{} ended by itself: {status}", node.recipe.addr))
    };
    nodes.iter_mut().filter_map(tell).collect()
}

/// Waits until every node uses all others, has what they have, and owes them nothing.
pub(super) async fn whole(
    nodes: &[Node],
    regions: usize,
    patience: Duration,
) -> Result<Duration, String> {
    let began = Instant::now();
    loop {
        let mut lacking = None;
        for node in nodes {
            let addr = node.recipe.addr;
            let page = Node::status(addr).await;
            if let Some(why) = lacks(page.as_ref(), addr, nodes.len(), regions) {
                lacking = Some(why);
                break;
            }
        }
        match lacking {
            None => return Ok(began.elapsed()),
            Some(why) if began.elapsed() > patience => return Err(why),
            Some(_) => sleep(LOOK_EVERY).await,
        }
    }
}

/// What a node still lacks, by its own account.
fn lacks(page: Option<&Value>, addr: SocketAddr, nodes: usize, regions: usize) -> Option<String> {
    let Some(page) = page else {
        return Some(format!("{addr} does not answer"));
    };
    let peers = page["peers"].as_array().map_or(&[][..], Vec::as_slice);
    let routable = peers.iter().filter(|peer| peer["routable"] == true).count();
    if routable != nodes - 1 {
        return Some(format!("{addr} uses {routable} of {} peers", nodes - 1));
    }
    let waiting = &page["queues"]["waiting"];
    if *waiting != 0 {
        return Some(format!("{addr} has {waiting} copies waiting"));
    }
    // Where each region has one node, there is nobody to have the same as.
    let sync = &page["sync"]["state"];
    (*sync != "synced" && nodes >= 2 * regions).then(|| format!("{addr} is {sync}"))
}
