//! The command line. Every flag can also be given as a `ZEROCACHE_*` variable.

pub(crate) use crate::simulate_args::{Law, Simulate};
pub(crate) use crate::soak::args::Bench;
use clap::builder::FalseyValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::net::IpAddr;
use std::time::Duration;
use zerocache_driver::Admission;
use zerocache_proto::cluster::StaticPeer;
use zerocache_proto::mdns::Cidr;
use zerocache_proto::{NodeId, Region};

/// The longest life of a value, in seconds; longer ones are cut to it on the wire.
const MAX_TTL: u64 = 99_999_999;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  get: no such value; serve: could not start; demo: a step went otherwise; bench: a check failed
  2  usage: an argument makes no sense
  3  no node could be reached
  4  a node refused
  5  standard input or output failed";

/// A geo-distributed, zero-configuration cache: nodes find each other, reads stay near, writes reach
/// every region.
#[derive(Debug, Parser)]
#[command(name = "zerocache", version, after_help = EXIT_CODES, propagate_version = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How the program speaks.
#[derive(Args, Debug)]
pub(crate) struct Output {
    /// Print JSON, one object a line
    #[arg(long, global = true, env = "ZEROCACHE_JSON", value_parser = FalseyValueParser::new())]
    pub(crate) json: bool,
    /// What to log on standard error: a level, or a filter as of the tracing crate [default: info
    /// for serve, else error]
    #[arg(long, global = true, env = "ZEROCACHE_LOG", value_name = "FILTER")]
    pub(crate) log: Option<String>,
    /// How to log
    #[arg(
        long,
        global = true,
        env = "ZEROCACHE_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "text"
    )]
    pub(crate) log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a node, in the foreground, until a signal stops it
    Serve(Serve),
    /// Print the value of a key
    Get(Get),
    /// Store a value
    Put(Put),
    /// Remove a key everywhere
    Del(Del),
    /// List the nodes that can be found
    Nodes(Nodes),
    /// Show what every node that can be found says of itself
    Status(Status),
    /// Watch nine nodes in three regions at work, in this process, on loopback
    Demo,
    /// Simulate a cluster that is only planned: how fast it is, what it costs, what it survives
    Simulate(Simulate),
    /// Put this program to the test on this machine
    #[command(subcommand)]
    Bench(Bench),
}

