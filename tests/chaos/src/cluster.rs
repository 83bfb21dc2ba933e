//! Nodes in regions, and what every one of them must hold.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddrV4;
use std::path::Path;
use std::time::{Duration, Instant};

use zerocache_blocking::Client;
use zerocache_interop::{Failure, Outcome, eventually};
use zerocache_proto::cluster::StaticPeer;

use crate::lab::{Host, Lab};
use crate::node::{Node, PORT, Recipe};
use crate::stock::Stock;

/// The regions of segments 0, 1 and 2.
pub(crate) const REGIONS: [&str; 3] = ["london", "paris", "tokyo"];
/// One way between their segments, in milliseconds: 30 ms there and back, and 80.
const DELAYS: [(usize, usize, u32); 3] = [(0, 1, 15), (0, 2, 40), (1, 2, 40)];
/// After a fault all must be well within this. Seconds are usual; but a copy may die with the node that
/// carries it, and then it comes when nodes compare, every minute, with other regions every fifth time.
pub(crate) const CONVERGED: Duration = Duration::from_secs(600);
/// A key that is missing for as long is told.
const LATE: Duration = Duration::from_secs(2);

/// What was written and what deleted (`None`), by key.
pub(crate) type Ledger = BTreeMap<String, Option<String>>;

/// Some nodes on a network, and a client of the first region on the first node's host.
pub(crate) struct Cluster {
    // Before the network they are on.
    pub(crate) client: Client,
    pub(crate) nodes: Vec<Node>,
    /// Nodes of the Python package; none but in a mixed cluster.
    pub(crate) stock: Vec<Stock>,
    pub(crate) lab: Lab,
    /// All that was ever written.
    pub(crate) ledger: Ledger,
    /// Nodes of ours that requests are sent to, one of each region: never a victim.
    pub(crate) seats: [usize; REGIONS.len()],
    down: BTreeSet<Victim>,
}

/// A node that is struck, by its number among those of its kind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Victim {
    Ours(usize),
    Stock(usize),
}

impl Cluster {
    /// Three nodes in each of the three regions.
    pub(crate) fn start(mut recipe: Recipe) -> Outcome<Self> {
        clear(&recipe)?;
        let lab = Lab::new(&[3; REGIONS.len()], &DELAYS)?;
        let hosts = lab.hosts();
        // The first node of each region is known to all; multicast does not leave a region.
        let firsts = hosts.iter().step_by(3);
        recipe.seeds = firsts
            .map(|host| SocketAddrV4::new(host.address, PORT))
            .collect();
        Self::of(recipe, lab, &[], [0, 3, 6])
    }

    /// Five nodes of ours and four stock ones: two and one, two and one, one and two in a region; all on one
    /// link, and told of nobody.
    pub(crate) fn mixed(recipe: Recipe) -> Outcome<Self> {
        clear(&recipe)?;
        let mut lab = Lab::new(&[3; REGIONS.len()], &DELAYS)?;
        lab.tell("multicast on")?;
        Self::of(recipe, lab, &[2, 5, 7, 8], [0, 2, 4])
    }

    fn of(
        recipe: Recipe,
        lab: Lab,
        stock: &[usize],
        seats: [usize; REGIONS.len()],
    ) -> Outcome<Self> {
        let hosts = lab.hosts();
        let (mut nodes, mut stocks) = (Vec::new(), Vec::new());
        for (number, host) in hosts.iter().enumerate() {
            let region = REGIONS[host.segment];
            if stock.contains(&number) {
                stocks.push(Stock::start(host, region, &recipe.logs)?);
            } else {
                nodes.push(Node::start(&recipe, host, region)?);
            }
        }
        let known: StaticPeer = nodes[0]
            .address()
            .to_string()
            .parse()
            .map_err(|error| Failure(format!("a node's address: {error}")))?;
        let client =
            hosts[0].inside(|| Ok(Client::builder(REGIONS[0]).peer(known).connect()?))?;
        Ok(Self {
            client,
            nodes,
            stock: stocks,
            lab,
            ledger: Ledger::new(),
            seats,
            down: BTreeSet::new(),
        })
    }

    /// From now on nothing is expected of these.
    pub(crate) fn strike(&mut self, victims: &[Victim]) {
        self.down.extend(victims);
    }

    /// From now on they are expected to do as all others.
    pub(crate) fn heal(&mut self) {
        self.down.clear();
    }

    /// The nodes of ours that are up, by number.
    pub(crate) fn up(&self) -> Vec<usize> {
        (0..self.nodes.len())
            .filter(|number| !self.down.contains(&Victim::Ours(*number)))
            .collect()
    }

