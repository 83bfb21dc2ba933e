//! Hosts, each a network namespace with one cable, and the switch all cables lead to.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use zerocache_interop::{Failure, Outcome};

/// One network of hosts in segments. All of it goes when it is dropped.
pub(crate) struct Lab {
    hosts: Vec<Host>,
    switch: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// One namespace with one interface, `eth0`.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    /// The name of the namespace; that of its cable's far end too.
    pub(crate) name: String,
    /// Of `eth0`: 10.77.SEGMENT.NUMBER, all on one link.
    pub(crate) address: Ipv4Addr,
    /// Which part of the network it is in.
    pub(crate) segment: usize,
}

impl Lab {
    /// So many hosts in each segment, and this many milliseconds one way between two of them.
    pub(crate) fn new(sizes: &[usize], delays: &[(usize, usize, u32)]) -> Outcome<Self> {
        // The switch alone speaks here.
        fs::write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1").ok();
        fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1").ok();
        let mut hosts = Vec::new();
        for (segment, size) in sizes.iter().enumerate() {
            for number in 1..=*size {
                hosts.push(Host::new(segment, number)?);
            }
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/switch.py");
        let mut command = Command::new("python3");
        command.arg(script).args(
            hosts
                .iter()
                .map(|host| format!("{}={}", host.name, host.segment)),
        );
        let mut switch = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let pipes = switch.stdin.take().zip(switch.stdout.take());
        let (commands, answers) = pipes.ok_or_else(|| Failure::new("the switch has no pipes"))?;
        let mut lab = Self {
            hosts,
            switch,
            commands,
            answers: BufReader::new(answers),
        };
        lab.answer("ready")?;
        for (a, b, ms) in delays {
            lab.tell(&format!("delay {a} {b} {ms}"))?;
        }
        Ok(lab)
    }

    /// All hosts, by segment.
    pub(crate) fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// A command to the switch, in force when this returns.
    pub(crate) fn tell(&mut self, command: &str) -> Outcome {
        writeln!(self.commands, "{command}")?;
        self.answer("ok")
    }

    fn answer(&mut self, expected: &str) -> Outcome {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        if line.trim() == expected {
            return Ok(());
        }
        Err(Failure(format!("the switch said {line:?}")))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = self.switch.kill();
        let _ = self.switch.wait();
        for host in &self.hosts {
            // At once, and its far end with it; the namespace goes when the kernel has time.
            let _ = ip(&format!("link del {}", host.name));
            let _ = ip(&format!("netns del {}", host.name));
        }
    }
}

impl Host {
    fn new(segment: usize, number: usize) -> Outcome<Self> {
        let octet = |n: usize| u8::try_from(n).map_err(Failure::from);
        let host = Self {
            name: format!("s{segment}h{number}"),
            address: Ipv4Addr::new(10, 77, octet(segment)?, octet(number)?),
            segment,
        };
        let (name, address) = (&host.name, host.address);
        ip(&format!("netns add {name}"))?;
        ip(&format!(
            "link add {name} type veth peer name eth0 netns {name}"
        ))?;
        ip(&format!("link set {name} up"))?;
        ip(&format!("-n {name} link set lo up"))?;
        ip(&format!("-n {name} addr add {address}/16 brd + dev eth0"))?;
        ip(&format!("-n {name} link set eth0 up"))?;
        // Multicast that names no interface needs a route of its own.
        ip(&format!("-n {name} route add 224.0.0.0/4 dev eth0"))?;
        Ok(host)
    }

    /// Pulls its cable out, or plugs it in.
    pub(crate) fn cable(&self, plugged: bool) -> Outcome {
        let state = if plugged { "up" } else { "down" };
        ip(&format!("link set {} {state}", self.name))
    }

    /// A program to be run on it.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net={}", self.namespace().display()))
            .arg(program);
        command
    }

    /// Does something on it: sockets made meanwhile stay there.
    pub(crate) fn inside<T: Send>(&self, work: impl FnOnce() -> Outcome<T> + Send) -> Outcome<T> {
        thread::scope(|scope| {
            let entered = scope.spawn(|| {
                let namespace = File::open(self.namespace())?;
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
                work()
            });
            entered
                .join()
                .unwrap_or_else(|_| Err(Failure::new("a panic inside a namespace")))
        })
    }

    /// A connection made from it.
    pub(crate) fn connect(&self, to: SocketAddrV4, within: Duration) -> Outcome<TcpStream> {
        self.inside(|| Ok(TcpStream::connect_timeout(&to.into(), within)?))
    }

    fn namespace(&self) -> PathBuf {
        Path::new("/run/netns").join(&self.name)
    }
}

/// Runs a command to its end; its output is told only if it fails.
pub(crate) fn run(command: &mut Command) -> Outcome {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let told = String::from_utf8_lossy(&output.stderr);
    Err(Failure(format!("{command:?}: {}: {told}", output.status)))
}

fn ip(arguments: &str) -> Outcome {
    run(Command::new("ip").args(arguments.split(' ')))
}