/// Where to look for nodes.
#[derive(Args, Clone, Debug)]
pub(crate) struct Discovery {
    /// A node to start from where multicast does not reach; the others are learned from it. A node
    /// of the original Python package needs its region named. Can be repeated; in the variable,
    /// commas divide
    #[arg(
        long,
        env = "ZEROCACHE_PEER",
        value_name = "[REGION@]HOST:PORT",
        value_delimiter = ','
    )]
    pub(crate) peer: Vec<StaticPeer>,
    /// Neither look for nodes by multicast nor announce any
    #[arg(long, env = "ZEROCACHE_NO_MDNS", value_parser = FalseyValueParser::new())]
    pub(crate) no_mdns: bool,
    /// Multicast on the interface of this name, not on every ordinary one. Can be repeated; in the
    /// variable, commas divide
    #[arg(
        long,
        env = "ZEROCACHE_INTERFACE",
        value_name = "NAME",
        value_delimiter = ','
    )]
    pub(crate) interface: Vec<String>,
    /// Believe multicasts that tell of nodes in this range of addresses, not only of nodes on the
    /// link they are heard on. Can be repeated; in the variable, commas divide
    #[arg(
        long,
        env = "ZEROCACHE_ALLOW_PEERS",
        value_name = "CIDR",
        value_delimiter = ','
    )]
    pub(crate) allow_peers: Vec<Cidr>,
    /// Take multicasts only from packets with a TTL of 255, which have crossed no router (Linux)
    #[arg(long, env = "ZEROCACHE_MDNS_TTL_255", value_parser = FalseyValueParser::new())]
    pub(crate) mdns_ttl_255: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// The region the node is in
    #[arg(long, env = "ZEROCACHE_REGION")]
    pub(crate) region: Region,
    /// The address to listen on and to announce [default: listen on all, announce on each interface
    /// its own]
    #[arg(long, env = "ZEROCACHE_ADDRESS")]
    pub(crate) address: Option<IpAddr>,
    /// The TCP port; 0 lets the system choose
    #[arg(long, env = "ZEROCACHE_PORT", default_value_t = zerocache_tokio::DEFAULT_PORT)]
    pub(crate) port: u16,
    /// The node's identity, 8 hex digits [default: derived from region, address and port]
    #[arg(long, env = "ZEROCACHE_ID", value_name = "HEX")]
    pub(crate) id: Option<NodeId>,
    #[command(flatten)]
    pub(crate) discovery: Discovery,
    /// The most values kept of the own region
    #[arg(long, env = "ZEROCACHE_LOCAL_ENTRIES", value_name = "N", default_value = "1048576",
        value_parser = entries)]
    pub(crate) local_entries: usize,
    /// The most memory for values of the own region
    #[arg(long, env = "ZEROCACHE_LOCAL_BYTES", value_name = "SIZE", default_value = "256MiB",
        value_parser = size)]
    pub(crate) local_bytes: u64,
    /// The most values kept of other regions
    #[arg(long, env = "ZEROCACHE_REMOTE_ENTRIES", value_name = "N", default_value = "1048576",
        value_parser = entries)]
    pub(crate) remote_entries: usize,
    /// The most memory for values of other regions
    #[arg(long, env = "ZEROCACHE_REMOTE_BYTES", value_name = "SIZE", default_value = "256MiB",
        value_parser = size)]
    pub(crate) remote_bytes: u64,
    /// The largest value taken; a larger one is answered 413
    #[arg(long, env = "ZEROCACHE_MAX_VALUE", value_name = "SIZE", default_value = "16MiB",
        value_parser = size)]
    pub(crate) max_value: u64,
    /// The most connections at once; beyond, the one longest idle goes
    #[arg(long, env = "ZEROCACHE_CONNECTIONS", value_name = "N", value_parser = entries,
        default_value_t = Admission::default().connections)]
    pub(crate) connections: usize,
    /// The most connections at once from one address
    #[arg(long, env = "ZEROCACHE_CONNECTIONS_PER_SOURCE", value_name = "N", value_parser = entries,
        default_value_t = Admission::default().per_source)]
    pub(crate) connections_per_source: usize,
    /// In how many independently locked parts to keep the values [default: as many as suit their
    /// number]
    #[arg(long, env = "ZEROCACHE_SHARDS", value_name = "N", value_parser = count)]
    pub(crate) shards: Option<usize>,
    /// Whose copies a write waits for before it is answered
    #[arg(long, env = "ZEROCACHE_ACK", default_value = "region")]
    pub(crate) ack: Ack,
    /// What runs the node
    #[arg(long, env = "ZEROCACHE_RUNTIME", default_value = "tokio")]
    pub(crate) runtime: Runtime,
    /// Threads [default: one for each core]
    #[arg(long, env = "ZEROCACHE_WORKERS", value_name = "N", value_parser = count)]
    pub(crate) workers: Option<usize>,
    /// End at once when whoever started it does, where the system can tell
    #[arg(long, env = "ZEROCACHE_DIE_WITH_PARENT", hide = true, value_parser = FalseyValueParser::new())]
    pub(crate) die_with_parent: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Runtime {
    /// tokio
    Tokio,
    /// async-io and async-executor, which are what smol is made of
    Smol,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ack {
    /// Nobody's
    None,
    /// Every live node of the own region, for at most 250 ms
    Region,
    /// Also one node of every other region, for at most 250 ms
    All,
}

/// How a command that asks once finds somebody to ask.
#[derive(Args, Debug)]
pub(crate) struct Reach {
    #[command(flatten)]
    pub(crate) discovery: Discovery,
    /// How long to look for a node; it goes on as soon as there is one
    #[arg(long, env = "ZEROCACHE_WAIT", value_name = "TIME", default_value = "2s",
        value_parser = time)]
    pub(crate) wait: Duration,
}

/// What the commands on one key share.
#[derive(Args, Debug)]
pub(crate) struct Target {
    /// The key, 1 to 4096 bytes
    pub(crate) key: OsString,
    /// The region to ask first: the nearest one
    #[arg(long, env = "ZEROCACHE_REGION")]
    pub(crate) region: Region,
    #[command(flatten)]
    pub(crate) reach: Reach,
    /// How long the request itself may take
    #[arg(long, env = "ZEROCACHE_TIMEOUT", value_name = "TIME", default_value = "5s",
        value_parser = time)]
    pub(crate) timeout: Duration,
}

