//! Logs on standard error.

use crate::args::{Cli, Command, LogFormat};
use crate::output::{Code, Failure};
use std::io::{self, IsTerminal as _};
use tracing_subscriber::EnvFilter;

/// Starts logging as the command line says.
pub(crate) fn start(cli: &Cli) -> Result<(), Failure> {
    let default = if matches!(cli.command, Command::Serve(_)) {
        "info"
    } else {
        "error"
    };
    let filter = cli
        .output
        .log
        .as_deref()
        .filter(|filter| !filter.is_empty())
        .unwrap_or(default);
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        Failure::new(
            Code::Usage,
            format_args!("--log {filter:?} is no filter: {error}"),
        )
    })?;
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(colours);
    match cli.output.log_format {
        LogFormat::Text => logs.init(),
        LogFormat::Json => logs.json().init(),
    }
    Ok(())
}
