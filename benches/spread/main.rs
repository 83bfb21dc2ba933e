//! What it costs to have a write acknowledged by the region: PUTs of 128 bytes that a node answers once
//! each of its peers has taken a copy, against the floor, bare programs that forward constant bytes over
//! the same sockets, turn by turn. `cargo bench -p zerocache --bench spread`; `-- --quick` takes half a minute,
//! `-- --peers 3 --clients 1,64` takes these alone.
//!
//! Each node is a process. Where there is `taskset`, the node asked has one core, and its peers and the
//! clients another: else the scheduler puts client and node on one core or on two as it likes, and the
//! time of a plain exchange is ten times another from one run to the next.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that prints its figures"
)]

mod floor;
mod load;
mod process;

use load::Clients;
use process::{FLOOR_NODE, FLOOR_PEER, Group, NODE};
use std::time::{Duration, Instant};

/// How many nodes beside the one asked take a copy.
const PEERS: &str = "1,3,6";
const CLIENTS: &str = "1,16,64";

/// How long, and how often, each of the two is loaded.
#[derive(Clone, Copy)]
struct Effort {
    turns: usize,
    turn: Duration,
}

const FULL: Effort = Effort {
    turns: 41,
    turn: Duration::from_millis(200),
};
const QUICK: Effort = Effort {
    turns: 15,
    turn: Duration::from_millis(100),
};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let local = tokio::task::LocalSet::new();
    match args.first().map(String::as_str) {
        Some(role @ (NODE | FLOOR_NODE | FLOOR_PEER)) => {
            let addrs = args[1..].iter().map(|addr| addr.parse().unwrap()).collect();
            local.block_on(&runtime, process::be(role, addrs));
        }
        _ => {
            let quick = args.iter().any(|arg| arg == "--quick");
            let (peers, clients) = (
                numbers(&args, "--peers", PEERS),
                numbers(&args, "--clients", CLIENTS),
            );
            let effort = if quick { QUICK } else { FULL };
            local.block_on(&runtime, measure(effort, &peers, &clients));
        }
    }
}

/// The numbers after `name`, or those by default.
fn numbers(args: &[String], name: &str, default: &str) -> Vec<usize> {
    let mut args = args.iter().skip_while(|arg| *arg != name);
    let given = args.nth(1).map_or(default, String::as_str);
    given.split(',').map(|n| n.parse().unwrap()).collect()
}

/// One turn's figures.
struct Turn {
    p50: f64,
    p99: f64,
    /// PUTs a second.
    rate: f64,
    /// Processor time of the node asked, in seconds a million PUTs.
    cpu: f64,
}

async fn measure(effort: Effort, peers: &[usize], clients: &[usize]) {
    process::pin_this(1);
    println!(
        "                    a node                               the floor                            node / floor"
    );
    println!(
        "peers  clients      p50      p99    PUT/s  CPU s/M       p50      p99    PUT/s  CPU s/M       p50   CPU"
    );
    for &peers in peers {
        let nodes = Group::of_nodes(peers);
        let floor = Group::of_the_floor(peers);
        for &count in clients {
            let mut to_node = Clients::connect(nodes.asked.addr, count).await;
            let mut to_floor = Clients::connect(floor.asked.addr, count).await;
            let (mut ours, mut bare) = (Vec::new(), Vec::new());
            // The first turns warm up.
            turn(&nodes, &mut to_node, effort.turn).await;
            turn(&floor, &mut to_floor, effort.turn).await;
            for _ in 0..effort.turns {
                ours.push(turn(&nodes, &mut to_node, effort.turn).await);
                bare.push(turn(&floor, &mut to_floor, effort.turn).await);
            }
            print_row(peers, count, &ours, &bare);
        }
    }
}

async fn turn(group: &Group, clients: &mut Clients, time: Duration) -> Turn {
    let (cpu, begun) = (group.asked.cpu(), Instant::now());
    let mut times = clients.run(time).await;
    let (cpu, taken) = (group.asked.cpu() - cpu, begun.elapsed());
    times.sort_unstable();
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    Turn {
        p50: micros(times[times.len() / 2]),
        p99: micros(times[times.len() * 99 / 100]),
        rate: times.len() as f64 / taken.as_secs_f64(),
        cpu: micros(cpu) / times.len() as f64,
    }
}

fn print_row(peers: usize, clients: usize, ours: &[Turn], bare: &[Turn]) {
    let figures = |turns: &[Turn]| {
        let of = |figure: fn(&Turn) -> f64| median(turns.iter().map(figure).collect());
        let (p50, p99) = (of(|turn| turn.p50), of(|turn| turn.p99));
        let (rate, cpu) = (of(|turn| turn.rate), of(|turn| turn.cpu));
        format!("{p50:>5.0} us {p99:>5.0} us {rate:>8.0} {cpu:>8.2}")
    };
    // Each turn against the one that followed: what disturbs one disturbs both.
    let ratio = |figure: fn(&Turn) -> f64| {
        let pairs = ours.iter().zip(bare);
        median(pairs.map(|(a, b)| figure(a) / figure(b)).collect())
    };
    println!(
        "{peers:>5}  {clients:>7}  {}  {}      {:.2}  {:.2}",
        figures(ours),
        figures(bare),
        ratio(|turn| turn.p50),
        ratio(|turn| turn.cpu)
    );
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures[figures.len() / 2]
}
