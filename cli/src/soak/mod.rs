//! `bench soak`: is it safe to leave running?
//!
//! ```text
//! start nodes --> fill --> work, while [plan] has [outage]s and [abuse] --> calm --> [check] --> [report]
//! ```

mod abuse;
pub(crate) mod args;
mod check;
mod ledger;
mod load;
mod node;
mod outage;
mod plan;
mod report;
mod times;

use crate::args::Runtime;
use crate::output::{self, Code, Failure};
use crate::signals::{self, Signals as _};
use args::Soak;
use check::Held;
use futures_util::future::join_all;
use load::{KEYS, Shared, Tally, Worker};
use node::{Node, Recipe, Usage, addresses, region_name, usage};
use plan::{Kind, is_spared, region_of};
use report::{Line, Report, Verdict};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::time::sleep;
use zerocache_proto::cluster::StaticPeer;
use zerocache_proto::{Region, Rng};
use zerocache_tokio::Client;

/// How long nodes may take to find each other, and to be whole at the end.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a client promises, and a second for a busy machine.
const OPERATION: Duration = Duration::from_millis(3_750);
/// How often memory is looked at.
const SAMPLE_EVERY: Duration = Duration::from_millis(500);

/// Runs it, unless a signal ends it first; the nodes end with it, however it ends.
pub(crate) async fn run(args: Soak, json: bool) -> Result<Code, Failure> {
    let mut signals = signals::OnTokio::install().map_err(broken)?;
    let report = tokio::select! {
        report = soak(&args) => report?,
        signal = signals.next() => return Err(broken(format_args!("stopped by {}", signal.name))),
    };
    let text = if json {
        report.json().to_string()
    } else {
        report.text()
    };
    output::print(&text)?;
    Ok(if report.holds() {
        Code::Done
    } else {
        Code::Miss
    })
}

fn broken(why: impl Display) -> Failure {
    Failure::new(Code::Miss, format_args!("bench soak: {why}"))
}

async fn soak(args: &Soak) -> Result<Report, Failure> {
    let regions = usize::from(args.regions.min(args.nodes));
    let mut nodes = start(args, regions)?;
    outage::whole(&nodes, regions, PATIENCE)
        .await
        .map_err(broken)?;
    let mut before = Vec::new();
    for node in &nodes {
        before.push(Held::of(node).await.unwrap_or_default());
    }
    let shared = Shared::default();
    let recipes: Vec<Recipe> = nodes.iter().map(|node| node.recipe.clone()).collect();
    let mut workers = clients(args, &recipes, &shared)?;
    join_all(workers.iter_mut().map(Worker::fill)).await;
    let watched: Vec<_> = nodes.iter().map(Node::pid).enumerate().collect();
    let watched = watched
        .into_iter()
        .filter(|(node, _)| is_spared(*node, nodes.len(), regions));
    let watched: Vec<(usize, u32)> = watched
        .filter_map(|(node, pid)| Some((node, pid?)))
        .collect();
    let (tallies, outages, abuse, memory) = tokio::join!(
        join_all(workers.into_iter().map(Worker::work)),
        outage::lane(&mut nodes, regions, args.seed, &shared),
        abuse::lane(&recipes, args.seed, &shared),
        watch(args.minutes, &watched, &shared),
    );
    let outages = outages.map_err(broken)?;
    let calm = outage::whole(&nodes, regions, PATIENCE).await;
    let values = check::values(&nodes, &tallies, &shared).await;
    let mut report = Report {
        injected: injected(&outages, &abuse),
        recovery: outages.recovery,
        late: values.late,
        seconds: args.minutes.as_secs(),
        seed: args.seed,
        runtime: match args.runtime {
            Runtime::Tokio => "tokio",
            Runtime::Smol => "smol",
        },
        ..Report::default()
    };
    add_up(&mut report, &tallies);
    let excess = lines(&mut report, &nodes, &before, &memory).await;
    let problems: Vec<String> = outages.failures.into_iter().chain(calm.err()).collect();
    judge(&mut report, &tallies, &values, &problems, &excess);
    Ok(report)
}

fn start(args: &Soak, regions: usize) -> Result<Vec<Node>, Failure> {
    let addrs = addresses(usize::from(args.nodes)).map_err(broken)?;
    let seeds: Vec<_> = addrs.iter().take(2).copied().collect();
    let start = |(node, addr): (usize, &_)| {
        let region = region_name(region_of(node, regions));
        Node::start(Recipe {
            addr: *addr,
            region: Region::new(&region).map_err(broken)?,
            runtime: args.runtime,
            peers: seeds.clone(),
        })
        .map_err(broken)
    };
    addrs.iter().enumerate().map(start).collect()
}

fn clients<'a>(
    args: &Soak,
    nodes: &[Recipe],
    shared: &'a Shared,
) -> Result<Vec<Worker<'a>>, Failure> {
    let mut rng = Rng::new(args.seed);
    let clients = usize::from(args.clients);
    let mut workers = Vec::new();
    for number in 0..clients {
        let home = number % nodes.len();
        let mut builder = Client::builder(nodes[home].region.as_str()).mdns(false);
        for node in nodes {
            builder = builder.peer(StaticPeer {
                region: None,
                host: node.addr.ip().to_string(),
                port: node.addr.port(),
            });
        }
        let names = nodes
            .iter()
            .position(|node| node.region == nodes[home].region);
        workers.push(Worker {
            client: builder.connect().map_err(broken)?,
            number,
            clients,
            rng: rng.fork(),
            shared,
            // The first node of a region has the region's number.
            tally: Tally {
                region: names.unwrap_or(home),
                ..Tally::default()
            },
            serial: 0,
        });
    }
    Ok(workers)
}

