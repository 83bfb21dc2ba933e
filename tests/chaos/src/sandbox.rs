//! Namespaces of one's own, in which all of it happens, and which take everything along when they go.

use std::env;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use zerocache_interop::{Failure, Outcome};

/// Tells the program that it is in the sandbox.
const INSIDE: &str = "ZEROCACHE_CHAOS_INSIDE";
/// What must be installed: Debian's packages `iproute2`, `util-linux`, `mount` and `python3`.
const PROGRAMS: [(&str, &str); 5] = [
    ("ip", "-V"),
    ("unshare", "-V"),
    ("nsenter", "-V"),
    ("mount", "-V"),
    ("python3", "-V"),
];

/// Whether there can be one.
pub(crate) enum Sandbox {
    /// By this command line, to which a program is added.
    By(Vec<&'static str>),
    /// The kernel forbids it, in these words.
    Forbidden(String),
}

/// Whether this process runs in the sandbox.
pub(crate) fn is_inside() -> bool {
    env::var_os(INSIDE).is_some()
}

impl Sandbox {
    /// Finds out what is possible here.
    ///
    /// # Errors
    /// Names the programs that are missing.
    pub(crate) fn find() -> Outcome<Self> {
        let missing: Vec<&str> = PROGRAMS
            .into_iter()
            .filter(|(name, version)| Command::new(name).arg(version).output().is_err())
            .map(|(name, _)| name)
            .collect();
        if !missing.is_empty() {
            return Err(Failure(format!("not installed: {}", missing.join(", "))));
        }
        let mut told = String::new();
        // Root needs no user namespace, which some kernels refuse; others must have one.
        for user in [&[][..], &["--user", "--map-root-user"]] {
            let options = ["--net", "--mount", "--pid", "--mount-proc", "--fork"];
            // Ahead of what else the machine does, where that may be: times are measured here.
            let mut line = vec!["nice", "-n", "-10", "unshare", "--kill-child"];
            line.extend(options.iter().chain(user));
            let probe = "mount -t tmpfs none /run && ip netns add probe && ip link add probe type veth peer name eth0 netns probe";
            let tried = command(&line).args(["sh", "-c", probe]).output()?;
            if tried.status.success() {
                return Ok(Self::By(line));
            }
            told = String::from_utf8_lossy(&tried.stderr).trim().to_owned();
        }
        Ok(Self::Forbidden(told))
    }
}

/// Runs this very program again, inside. When this process ends, however it does, so does that one and
/// all it started.
pub(crate) fn enter(line: &[&str], binary: &Path) -> Outcome<ExitCode> {
    let mut child = command(line)
        .arg(env::current_exe()?)
        .args(env::args_os().skip(1))
        .env(INSIDE, "1")
        .env("ZEROCACHE_BIN", binary)
        .stdin(Stdio::piped())
        .spawn()?;
    // Closed only by the end of this process: `wait` would close it at once.
    let lifeline = child.stdin.take();
    let status = child.wait()?;
    drop(lifeline);
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Inside: names of namespaces of one's own, and an end with whoever is outside.
pub(crate) fn furnish() -> Outcome {
    std::thread::spawn(|| {
        // Nothing is ever written there; its end is the end of the process outside. As this one is the
        // first of its process namespace, the kernel kills all others with it.
        let _ = io::stdin().read(&mut [0]);
        std::process::exit(130);
    });
    crate::lab::run(Command::new("mount").args(["-t", "tmpfs", "none", "/run"]))
}

fn command(line: &[&str]) -> Command {
    let mut words = line.iter();
    let mut command = Command::new(words.next().copied().unwrap_or("nice"));
    command.args(words);
    command
}
