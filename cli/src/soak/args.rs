//! The arguments of `bench`.

use crate::args::Runtime;
use clap::{Args, Subcommand};
use std::time::Duration;

#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// Is it safe to leave running? Starts nodes of this program on loopback, works with them while
    /// they are killed, stopped and abused, then looks for lost writes, memory and connections
    Soak(Soak),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Soak {
    /// For how many minutes nodes are disturbed
    #[arg(long, env = "ZEROCACHE_MINUTES", value_name = "M", default_value = "2", value_parser = minutes)]
    pub(crate) minutes: Duration,
    /// How many nodes, each a process
    #[arg(long, env = "ZEROCACHE_NODES", value_name = "N", default_value = "6",
        value_parser = clap::value_parser!(u8).range(2..=64))]
    pub(crate) nodes: u8,
    /// In how many regions
    #[arg(long, env = "ZEROCACHE_REGIONS", value_name = "R", default_value = "3",
        value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) regions: u8,
    /// How many clients, each with keys of its own to write
    #[arg(long, env = "ZEROCACHE_CLIENTS", value_name = "C", default_value = "8",
        value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) clients: u8,
    /// What runs the nodes
    #[arg(long, env = "ZEROCACHE_RUNTIME", default_value = "tokio")]
    pub(crate) runtime: Runtime,
    /// What is done to whom, and which keys are used, follows from it
    #[arg(long, env = "ZEROCACHE_SEED", value_name = "S", default_value = "1")]
    pub(crate) seed: u64,
}

fn minutes(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(minutes) if (0.2..=100_000.0).contains(&minutes) => {
            Ok(Duration::from_secs_f64(minutes * 60.0))
        }
        _ => Err("a number of minutes, at least 0.2".to_owned()),
    }
}
