//! Loads one server from one thread, in the server's own protocol, and says what that cost the server.

mod args;
mod connection;
mod histogram;
mod load;
mod process;
mod protocol;

use args::{Args, USAGE};
use std::process::ExitCode;

fn main() -> ExitCode {
    let run = Args::parse(std::env::args().skip(1))
        .map_err(|error| format!("{error}\n\n{USAGE}"))
        .and_then(|args| load::run(&args).map_err(|error| error.to_string()));
    match run {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
