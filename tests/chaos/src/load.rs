//! What goes on while nodes die: reads and writes at nodes that live, each timed by who asks.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use zerocache_blocking::Client;
use zerocache_interop::{Failure, Outcome, eventually};

use crate::cluster::{Cluster, Ledger};
use crate::http::Conn;

/// Reads for each write.
const READS: usize = 10;
/// The pause after each request. It paces the load, which is to leave processor time to the nodes.
const PACE: Duration = Duration::from_millis(4);
/// A rate is the median of so many windows
const WINDOWS: usize = 7;
/// of this length.
const WINDOW: Duration = Duration::from_millis(300);

/// A load under way.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    writes: Arc<AtomicUsize>,
    promised: Arc<Mutex<Ledger>>,
    workers: Vec<JoinHandle<Outcome<Tally>>>,
}

/// What it did.
#[derive(Default)]
pub(crate) struct Tally {
    /// How long each GET took, at a node.
    pub(crate) gets: Vec<Duration>,
    /// How long each PUT and DELETE took, at a node.
    pub(crate) puts: Vec<Duration>,
    /// How long each operation of the client library took, tries at other nodes included.
    pub(crate) client: Vec<Duration>,
    /// How many of those failed.
    pub(crate) unserved: Vec<String>,
    /// What is to be found now.
    pub(crate) ledger: Ledger,
}

impl Load {
    /// Begins to read `known` and to write keys that begin with `tag`, at these nodes and through the
    /// client.
    pub(crate) fn begin(cluster: &Cluster, at: &[usize], tag: &str, known: &Ledger) -> Self {
        let (stop, writes) = <(Arc<AtomicBool>, Arc<AtomicUsize>)>::default();
        let known: Arc<Vec<(String, String)>> = Arc::new(
            known
                .iter()
                .filter_map(|(key, value)| Some((key.clone(), value.clone()?)))
                .collect(),
        );
        let mut workers = Vec::new();
        for number in at {
            let node = &cluster.nodes[*number];
            let (mut conn, region) = (node.conn(), node.region.clone());
            let tag = format!("{tag}-{}", node.host.name);
            let (stop, writes, known) = (stop.clone(), writes.clone(), known.clone());
            workers.push(thread::spawn(move || {
                let mut tally = Tally::default();
                while !stop.load(Ordering::Relaxed) {
                    let serial = tally.puts.len();
                    write(&mut conn, &region, &format!("{tag}-{serial}"), &mut tally)?;
                    writes.fetch_add(1, Ordering::Relaxed);
                    for (key, value) in known.iter().cycle().skip(serial).take(READS) {
                        read(&mut conn, &region, key, value, &mut tally)?;
                    }
                }
                Ok(tally)
            }));
        }
        let (client, tag, stopped) = (cluster.client.clone(), tag.to_owned(), stop.clone());
        let promised = Arc::<Mutex<Ledger>>::default();
        let told = promised.clone();
        // Where the client asks from is where its sockets are made.
        let host = cluster.nodes[0].host.clone();
        workers.push(thread::spawn(move || {
            host.inside(|| {
                let mut tally = Tally::default();
                for (serial, (key, value)) in known.iter().cycle().enumerate() {
                    if stopped.load(Ordering::Relaxed) {
                        break;
                    }
                    let fresh = format!("{tag}-client-{serial}");
                    if through(&client, &fresh, (key, value), &mut tally) {
                        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
                        told.insert(fresh.clone(), Some(fresh));
                    }
                }
                Ok(tally)
            })
        }));
        Self {
            stop,
            writes,
            promised,
            workers,
        }
    }

    /// What the client has been told to be stored, by whichever node.
    pub(crate) fn promised(&self) -> Ledger {
        let promised = self.promised.lock();
        promised.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until so many more writes have been answered.
    pub(crate) fn go_on_for(&self, more: usize) -> Outcome {
        let until = self.writes.load(Ordering::Relaxed) + more;
        eventually("writes during a fault", Duration::from_secs(60), || {
            let ended = self.workers.iter().any(JoinHandle::is_finished);
            let done = self.writes.load(Ordering::Relaxed);
            Ok(if done >= until || ended {
                Ok(())
            } else {
                Err(format!("{done} of {until}"))
            })
        })?;
        Ok(())
    }

    /// Ends it; fails if any request was not answered as it must be.
    pub(crate) fn end(self) -> Outcome<Tally> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Tally::default();
        let promised = self.promised;
        for worker in self.workers {
            let tally = worker
                .join()
                .unwrap_or_else(|_| Err(Failure::new("a worker of the load panicked")))?;
            all.gets.extend(tally.gets);
            all.puts.extend(tally.puts);
            all.client.extend(tally.client);
            all.unserved.extend(tally.unserved);
            all.ledger.extend(tally.ledger);
        }
        let promised = promised.lock();
        let promised = promised.unwrap_or_else(PoisonError::into_inner);
        all.ledger.extend(promised.clone());
        Ok(all)
    }
}

