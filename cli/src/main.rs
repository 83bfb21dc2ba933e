//! The `zerocache` command: runs a node, reads and writes keys, looks at a cluster, shows itself off,
//! simulates clusters that are planned, puts itself to the test.

mod args;
mod demo;
mod finder;
mod link;
mod logs;
mod nodes;
mod ops;
mod output;
mod serve;
mod signals;
mod simulate;
mod simulate_args;
mod smol;
mod soak;
mod status;

use args::{Cli, Command};
use clap::Parser as _;
use output::{Code, Failure};
use std::future::Future;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.output.json;
    let ended = logs::start(&cli).and_then(|()| run(cli));
    match ended {
        Ok(code) => code.into(),
        Err(failure) => failure.report(json),
    }
}

fn run(cli: Cli) -> Result<Code, Failure> {
    let json = cli.output.json;
    match cli.command {
        Command::Serve(args) => serve::run(args, json),
        Command::Get(args) => block_on(Some(1), ops::get(args, json)),
        Command::Put(args) => block_on(Some(1), ops::put(args, json)),
        Command::Del(args) => block_on(Some(1), ops::del(args, json)),
        Command::Nodes(args) => block_on(Some(1), nodes::run(args, json)),
        Command::Status(args) => block_on(Some(1), status::run(args, json)),
        Command::Simulate(args) => simulate::run(args, json),
        Command::Demo => block_on(None, demo::run(json)),
        Command::Bench(args::Bench::Soak(args)) => block_on(None, soak::run(args, json)),
    }
}

/// Runs a command on a runtime of its own, with `workers` threads or one for each core.
fn block_on(
    workers: Option<usize>,
    command: impl Future<Output = Result<Code, Failure>> + Send + 'static,
) -> Result<Code, Failure> {
    use tokio::runtime::Builder;
    let mut builder = match workers {
        // A scheduler that steals takes 250 instructions more a request, and there is nobody to steal from.
        Some(1) => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    if let Some(workers) = workers.filter(|workers| *workers > 1) {
        builder.worker_threads(workers);
    }
    let runtime = builder
        .enable_all()
        .thread_name("zerocache")
        .build()
        .map_err(|error| {
            Failure::new(Code::Miss, format_args!("can not start threads: {error}"))
        })?;
    // On a worker, not on this thread: what it spawns and wakes then stays on the workers.
    let ended = runtime.block_on(runtime.spawn(command));
    // A reader of standard input may still be blocked in it.
    runtime.shutdown_background();
    ended.unwrap_or_else(|error| Err(Failure::new(Code::Io, format_args!("a bug: {error}"))))
}
