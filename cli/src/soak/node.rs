//! A node: a process of this program, on loopback.

use crate::args::Runtime;
use crate::link::Link;
use serde_json::Value;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Stdio;
use tokio::process::{Child, Command};
use zerocache_proto::Region;
use zerocache_proto::http::{Options, Outgoing, Response};

/// The names of regions; beyond, they are numbered.
const REGIONS: [&str; 5] = ["london", "paris", "tokyo", "delhi", "lima"];

pub(super) fn region_name(region: usize) -> String {
    REGIONS
        .get(region)
        .map_or_else(|| format!("region-{region}"), |name| (*name).to_owned())
}

/// How a node is started, again and again as the same one.
#[derive(Clone, Debug)]
pub(super) struct Recipe {
    pub(super) addr: SocketAddr,
    pub(super) region: Region,
    pub(super) runtime: Runtime,
    /// Nodes to start from.
    pub(super) peers: Vec<SocketAddr>,
}

pub(super) struct Node {
    pub(super) recipe: Recipe,
    child: Option<Child>,
}

impl Node {
    pub(super) fn start(recipe: Recipe) -> io::Result<Self> {
        let mut node = Self {
            recipe,
            child: None,
        };
        node.start_again()?;
        Ok(node)
    }

    pub(super) fn start_again(&mut self) -> io::Result<()> {
        let Recipe {
            addr,
            region,
            runtime,
            peers,
        } = &self.recipe;
        let mut command = Command::new(std::env::current_exe()?);
        // The environment of whoever runs this must not configure nodes.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("ZEROCACHE_") {
                command.env_remove(name);
            }
        }
        let runtime = match runtime {
            Runtime::Tokio => "tokio",
            Runtime::Smol => "smol",
        };
        command
            .args(["serve", "--no-mdns", "--die-with-parent", "--log", "error"])
            .args(["--region", region.as_str(), "--runtime", runtime])
            .args(["--address", &addr.ip().to_string()])
            .args(["--port", &addr.port().to_string()]);
        for peer in peers.iter().filter(|peer| *peer != addr) {
            command.args(["--peer", &peer.to_string()]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null());
        // Not what the terminal's Ctrl-C reaches: this program ends them.
        #[cfg(unix)]
        command.process_group(0);
        self.child = Some(command.kill_on_drop(true).spawn()?);
        Ok(())
    }

    /// Ends it without a word, and reaps it.
    pub(super) async fn kill(&mut self) -> io::Result<()> {
        match self.child.take() {
            Some(mut child) => child.kill().await,
            None => Ok(()),
        }
    }

    /// SIGSTOP or SIGCONT. Where there are no signals nothing happens, which is said.
    #[cfg(unix)]
    pub(super) fn pause(&self, paused: bool) -> io::Result<()> {
        use rustix::process::{Pid, Signal, kill_process};
        let pid = self
            .pid()
            .and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        let pid = pid.ok_or(io::ErrorKind::NotFound)?;
        let signal = if paused { Signal::STOP } else { Signal::CONT };
        Ok(kill_process(pid, signal)?)
    }

    #[cfg(not(unix))]
    pub(super) fn pause(&self, _paused: bool) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    /// How it ended, if it did so by itself.
    pub(super) fn ended(&mut self) -> Option<String> {
        let status = self.child.as_mut()?.try_wait().ok()??;
        Some(status.to_string())
    }

    /// Its page, if it answers within a second.
    pub(super) async fn status(addr: SocketAddr) -> Option<Value> {
        let request = Outgoing::path(addr, "/status", &Options::default());
        let page = Link::new(addr).exchange(request).await.ok()?;
        serde_json::from_slice(&page.body).ok()
    }
}

/// What `addr` itself has under a key.
pub(super) async fn ask(link: &mut Link, recipe: &Recipe, key: &str) -> io::Result<Response> {
    let options = Options::default();
    let request = Outgoing::get(recipe.addr, &recipe.region, key.as_bytes(), &options);
    link.exchange(request).await
}

/// What a process takes of the machine; `None` where there is no `/proc`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    pub(super) rss_kib: u64,
    pub(super) descriptors: usize,
}

pub(super) fn usage(pid: u32) -> Option<Usage> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let rss = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(Usage {
        rss_kib: rss.trim().trim_end_matches(" kB").parse().ok()?,
        descriptors: fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count(),
    })
}

/// Addresses for `count` nodes, below the ports that systems give to outgoing connections: nobody's must
/// take a node's while it is dead.
pub(super) fn addresses(count: usize) -> io::Result<Vec<SocketAddr>> {
    // Runs started together have neighbouring ids, and must not try for the same ports.
    let first = 20_000 + std::process::id() % 150 * 64;
    let ports = (first..30_000).chain(20_000..first);
    let free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, u16::try_from(port).ok()?)).ok();
    let held: Vec<TcpListener> = ports.filter_map(free).take(count).collect();
    if held.len() < count {
        return Err(io::ErrorKind::AddrNotAvailable.into());
    }
    held.iter().map(TcpListener::local_addr).collect()
}
