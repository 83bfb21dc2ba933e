//! Our own binary: as a node, and as a command-line client.

use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

use crate::failure::{Failure, Outcome, eventually};
use crate::lab::Host;
use crate::peer::{PORT, Probe, Site};
use crate::process::{Process, Signal, run};

/// A node of ours.
#[derive(Debug)]
pub struct Ours {
    process: Process,
    /// Where it stands.
    pub site: Site,
}

/// What a node of ours says of itself on `/status`.
#[derive(Clone, Debug)]
pub struct Status(pub Value);

/// What a run of the command-line client gave.
#[derive(Clone, Debug)]
pub struct Cli {
    /// Its exit code.
    pub code: Option<i32>,
    /// Its standard output: one object a line.
    pub lines: Vec<Value>,
    /// Its standard error.
    pub log: String,
}

impl Ours {
    /// Starts one on the host's address and the default port, and does not wait.
    ///
    /// # Errors
    /// When the binary cannot be built or started.
    pub fn start(host: &Host, region: &str) -> Outcome<Self> {
        Self::start_with(
            host,
            region,
            PORT,
            &["--address", &host.address().to_string()],
        )
    }

    /// Starts one on a port, with more flags than region and port; it must come to listen on the
    /// host's address, on whatever others it does.
    ///
    /// # Errors
    /// When the binary cannot be built or started.
    pub fn start_with(host: &Host, region: &str, port: u16, flags: &[&str]) -> Outcome<Self> {
        let address = SocketAddrV4::new(host.address(), port);
        let mut command = host.command(binary()?);
        command
            .args(["serve", "--region", region, "--port", &port.to_string()])
            .args(flags);
        command.env("ZEROCACHE_LOG", "debug");
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let process = Process::spawn(command, &format!("ours {address}"), &host.log("ours"))?;
        Ok(Self {
            process,
            site: Site {
                address,
                region: region.to_owned(),
            },
        })
    }

    /// What it says of itself.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn status(&mut self, probe: &mut Probe) -> Outcome<Status> {
        self.process.running()?;
        let answer = probe.http("GET", self.site.address, "/status", b"")?;
        Ok(Status(serde_json::from_slice(&answer.body)?))
    }

    /// Waits until it routes to exactly these other nodes.
    ///
    /// # Errors
    /// When it does not.
    pub fn sees(
        &mut self,
        probe: &mut Probe,
        others: &[Site],
        within: Duration,
    ) -> Outcome<Duration> {
        let what = format!("what our node {} sees", self.site.address);
        eventually(&what, within, || {
            // It may not listen yet.
            match self.status(probe) {
                Ok(status) => Ok(status.shows(others)),
                Err(failure) => {
                    self.process.running()?;
                    Ok(Err(failure.0))
                }
            }
        })
    }

    /// Waits until it answers a page with 200: `/healthz` once it listens, `/readyz` once others know.
    ///
    /// # Errors
    /// When it does not, or has ended.
    pub fn answers(&mut self, probe: &mut Probe, page: &str, within: Duration) -> Outcome {
        eventually(&format!("{page} of {}", self.site.address), within, || {
            self.process.running()?;
            let status = probe
                .http("GET", self.site.address, page, b"")
                .map(|answer| answer.status);
            Ok(if matches!(status, Ok(200)) {
                Ok(())
            } else {
                Err(format!("{status:?}"))
            })
        })?;
        Ok(())
    }

    /// Asks it to leave by SIGTERM, returning at once.
    ///
    /// # Errors
    /// When there is no such process any more.
    pub fn begin_leaving(&self) -> Outcome {
        self.process.signal(Signal::Term)
    }

    /// Asks it to leave by SIGINT, returning at once.
    ///
    /// # Errors
    /// When there is no such process any more.
    pub fn interrupt(&self) -> Outcome {
        self.process.signal(Signal::Interrupt)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it still runs after five seconds.
    pub fn ended(mut self) -> Outcome<ExitStatus> {
        self.process.ended(Duration::from_secs(5))
    }

    /// Kills it: no goodbye.
    ///
    /// # Errors
    /// When it does not end within five seconds.
    pub fn kill(mut self) -> Outcome<ExitStatus> {
        self.process.signal(Signal::Kill)?;
        self.process.ended(Duration::from_secs(5))
    }
}

impl Status {
    /// Whether the peers it routes to are exactly these.
    pub(crate) fn shows(&self, others: &[Site]) -> Result<(), String> {
        let peers = self.0.get("peers").and_then(Value::as_array);
        let mut seen: Vec<(String, String)> = Vec::new();
        for peer in peers.into_iter().flatten() {
            let field = |name: &str| peer.get(name).and_then(Value::as_str).unwrap_or_default();
            if peer.get("routable") == Some(&Value::Bool(true)) {
                seen.push((field("region").to_owned(), field("address").to_owned()));
            }
        }
        let mut wanted: Vec<(String, String)> = others
            .iter()
            .map(|site| (site.region.clone(), site.address.to_string()))
            .collect();
        seen.sort();
        wanted.sort();
        if seen == wanted {
            Ok(())
        } else {
            Err(self.0.to_string())
        }
    }
}

impl Cli {
    /// Runs the command-line client on a host until it ends.
    ///
    /// # Errors
    /// When it cannot be started or prints something that is not JSON.
    pub fn run(host: &Host, arguments: &[&str]) -> Outcome<Self> {
        let mut command = host.command(binary()?);
        command.args(arguments).arg("--json").stdin(Stdio::null());
        let output = command.output()?;
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        let text = String::from_utf8_lossy(&output.stdout);
        let lines = text
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<_, _>>();
        let lines =
            lines.map_err(|error| Failure(format!("{arguments:?}: {error}: {text}\n{log}")))?;
        Ok(Self {
            code: output.status.code(),
            lines,
            log,
        })
    }

    /// Fails unless it ended with this code.
    ///
    /// # Errors
    /// Says what it printed.
    pub fn ended_with(&self, code: i32) -> Outcome {
        if self.code == Some(code) {
            return Ok(());
        }
        Err(Failure(format!("exit code {code} expected: {self:?}")))
    }

    /// A text field of the first line.
    #[must_use]
    pub fn text(&self, field: &str) -> Option<&str> {
        self.lines.first()?.get(field)?.as_str()
    }
}

/// The binary under test: `ZEROCACHE_BIN`, or built here from this source.
fn binary() -> Outcome<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BUILT
        .get_or_init(|| build().map_err(|failure| failure.0))
        .clone()
        .map_err(Failure)
}

fn build() -> Outcome<PathBuf> {
    if let Some(path) = std::env::var_os("ZEROCACHE_BIN") {
        return Ok(std::path::absolute(path)?);
    }
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = root.join("target");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    run(Command::new(cargo)
        .args([
            "build",
            "--quiet",
            "-p",
            "zerocache-cli",
            "--bin",
            "zerocache",
            "--target-dir",
        ])
        .arg(&target)
        .current_dir(&root))?;
    Ok(std::path::absolute(target.join("debug/zerocache"))?)
}