/// Looks at the memory of the `watched` nodes until the time is up, and says that it is over.
async fn watch(
    time: Duration,
    watched: &[(usize, u32)],
    shared: &Shared,
) -> BTreeMap<usize, Vec<u64>> {
    let began = Instant::now();
    let terminal = std::io::stderr().is_terminal();
    let mut samples: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
    while began.elapsed() < time {
        for (node, pid) in watched {
            if let Some(Usage { rss_kib, .. }) = usage(*pid) {
                samples.entry(*node).or_default().push(rss_kib);
            }
        }
        if terminal {
            let (now, all) = (began.elapsed().as_secs(), time.as_secs());
            // Progress that can not be shown is none.
            let _ = write!(std::io::stderr().lock(), "\r{now} of {all} s ");
        }
        sleep(SAMPLE_EVERY).await;
    }
    if terminal {
        let _ = write!(std::io::stderr().lock(), "\r{:30}\r", "");
    }
    shared.over.store(true, Ordering::Relaxed);
    samples
}

fn injected(
    outages: &outage::Outages,
    abuse: &BTreeMap<Kind, usize>,
) -> Vec<(&'static str, usize)> {
    let mut all = vec![("kills", outages.kills), ("stops", outages.stops)];
    all.extend(abuse.iter().map(|(kind, times)| (kind.name(), *times)));
    all
}

fn add_up(report: &mut Report, tallies: &[Tally]) {
    for tally in tallies {
        report.gets.merge(&tally.gets);
        report.writes.merge(&tally.writes);
        report.misses += tally.misses;
        report.errors += tally.errors;
    }
}

/// Adds the nodes' lines; tells what they hold that they should not.
async fn lines(
    report: &mut Report,
    nodes: &[Node],
    before: &[Held],
    memory: &BTreeMap<usize, Vec<u64>>,
) -> Vec<String> {
    let since = Instant::now();
    let mut excess = Vec::new();
    for (number, node) in nodes.iter().enumerate() {
        let (after, too_much) = check::released(node, before[number], nodes.len() - 1, since).await;
        excess.extend(too_much);
        let page = Node::status(node.recipe.addr).await.unwrap_or_default();
        let count = |value: &serde_json::Value| value.as_u64().unwrap_or(0);
        let cache = &page["cache"];
        report.lines.push(Line {
            address: node.recipe.addr.to_string(),
            region: node.recipe.region.to_string(),
            rss: memory
                .get(&number)
                .and_then(|samples| check::thirds(samples)),
            before: before[number],
            after,
            requests: count(&page["connections"]["requests"]),
            failed: count(&page["queues"]["failed"]),
            evictions: count(&cache["local"]["evictions"]) + count(&cache["remote"]["evictions"]),
        });
    }
    excess
}

fn judge(
    report: &mut Report,
    tallies: &[Tally],
    values: &check::Values,
    problems: &[String],
    excess: &[String],
) {
    let some = |list: &[String], well: String| match list {
        [] => well,
        list => {
            let first: Vec<_> = list.iter().take(5).map(String::as_str).collect();
            format!("{}: {}", list.len(), first.join("; "))
        }
    };
    let mut add =
        |name, holds: Option<bool>, text| report.verdicts.push(Verdict { name, holds, text });
    let took = values.took.as_secs_f64();
    let well = format!("{} keys and nodes compared in {took:.1} s", values.compared);
    let whole = values.compared > 0 && tallies.len() * KEYS <= values.compared;
    add(
        "acknowledged writes are kept",
        Some(values.wrong.is_empty() && whole),
        some(&values.wrong, well),
    );
    let corrupt: u64 = tallies.iter().map(|tally| tally.corrupt).sum();
    add(
        "reads are whole",
        Some(corrupt == 0),
        format!("{corrupt} of what nobody wrote"),
    );
    add(
        "nodes recover",
        Some(problems.is_empty()),
        some(problems, "all of them".to_owned()),
    );
    let longest = report.gets.max().max(report.writes.max());
    add(
        "operations end",
        Some(longest <= OPERATION),
        format!("the longest after {longest:.1?}"),
    );
    let rss: Vec<_> = report.lines.iter().filter_map(|line| line.rss).collect();
    let flat = rss
        .iter()
        .all(|(middle, last)| check::is_flat(*middle, *last));
    let slack = check::SLACK_KIB >> 10;
    let text = format!(
        "of {} nodes, the last third against the middle one, up to a tenth and {slack} MiB",
        rss.len()
    );
    add("memory is flat", (!rss.is_empty()).then_some(flat), text);
    let files = report.lines.iter().all(|line| line.after.usage.is_some());
    let text = some(
        excess,
        "no connection beyond those that peers keep, no copy under way".to_owned(),
    );
    add("nothing is stuck", Some(excess.is_empty()), text);
    if !files {
        add("descriptors", None, "there is no /proc here".to_owned());
    }
    if let Some(error) = tallies.iter().find_map(|tally| tally.last_error.as_deref()) {
        tracing::info!(error, "the last of a client's errors");
    }
}
