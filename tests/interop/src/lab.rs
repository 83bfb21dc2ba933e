//! Private networks: one bridge in a namespace of its own, one more namespace per host.

use std::fs;
use std::net::Ipv4Addr;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::failure::{Failure, Outcome};
use crate::process::{Process, run, work_folder};

/// How every namespace of these tests begins; the process id and a number follow.
const PREFIX: &str = "zcinterop";
/// How much of each log is shown when a scenario fails.
const TAIL_LINES: usize = 25;

static LABS: AtomicU32 = AtomicU32::new(0);

/// One private network. All its namespaces go when it is dropped.
#[derive(Debug)]
pub struct Lab {
    name: String,
    hosts: u8,
    logs: PathBuf,
    capture: Option<Process>,
}

/// One namespace with one interface, `eth0`, on the bridge.
#[derive(Clone, Debug)]
pub struct Host {
    namespace: String,
    address: Ipv4Addr,
    logs: PathBuf,
}

/// Runs a scenario on a network of its own and shows the logs of all processes if it fails.
///
/// # Errors
/// What the scenario failed with, followed by the ends of the logs.
pub fn on_a_lab(title: &str, scenario: impl FnOnce(&mut Lab) -> Outcome) -> Outcome {
    let mut lab = Lab::new(title)?;
    let logs = lab.logs.clone();
    match catch_unwind(AssertUnwindSafe(|| scenario(&mut lab))) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(failure)) => Err(Failure(format!("{failure:?}\n{}", tails(&logs)))),
        Err(panic) => {
            drop(lab);
            resume_unwind(panic)
        }
    }
}

impl Lab {
    /// A bridge without any host.
    ///
    /// With `ZEROCACHE_INTEROP_PCAP` set, `tcpdump` writes all frames next to the logs.
    fn new(title: &str) -> Outcome<Self> {
        sweep();
        let number = LABS.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}-{}-{number}", std::process::id());
        let logs = work_folder().join("logs").join(title);
        if logs.exists() {
            fs::remove_dir_all(&logs)?;
        }
        fs::create_dir_all(&logs)?;
        let mut lab = Self {
            name,
            hosts: 0,
            logs,
            capture: None,
        };
        let hub = lab.hub();
        ip(&["netns", "add", &hub])?;
        ip(&["-n", &hub, "link", "set", "lo", "up"])?;
        let bridge = ["link", "add", "br0", "type", "bridge", "forward_delay", "0"];
        ip(&[&["-n", &hub], &bridge[..], &["mcast_snooping", "0"]].concat())?;
        ip(&["-n", &hub, "link", "set", "br0", "up"])?;
        if std::env::var_os("ZEROCACHE_INTEROP_PCAP").is_some() {
            let mut tcpdump = in_namespace(&hub, "tcpdump");
            tcpdump.args(["-i", "br0", "-U", "-n", "-s", "0", "-w"]);
            tcpdump.arg(lab.logs.join("frames.pcap"));
            lab.capture = Some(Process::spawn(
                tcpdump,
                "tcpdump",
                &lab.logs.join("tcpdump.log"),
            )?);
        }
        Ok(lab)
    }

    /// Adds a host: 10.77.0.1, then 10.77.0.2, ...
    ///
    /// # Errors
    /// When `ip` fails, as it does for anyone but root.
    pub fn host(&mut self) -> Outcome<Host> {
        self.hosts += 1;
        let number = self.hosts;
        let (namespace, hub) = (format!("{}-{number}", self.name), self.hub());
        let (port, address) = (format!("port{number}"), Ipv4Addr::new(10, 77, 0, number));
        ip(&["netns", "add", &namespace])?;
        ip(&["-n", &namespace, "link", "set", "lo", "up"])?;
        let pair = ["type", "veth", "peer", "name", "eth0", "netns", &namespace];
        ip(&[&["-n", &hub, "link", "add", &port], &pair[..]].concat())?;
        ip(&["-n", &hub, "link", "set", &port, "master", "br0", "up"])?;
        let with_prefix = format!("{address}/24");
        ip(&[
            "-n",
            &namespace,
            "addr",
            "add",
            &with_prefix,
            "brd",
            "+",
            "dev",
            "eth0",
        ])?;
        ip(&["-n", &namespace, "link", "set", "eth0", "up"])?;
        // A lone LAN has no default route; multicast that names no interface needs one of its own.
        ip(&[
            "-n",
            &namespace,
            "route",
            "add",
            "224.0.0.0/4",
            "dev",
            "eth0",
        ])?;
        Ok(Host {
            namespace,
            address,
            logs: self.logs.clone(),
        })
    }

    /// Cuts a host's cable or plugs it in again.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn cable(&self, host: &Host, plugged: bool) -> Outcome {
        let port = format!("port{}", host.address.octets()[3]);
        let state = if plugged { "up" } else { "down" };
        ip(&["-n", &self.hub(), "link", "set", &port, state])
    }

    fn hub(&self) -> String {
        format!("{}-hub", self.name)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.capture = None;
        remove_namespaces(|name| {
            name.strip_prefix(self.name.as_str())
                .is_some_and(|rest| rest.starts_with('-'))
        });
    }
}

impl Host {
    /// The address of its one interface.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// A program to be run on this host.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        in_namespace(&self.namespace, program)
    }

    pub(crate) fn log(&self, kind: &str) -> PathBuf {
        self.logs.join(format!("{kind}-{}.log", self.address))
    }
}

fn in_namespace(namespace: &str, program: impl AsRef<Path>) -> Command {
    let mut command = Command::new("ip");
    command
        .args(["netns", "exec", namespace])
        .arg(program.as_ref());
    // Requests must go straight to the peers.
    for proxy in ["http_proxy", "https_proxy", "all_proxy"] {
        command.env_remove(proxy).env_remove(proxy.to_uppercase());
    }
    command
}

fn ip(arguments: &[&str]) -> Outcome {
    run(Command::new("ip").args(arguments))
}

/// Removes what test processes that are no more have left behind.
fn sweep() {
    remove_namespaces(|name| {
        name.strip_prefix(PREFIX)
            .and_then(|rest| rest.split('-').nth(1))
            .is_some_and(|process| !Path::new("/proc").join(process).exists())
    });
}

fn remove_namespaces(chosen: impl Fn(&str) -> bool) {
    let Ok(output) = Command::new("ip").args(["netns", "list"]).output() else {
        return;
    };
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let name = line.split_whitespace().next().unwrap_or_default();
        if name.starts_with(PREFIX) && chosen(name) {
            end_all_in(name);
            let _ = ip(&["netns", "del", name]);
        }
    }
}

/// Ends what still runs in a namespace, such as the nodes of a test process that was killed.
fn end_all_in(namespace: &str) {
    let listed = Command::new("ip")
        .args(["netns", "pids", namespace])
        .output();
    let Ok(output) = listed else { return };
    for process in String::from_utf8_lossy(&output.stdout).split_whitespace() {
        let _ = run(Command::new("kill").args(["-KILL", process]));
    }
}

/// The last lines of every log in the folder.
fn tails(logs: &Path) -> String {
    let mut files: Vec<PathBuf> = fs::read_dir(logs)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "log"));
    files.sort();
    let mut text = String::new();
    for file in files {
        let log = String::from_utf8_lossy(&fs::read(&file).unwrap_or_default()).into_owned();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines
            .get(lines.len().saturating_sub(TAIL_LINES)..)
            .unwrap_or_default();
        text.push_str(&format!("--- {}\n{}\n", file.display(), tail.join("\n")));
    }
    text
}