#[derive(Args, Debug)]
pub(crate) struct Get {
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Args, Debug)]
pub(crate) struct Put {
    #[command(flatten)]
    pub(crate) target: Target,
    /// The value; `-` or none reads standard input
    pub(crate) value: Option<OsString>,
    /// How long the value lives: seconds, or a time such as 5m or 36h
    #[arg(long, env = "ZEROCACHE_TTL", value_name = "TIME", default_value = "1h",
        value_parser = ttl)]
    pub(crate) ttl: Duration,
}

#[derive(Args, Debug)]
pub(crate) struct Del {
    #[command(flatten)]
    pub(crate) target: Target,
}

/// Where a list of nodes is looked at from.
#[derive(Args, Debug)]
pub(crate) struct Seat {
    /// List the nodes in the order a client of this region prefers them: its own, then the nearest
    /// [default: by the regions' names]
    #[arg(long, env = "ZEROCACHE_REGION")]
    pub(crate) region: Option<Region>,
}

#[derive(Args, Debug)]
pub(crate) struct Nodes {
    #[command(flatten)]
    pub(crate) seat: Seat,
    #[command(flatten)]
    pub(crate) reach: Reach,
}

#[derive(Args, Debug)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) seat: Seat,
    #[command(flatten)]
    pub(crate) reach: Reach,
}

fn size(text: &str) -> Result<u64, String> {
    match text.parse::<bytesize::ByteSize>() {
        Ok(size) if size.as_u64() > 0 => Ok(size.as_u64()),
        _ => Err("a size is a number of bytes above 0, such as 4096, 64KiB, 256MiB".to_owned()),
    }
}

fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count @ 1..=1024) => Ok(count),
        _ => Err("1 to 1024".to_owned()),
    }
}

fn entries(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(entries @ 1..) => Ok(entries),
        _ => Err("a number above 0".to_owned()),
    }
}

/// A time: plain seconds (`90`, `0.5`) or with units (`5m`, `1h 30m`, `250ms`).
fn time(text: &str) -> Result<Duration, String> {
    let seconds = text
        .parse()
        .ok()
        .and_then(|s| Duration::try_from_secs_f64(s).ok());
    seconds
        .or_else(|| humantime::parse_duration(text).ok())
        .ok_or_else(|| "a time is a number of seconds, or such as 250ms, 5m, 36h".to_owned())
}

fn ttl(text: &str) -> Result<Duration, String> {
    let ttl = time(text)?;
    if ttl.is_zero() || ttl > Duration::from_secs(MAX_TTL) {
        return Err(format!("a value lives for 1 to {MAX_TTL} seconds"));
    }
    Ok(ttl)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_has_a_variable_of_its_name() {
        let cli = Cli::command();
        let nested = cli
            .get_subcommands()
            .flat_map(clap::Command::get_subcommands);
        for command in cli.get_subcommands().chain(nested).chain([&cli]) {
            for arg in command.get_arguments() {
                let Some(long) = arg.get_long() else { continue };
                let variable = format!("ZEROCACHE_{}", long.to_uppercase().replace('-', "_"));
                assert_eq!(
                    arg.get_env().and_then(|v| v.to_str()),
                    Some(&*variable),
                    "--{long}"
                );
            }
        }
    }

    #[test]
    fn sizes_and_times_are_read_with_units() {
        assert_eq!(size("256MiB"), Ok(256 << 20));
        assert_eq!(size("4096"), Ok(4096));
        assert!(size("0").is_err() && size("big").is_err() && size("-1").is_err());
        assert_eq!(time("90"), Ok(Duration::from_secs(90)));
        assert_eq!(time("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(time("5m"), Ok(Duration::from_secs(300)));
        assert!(time("-1").is_err() && time("soon").is_err() && time("NaN").is_err());
        assert!(ttl("0").is_err() && ttl("1000000000").is_err());
        assert_eq!(count("0"), Err("1 to 1024".to_owned()));
    }
}