    /// Waits until each node that is up routes to exactly the others that are, each listed once.
    pub(crate) fn settle(&mut self, within: Duration) -> Outcome<Duration> {
        let began = Instant::now();
        let own = self.up().into_iter();
        let own = own.map(|number| self.nodes[number].address());
        let stock = self.stock.iter().enumerate();
        let stock = stock.filter(|(number, _)| !self.down.contains(&Victim::Stock(*number)));
        let all = own.chain(stock.map(|(_, stock)| stock.address()));
        let all: BTreeSet<String> = all.map(|address| address.to_string()).collect();
        for number in self.up() {
            let node = &mut self.nodes[number];
            let mut others = all.clone();
            others.remove(&node.address().to_string());
            let what = format!("what {} routes to", node.host.name);
            eventually(&what, within.saturating_sub(began.elapsed()), || {
                // It may not listen yet.
                let seen = match node.routes() {
                    Ok(seen) => seen,
                    Err(failure) => {
                        node.lives()?;
                        return Ok(Err(failure.0));
                    }
                };
                Ok(if seen == others {
                    Ok(())
                } else {
                    Err(format!("{seen:?}, expected {others:?}"))
                })
            })?;
        }
        Ok(began.elapsed())
    }

    /// Waits until no node that is up routes to any of these that are of its own region.
    pub(crate) fn without(&mut self, victims: &[Victim], within: Duration) -> Outcome {
        for number in self.up() {
            let region = self.nodes[number].region.clone();
            let dead = victims.iter().map(|victim| self.host(*victim));
            let dead = dead.filter(|host| REGIONS[host.segment] == region);
            let dead = dead.map(|host| SocketAddrV4::new(host.address, PORT).to_string());
            let dead: BTreeSet<_> = dead.collect();
            let node = &mut self.nodes[number];
            let what = format!("what {} routes to", node.host.name);
            eventually(&what, within, || {
                let seen = node.routes()?;
                Ok(if seen.is_disjoint(&dead) {
                    Ok(())
                } else {
                    Err(format!("{seen:?}"))
                })
            })?;
        }
        Ok(())
    }

    /// Waits until each node that is up answers every key of the ledger as it must.
    pub(crate) fn agree(&mut self, within: Duration) -> Outcome<Duration> {
        let ledger = self.ledger.clone();
        self.hold(&ledger, within)
    }

    /// The same of other keys.
    pub(crate) fn hold(&mut self, ledger: &Ledger, within: Duration) -> Outcome<Duration> {
        let began = Instant::now();
        for number in self.up() {
            let node = &mut self.nodes[number];
            let mut keys: Vec<&String> = ledger.keys().collect();
            let what = format!("what {} holds", node.host.name);
            let (asked, mut told) = (Instant::now(), false);
            eventually(&what, within.saturating_sub(began.elapsed()), || {
                let seen = node.get_all(&keys)?;
                let mut seen = seen.into_iter();
                keys.retain(|key| seen.next().as_ref() != ledger.get(*key));
                if let Some(first) = keys.first().filter(|_| !told && asked.elapsed() > LATE) {
                    let (name, count) = (&node.host.name, keys.len());
                    println!("{name} still waits for {count} keys, such as {first}");
                    told = true;
                }
                Ok(match keys.as_slice() {
                    [] => Ok(()),
                    [first, ..] => Err(format!("{} keys are wrong, {first} first", keys.len())),
                })
            })?;
        }
        Ok(began.elapsed())
    }

    /// Where a node is, or was.
    pub(crate) fn host(&self, victim: Victim) -> &Host {
        match victim {
            Victim::Ours(number) => &self.nodes[number].host,
            Victim::Stock(number) => &self.stock[number].host,
        }
    }

    /// Stores a value at a node.
    pub(crate) fn put(&mut self, number: usize, key: &str, value: &str) -> Outcome {
        self.nodes[number].put(key, value)?;
        self.ledger.insert(key.to_owned(), Some(value.to_owned()));
        Ok(())
    }

    /// Deletes a value at a node.
    pub(crate) fn delete(&mut self, number: usize, key: &str) -> Outcome {
        self.nodes[number].delete(key)?;
        self.ledger.insert(key.to_owned(), None);
        Ok(())
    }
}

/// Makes the folder of the logs, without those of another run.
fn clear(recipe: &Recipe) -> Outcome {
    if recipe.logs.exists() {
        fs::remove_dir_all(&recipe.logs)?;
    }
    fs::create_dir_all(&recipe.logs)?;
    Ok(())
}

/// The last lines of every log of a folder.
pub(crate) fn tails(logs: &Path) -> String {
    let entries = fs::read_dir(logs).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
    files.sort();
    let mut text = String::new();
    for file in files {
        let log = fs::read(&file).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines.get(lines.len().saturating_sub(12)..);
        let tail = tail.unwrap_or_default().join("\n");
        text.push_str(&format!("--- {}\n{tail}\n", file.display()));
    }
    text
}
