//! One stock node: the Python package as it is, on a host of its own.

use std::fs::File;
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use zerocache_interop::{Outcome, stock_server};

use crate::lab::Host;
use crate::node::PORT;
use crate::program::Program;

/// A stock node, which may be dead for the time being.
pub(crate) struct Stock {
    pub(crate) host: Host,
    region: &'static str,
    logs: PathBuf,
    program: Program,
}

impl Stock {
    /// Starts it, and does not wait.
    pub(crate) fn start(host: &Host, region: &'static str, logs: &Path) -> Outcome<Self> {
        let mut stock = Self {
            host: host.clone(),
            region,
            logs: logs.to_owned(),
            program: Program::default(),
        };
        stock.restart()?;
        Ok(stock)
    }

    /// Starts it again after [`Self::kill`]: under another name, as such nodes do.
    pub(crate) fn restart(&mut self) -> Outcome {
        let log = self.logs.join(format!("{}-stock.log", self.host.name));
        let (python, script) = stock_server()?;
        let mut command = self.host.command(&python);
        command.arg(script);
        command.args([
            &self.host.address.to_string(),
            &PORT.to_string(),
            self.region,
        ]);
        // It ends with its standard input.
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        command.stderr(File::options().create(true).append(true).open(log)?);
        self.program.start(command)
    }

    pub(crate) const fn address(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.host.address, PORT)
    }

    /// Ends it without a word, and reaps it.
    pub(crate) fn kill(&mut self) -> Outcome {
        self.program.kill()
    }

    /// SIGSTOP or SIGCONT.
    pub(crate) fn pause(&self, paused: bool) -> Outcome {
        self.program.pause(paused)
    }
}
