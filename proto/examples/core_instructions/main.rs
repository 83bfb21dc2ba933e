//! `core_instructions OPERATION COUNT [PEERS]`: performs an operation so many times on the pure core, among
//! so many other nodes, with no socket and no clock, so that `valgrind --tool=callgrind` counts the
//! same instructions at every run. The difference of two counts is the cost of the operations between;
//! `benches/instructions.sh` does that.

mod lan;
mod multicast;
mod node;

use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = env::args().skip(1);
    let operation = args.next().unwrap_or_default();
    let mut number = || args.next().and_then(|count| count.parse().ok());
    let Some(count) = number() else {
        return ExitCode::from(2);
    };
    let peers = number().unwrap_or(0);
    match operation.as_str() {
        "view" => lan::views(count, peers),
        "hello" => lan::hellos(count, peers),
        "fanout" => lan::fanouts(count, peers),
        "mdns" => multicast::announcements(count, peers),
        request => match node::requests(request) {
            Some(requests) => node::exchange(&requests, count, peers),
            None => return ExitCode::from(2),
        },
    }
    ExitCode::SUCCESS
}
