//! Kills, stops, unplugs and cuts off real nodes on real sockets, and looks at what becomes of the others.
//!
//! Nine nodes in three regions, each on a host of its own, which is a network namespace; between regions
//! there is the delay of a wide area, and no multicast. The same faults for each runtime. Prints a table.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for people to read"
)]

mod cluster;
mod faults;
mod http;
mod lab;
mod load;
mod node;
mod program;
mod report;
mod rogue;
mod sandbox;
mod slow;
mod stock;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use zerocache_interop::{Failure, Outcome};

use cluster::Cluster;
use node::Recipe;
use report::Row;
use rogue::Rubbish;
use sandbox::Sandbox;

const USAGE: &str = "zerocache-chaos [--runtime tokio|smol] [--mixed] [--strict]

  --runtime NAME   only this one
  --mixed          five nodes and four of the stock Python package, which is installed from PyPI
  --strict         what is promised is required to the letter: for a machine with nothing else to do

ZEROCACHE_BIN names a binary to test instead of a fresh release build.";

#[derive(Default)]
struct Arguments {
    runtime: Option<String>,
    mixed: bool,
    strict: bool,
}

fn main() -> ExitCode {
    let Some(arguments) = read() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let done = if sandbox::is_inside() {
        inside(&arguments).map(|()| ExitCode::SUCCESS)
    } else {
        outside(&arguments)
    };
    done.unwrap_or_else(|failure| {
        eprintln!("{failure:?}");
        ExitCode::FAILURE
    })
}

fn read() -> Option<Arguments> {
    let mut read = Arguments::default();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--strict" => read.strict = true,
            "--mixed" => read.mixed = true,
            "--runtime" => read.runtime = Some(words.next()?),
            _ => return None,
        }
    }
    Some(read)
}

/// What needs the world: a binary, and the stock package. Then the sandbox.
fn outside(arguments: &Arguments) -> Outcome<ExitCode> {
    let line = match Sandbox::find()? {
        Sandbox::By(line) => line,
        Sandbox::Forbidden(told) => {
            println!("this kernel allows no network namespaces ({told}): faults NOT CHECKED");
            return Ok(ExitCode::SUCCESS);
        }
    };
    if arguments.mixed {
        zerocache_interop::stock_server()?;
    }
    sandbox::enter(&line, &node::binary()?)
}

fn inside(arguments: &Arguments) -> Outcome {
    sandbox::furnish()?;
    let began = Instant::now();
    let mut rows = Vec::new();
    for runtime in ["tokio", "smol"] {
        if arguments
            .runtime
            .as_ref()
            .is_none_or(|only| only == runtime)
        {
            let logs = logs(runtime);
            battery(runtime, &mut rows, arguments).map_err(|Failure(why)| {
                Failure(format!("{}{runtime}: {why}", cluster::tails(&logs)))
            })?;
        }
    }
    println!("\n{}", report::table(&rows));
    println!("all of it took {:.0?}", began.elapsed());
    Ok(())
}

/// All faults on a cluster of this runtime, and rubbish all the while.
fn battery(runtime: &'static str, rows: &mut Vec<Row>, arguments: &Arguments) -> Outcome {
    let recipe = Recipe {
        binary: node::binary()?,
        runtime,
        seeds: Vec::new(),
        logs: logs(runtime),
    };
    let mut cluster = match arguments.mixed {
        true => Cluster::mixed(recipe)?,
        false => Cluster::start(recipe)?,
    };
    if arguments.mixed {
        return faults::mixed(&mut cluster, runtime, rows, arguments.strict);
    }
    let hosts: Vec<_> = cluster
        .lab
        .hosts()
        .iter()
        .map(|host| host.address)
        .collect();
    let rubbish = Rubbish::begin(&cluster.lab.hosts()[1], hosts)?;
    faults::all(&mut cluster, runtime, rows, arguments.strict)?;
    println!(
        "{runtime}: {} datagrams of rubbish to port 5353, and nobody died",
        rubbish.end()?
    );
    Ok(())
}

fn logs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../target/chaos")
        .join(name)
}
