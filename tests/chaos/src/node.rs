//! One node of ours: the binary as users run it, on a host of its own.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use zerocache_interop::{Failure, Outcome};

use crate::http::Conn;
use crate::lab::Host;
use crate::program::Program;

/// The default port of every node.
pub(crate) const PORT: u16 = 6789;

/// How nodes of a cluster are started.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    /// The program.
    pub(crate) binary: PathBuf,
    /// `tokio` or `smol`.
    pub(crate) runtime: &'static str,
    /// Nodes of which the others are learned.
    pub(crate) seeds: Vec<SocketAddrV4>,
    /// Where logs go.
    pub(crate) logs: PathBuf,
}

/// A node, which may be dead for the time being.
pub(crate) struct Node {
    pub(crate) host: Host,
    pub(crate) region: String,
    recipe: Recipe,
    program: Program,
    conn: Conn,
}

impl Node {
    /// Starts it, and does not wait.
    pub(crate) fn start(recipe: &Recipe, host: &Host, region: &str) -> Outcome<Self> {
        let mut node = Self {
            host: host.clone(),
            region: region.to_owned(),
            recipe: recipe.clone(),
            program: Program::default(),
            conn: Conn::new(host, SocketAddrV4::new(host.address, PORT)),
        };
        node.restart()?;
        Ok(node)
    }

    /// Starts it again after [`Self::kill`], just as it was started first: so it is the same node.
    pub(crate) fn restart(&mut self) -> Outcome {
        let log = self.recipe.logs.join(format!("{}.log", self.host.name));
        let mut command = self.host.command(&self.recipe.binary);
        deafen(&mut command);
        command.args(["serve", "--region", &self.region]);
        command.args(["--runtime", self.recipe.runtime]);
        command.args(["--address", &self.host.address.to_string()]);
        for seed in self
            .recipe
            .seeds
            .iter()
            .filter(|seed| **seed != self.address())
        {
            command.args(["--peer", &seed.to_string()]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(File::options().create(true).append(true).open(log)?);
        self.program.start(command)
    }

    /// Where it answers.
    pub(crate) fn address(&self) -> SocketAddrV4 {
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

    /// Fails if it ended by itself.
    pub(crate) fn lives(&mut self) -> Outcome {
        self.program.ended()?.map_or(Ok(()), |status| {
            Err(Failure(format!(
                "{} ended by itself: {status}",
                self.host.name
            )))
        })
    }

    /// A client's way to it, from its own host.
    pub(crate) fn conn(&self) -> Conn {
        Conn::new(&self.host, self.address())
    }

    /// Stores a value at it.
    pub(crate) fn put(&mut self, key: &str, value: &str) -> Outcome {
        let target = format!("{}?expiry=900", self.target(key));
        let reply = self.conn.ask("PUT", &target, value.as_bytes())?;
        expect(&target, reply.status, &[200]).map(|_| ())
    }

    /// Deletes a value at it, which it need not hold itself.
    pub(crate) fn delete(&mut self, key: &str) -> Outcome {
        let target = self.target(key);
        let reply = self.conn.ask("DELETE", &target, b"")?;
        expect(&target, reply.status, &[200, 404]).map(|_| ())
    }

    /// What it answers to these keys, in their order.
    pub(crate) fn get_all(&mut self, keys: &[&String]) -> Outcome<Vec<Option<String>>> {
        let targets: Vec<String> = keys.iter().map(|key| self.target(key)).collect();
        let mut values = Vec::new();
        for (target, (status, body)) in targets.iter().zip(self.conn.read_all(&targets)?) {
            let found = expect(target, status, &[200, 404])? == 200;
            values.push(found.then(|| String::from_utf8_lossy(&body).into_owned()));
        }
        Ok(values)
    }

    /// The path of a key, in its own region.
    pub(crate) fn target(&self, key: &str) -> String {
        format!("/{}/{key}", self.region)
    }

    /// The peers it routes to, after a look that none is listed twice.
    pub(crate) fn routes(&mut self) -> Outcome<BTreeSet<String>> {
        self.lives()?;
        let page: Value = serde_json::from_slice(&self.conn.ask("GET", "/status", b"")?.body)?;
        let peers = page.get("peers").and_then(Value::as_array);
        let (mut routed, mut ids, mut addresses) =
            (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for peer in peers.into_iter().flatten() {
            let field = |name: &str| {
                let text = peer.get(name).and_then(Value::as_str);
                text.unwrap_or_default().to_owned()
            };
            if !ids.insert(field("id")) || !addresses.insert(field("address")) {
                return Err(Failure(format!(
                    "{} lists a peer twice: {page}",
                    self.host.name
                )));
            }
            if peer.get("routable") == Some(&Value::Bool(true)) {
                routed.insert(field("address"));
            }
        }
        Ok(routed)
    }
}

/// The binary under test: `ZEROCACHE_BIN`, or built here from this source, as it is released.
pub(crate) fn binary() -> Outcome<PathBuf> {
    if let Some(path) = std::env::var_os("ZEROCACHE_BIN") {
        return Ok(std::path::absolute(path)?);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--release", "-p", "zerocache-cli"]);
    build.arg("--target-dir").arg(root.join("target"));
    crate::lab::run(build.current_dir(&root))?;
    Ok(std::path::absolute(root.join("target/release/zerocache"))?)
}

fn expect(target: &str, status: u16, allowed: &[u16]) -> Outcome<u16> {
    if allowed.contains(&status) {
        return Ok(status);
    }
    Err(Failure(format!("{target}: {status}")))
}

/// The environment of whoever runs this must not configure nodes.
fn deafen(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ZEROCACHE_") {
            command.env_remove(name);
        }
    }
}
