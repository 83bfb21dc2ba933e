//! The binary as a stranger runs it.
#![expect(clippy::panic, reason = "helpers of tests")]

use serde_json::Value;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take on a machine that is busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The binary, deaf to the environment of whoever runs the tests.
pub(crate) fn zerocache() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zerocache"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ZEROCACHE_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// What a command did.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

impl Ran {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("text on standard output")
    }

    pub(crate) fn json(&self) -> Value {
        let text = self.text();
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text:?}"))
    }

    /// Fails unless it ended with this code.
    pub(crate) fn exits(self, code: i32) -> Self {
        let text = String::from_utf8_lossy(&self.stdout);
        assert_eq!(self.code, code, "stdout: {text}\nstderr: {}", self.stderr);
        self
    }
}

/// Runs the binary to its end.
pub(crate) fn run(args: &[&str]) -> Ran {
    run_with_input(args, b"")
}

/// Runs the binary to its end, with this on its standard input.
pub(crate) fn run_with_input(args: &[&str], input: &[u8]) -> Ran {
    let began = Instant::now();
    let mut child = zerocache()
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    // It may have ended without reading.
    let _ = child.stdin.take().expect("piped").write_all(input);
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().expect("it ends");
    Ran {
        code: status.code().unwrap_or(-1),
        stdout,
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
        took: began.elapsed(),
    }
}

/// A node on loopback, without multicast, on a port of the system's choice; killed when dropped.
pub(crate) struct Serving {
    pub(crate) child: Child,
    pub(crate) stdout: BufReader<ChildStdout>,
    pub(crate) id: String,
    pub(crate) addr: String,
}

impl Serving {
    pub(crate) fn start(region: &str, more: &[&str]) -> Self {
        let mut command = zerocache();
        command.args(["serve", "--json", "--no-mdns", "--address", "127.0.0.1"]);
        command.args(["--port", "0", "--region", region]).args(more);
        Self::of(command)
    }

    /// Waits for the line that says that the node is ready.
    pub(crate) fn of(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("a line");
        let ready: Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("{error}: {line:?}, {:?}", child.wait()));
        assert_eq!(ready["ready"], true);
        let text = |name: &str| ready[name].as_str().expect("text").to_owned();
        Self {
            id: text("id"),
            addr: text("address"),
            child,
            stdout,
        }
    }

    /// Sends it a signal by its name, as `kill` takes it.
    #[cfg(unix)]
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status();
        assert!(sent.expect("kill runs").success());
    }

    /// Waits for its end.
    pub(crate) fn ends(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            assert!(began.elapsed() < PATIENCE, "it goes on");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until `look` is content.
pub(crate) fn eventually(what: &str, mut look: impl FnMut() -> bool) {
    let began = Instant::now();
    while !look() {
        assert!(
            began.elapsed() < PATIENCE,
            "not within {PATIENCE:?}: {what}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}