/// Stores a value, or overwrites or deletes one of those before.
fn write(conn: &mut Conn, region: &str, key: &str, tally: &mut Tally) -> Outcome {
    let former = tally.ledger.keys().next_back().cloned();
    let (method, key, value) = match (tally.puts.len() % 8, former) {
        (3, Some(former)) => ("PUT", former, Some(format!("second of {key}"))),
        (7, Some(former)) => ("DELETE", former, None),
        _ => ("PUT", key.to_owned(), Some(format!("value of {key}"))),
    };
    let body = value.as_deref().unwrap_or_default().as_bytes();
    let reply = conn.ask(method, &format!("/{region}/{key}?expiry=900"), body)?;
    if reply.status != 200 {
        return Err(Failure(format!("{method} {key}: {}", reply.status)));
    }
    tally.puts.push(reply.took);
    tally.ledger.insert(key, value);
    thread::sleep(PACE);
    Ok(())
}

fn read(conn: &mut Conn, region: &str, key: &str, value: &str, tally: &mut Tally) -> Outcome {
    let reply = conn.ask("GET", &format!("/{region}/{key}"), b"")?;
    if reply.status != 200 || reply.body != value.as_bytes() {
        let body = String::from_utf8_lossy(&reply.body);
        return Err(Failure(format!("GET {key}: {} {body:?}", reply.status)));
    }
    tally.gets.push(reply.took);
    thread::sleep(PACE);
    Ok(())
}

/// One write and one read by the client library, which finds a node by itself; whether it was told that
/// the write is done.
fn through(client: &Client, fresh: &str, known: (&str, &str), tally: &mut Tally) -> bool {
    let began = Instant::now();
    let stored = client.put(fresh, fresh.to_owned(), Duration::from_secs(900));
    tally.client.push(began.elapsed());
    if let Err(error) = &stored {
        tally.unserved.push(format!("put {fresh}: {error}"));
    }
    thread::sleep(PACE);
    let (key, value) = known;
    let began = Instant::now();
    let read = client.get(key);
    tally.client.push(began.elapsed());
    match read {
        Ok(Some(seen)) if seen == value.as_bytes() => {}
        Ok(seen) => tally.unserved.push(format!("get {key}: {seen:?}")),
        Err(error) => tally.unserved.push(format!("get {key}: {error}")),
    }
    thread::sleep(PACE);
    stored.is_ok()
}

/// How many requests a second nodes answer that are asked one after the other without a pause, reads and a
/// write for ten of them, all nodes at once: the median of some windows.
pub(crate) fn rate(cluster: &Cluster, at: &[usize], known: &Ledger) -> Outcome<f64> {
    let stop = AtomicBool::new(false);
    let answered = AtomicUsize::new(0);
    let keys: Vec<&String> = known.keys().collect();
    thread::scope(|scope| {
        let workers: Vec<_> = at
            .iter()
            .map(|number| {
                let node = &cluster.nodes[*number];
                let (stop, answered, keys) = (&stop, &answered, &keys);
                scope.spawn(move || -> Outcome {
                    let mut conn = node.conn();
                    for (turn, key) in keys.iter().cycle().enumerate() {
                        if stop.load(Ordering::Relaxed) {
                            break;
                        }
                        let target = node.target(key);
                        conn.ask("GET", &target, b"")?;
                        if turn % READS == 0 {
                            let target = node.target(&format!("rate-{}", node.host.name));
                            conn.ask("PUT", &target, b"again")?;
                            answered.fetch_add(1, Ordering::Relaxed);
                        }
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(())
                })
            })
            .collect();
        let mut counts: Vec<usize> = (0..WINDOWS)
            .map(|_| {
                let before = answered.load(Ordering::Relaxed);
                thread::sleep(WINDOW);
                answered.load(Ordering::Relaxed) - before
            })
            .collect();
        stop.store(true, Ordering::Relaxed);
        for worker in workers {
            let panicked = || Err(Failure::new("a worker panicked"));
            worker.join().unwrap_or_else(|_| panicked())?;
        }
        counts.sort_unstable();
        Ok(counts[WINDOWS / 2] as f64 / WINDOW.as_secs_f64())
    })
}
