//! Nodes, and the floor's programs, each in a process of its own.

use crate::floor;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::net::TcpListener;
use zerocache::Node;

/// What this program can be told to be.
pub(crate) const NODE: &str = "--node";
pub(crate) const FLOOR_NODE: &str = "--floor-node";
pub(crate) const FLOOR_PEER: &str = "--floor-peer";

/// Is what it was told to be, tells its address, and ends with its standard input.
pub(crate) async fn be(role: &str, addrs: Vec<SocketAddr>) {
    let over = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0]));
    if role == NODE {
        let mut builder = Node::builder("london")
            .address(Ipv4Addr::LOCALHOST.into())
            .port(0)
            .mdns(false);
        if let Some(seed) = addrs.first() {
            builder = builder.peer(seed.to_string().parse().unwrap());
        }
        let node = builder.start().unwrap();
        tell(node.addr());
        let _ = over.await;
        return node.kill();
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    tell(listener.local_addr().unwrap());
    match role {
        FLOOR_NODE => tokio::task::spawn_local(floor::serve_node(listener, addrs)),
        _ => tokio::task::spawn_local(floor::serve_peer(listener)),
    };
    let _ = over.await;
}

#[expect(clippy::print_stdout, reason = "the parent reads it")]
fn tell(addr: SocketAddr) {
    println!("{addr}");
}

/// A process, which ends when this is dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) addr: SocketAddr,
}

impl Process {
    /// Starts one on a core, if it can be kept there.
    fn launch(core: usize, role: &str, addrs: &[SocketAddr]) -> Self {
        let this = std::env::current_exe().unwrap();
        let mut command = if has_taskset() {
            let mut command = Command::new("taskset");
            command.args(["-c", &core.to_string()]).arg(this);
            command
        } else {
            Command::new(this)
        };
        command
            .arg(role)
            .args(addrs.iter().map(ToString::to_string));
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let addr = line.trim().parse().unwrap();
        Self { child, addr }
    }

    /// The processor time it has used; zero where the system does not tell.
    pub(crate) fn cpu(&self) -> Duration {
        let tasks = format!("/proc/{}/task", self.child.id());
        let threads = std::fs::read_dir(tasks).into_iter().flatten().flatten();
        let nanos = threads.filter_map(|thread| {
            let stat = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
            stat.split(' ').next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanos.sum())
    }

    /// How many other nodes it routes to.
    fn routes(&self) -> usize {
        use std::io::Write as _;
        let mut stream = TcpStream::connect(self.addr).unwrap();
        stream
            .write_all(b"GET /_zc/1/members HTTP/1.1\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let nodes = answer.lines().filter(|line| line.ends_with(" zc"));
        nodes.count().saturating_sub(1)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// The process asked, which has the first core, and its peers, which share the second one.
pub(crate) struct Group {
    pub(crate) asked: Process,
    _peers: Vec<Process>,
}

impl Group {
    pub(crate) fn of_nodes(peers: usize) -> Self {
        let asked = Process::launch(0, NODE, &[]);
        let launch = |_| Process::launch(1, NODE, &[asked.addr]);
        let others: Vec<_> = (0..peers).map(launch).collect();
        while asked.routes() < peers || others.iter().any(|node| node.routes() < peers) {
            std::thread::yield_now();
        }
        Self {
            asked,
            _peers: others,
        }
    }

    pub(crate) fn of_the_floor(peers: usize) -> Self {
        let peers: Vec<_> = (0..peers)
            .map(|_| Process::launch(1, FLOOR_PEER, &[]))
            .collect();
        let addrs: Vec<_> = peers.iter().map(|peer| peer.addr).collect();
        Self {
            asked: Process::launch(0, FLOOR_NODE, &addrs),
            _peers: peers,
        }
    }
}

/// Moves this process to a core, if it can be moved.
pub(crate) fn pin_this(core: usize) {
    let (core, this) = (core.to_string(), std::process::id().to_string());
    let _ = Command::new("taskset")
        .args(["-cp", &core, &this])
        .stdout(Stdio::null())
        .status();
}

fn has_taskset() -> bool {
    Command::new("taskset")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_ok()
}
