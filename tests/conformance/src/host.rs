//! The hosts: where the suite's nodes run.

use crate::world::World;
use std::collections::BTreeMap;
use std::future::{Future, pending};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;
use zerocache_blocking::Background;
use zerocache_driver::runtime::{Ambient, Runtime};
use zerocache_driver::{Admission, Hosted as _, Node};
use zerocache_proto::http::Limits;
use zerocache_smol::Smol;
use zerocache_tokio::Tokio;

/// The longest a case may take.
const CASE: Duration = Duration::from_secs(60);

/// A runtime of nodes and clients.
pub(crate) trait Host: 'static {
    type Runtime: Runtime;

    /// What its tests are called.
    const NAME: &'static str;

    /// What the names of the threads begin with that it is known to have.
    const THREADS: &'static [&'static str];

    /// Whether its tasks end with it.
    const ENDS: bool = true;

    /// Runs `main` to its end on a runtime of its own, then drops that.
    fn run<F: Future>(main: impl FnOnce(Self::Runtime) -> F) -> F::Output;
}

/// Runs one case of the API; a hang is a failure.
pub(crate) fn run_case<H: Host, F: Future<Output = ()>>(
    case: impl FnOnce(World<H::Runtime>) -> F + Send + 'static,
) {
    within(|| H::run(|runtime| case(World { runtime })));
}

/// Runs `work` on a thread named like this one; a hang is a failure.
pub(crate) fn within(work: impl FnOnce() + Send + 'static) {
    let name = thread::current().name().unwrap_or("case").to_owned();
    let (done, over) = mpsc::channel();
    let thread = thread::Builder::new().name(name).spawn(move || {
        work();
        let _ = done.send(());
    });
    match over.recv_timeout(CASE) {
        Ok(()) => {}
        Err(RecvTimeoutError::Timeout) => panic!("still running after {CASE:?}"),
        Err(RecvTimeoutError::Disconnected) => {
            std::panic::resume_unwind(thread.unwrap().join().unwrap_err())
        }
    }
}

/// What answers the wire cases.
pub(crate) trait Server: 'static {
    const NAME: &'static str;

    /// Starts a node of `london` that runs until the process ends.
    fn serve(limits: Limits) -> SocketAddr;

    /// The node all cases share.
    fn shared() -> SocketAddr {
        shared::<Self>("default", Limits::default())
    }

    /// One with so short deadlines that they can be waited for.
    fn hasty() -> SocketAddr {
        let deadline = Duration::from_millis(300);
        let limits = Limits {
            head_timeout: deadline,
            body_timeout: deadline,
            idle_timeout: deadline,
            ..Limits::default()
        };
        shared::<Self>("hasty", limits)
    }
}

fn shared<S: Server + ?Sized>(kind: &'static str, limits: Limits) -> SocketAddr {
    static RUNNING: Mutex<BTreeMap<(&str, &str), SocketAddr>> = Mutex::new(BTreeMap::new());
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    *running
        .entry((S::NAME, kind))
        .or_insert_with(|| S::serve(limits))
}

impl<H: Host> Server for H {
    const NAME: &'static str = H::NAME;

    fn serve(limits: Limits) -> SocketAddr {
        let (started, addr) = mpsc::channel();
        thread::spawn(move || {
            H::run(|runtime| async move {
                let world = World { runtime };
                let many = Admission {
                    connections: 4096,
                    per_source: 4096,
                };
                let node = world.start(world.builder("london").limits(limits).admission(many));
                node.ready().await;
                started.send(node.addr()).unwrap();
                pending::<Node<H::Runtime>>().await
            });
        });
        addr.recv_timeout(CASE).unwrap()
    }
}

/// tokio with several threads.
pub(crate) struct TokioThreads;

impl Host for TokioThreads {
    type Runtime = Tokio;
    const NAME: &'static str = "tokio";
    const THREADS: &'static [&'static str] = &["host"];

    fn run<F: Future>(main: impl FnOnce(Tokio) -> F) -> F::Output {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("host")
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async { main(Tokio::current().unwrap()).await })
    }
}

/// tokio on the calling thread.
pub(crate) struct TokioAlone;

impl Host for TokioAlone {
    type Runtime = Tokio;
    const NAME: &'static str = "tokio_current_thread";
    const THREADS: &'static [&'static str] = &["host"];

    fn run<F: Future>(main: impl FnOnce(Tokio) -> F) -> F::Output {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .thread_name("host")
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async { main(Tokio::current().unwrap()).await })
    }
}

/// An executor of smol's, on two threads beside the caller's.
pub(crate) struct SmolThreads;

impl Host for SmolThreads {
    type Runtime = Smol;
    const NAME: &'static str = "smol";
    const THREADS: &'static [&'static str] = &["host", "async-io", "zerocache-dns"];

    fn run<F: Future>(main: impl FnOnce(Smol) -> F) -> F::Output {
        let executor = Arc::new(smol::Executor::new());
        // Tasks hold the runtime: it must not hold their executor.
        let weak = Arc::downgrade(&executor);
        let runtime = Smol::new(move |task| {
            if let Some(executor) = weak.upgrade() {
                executor.spawn(task).detach();
            }
        });
        let (running, ended) = smol::channel::bounded::<()>(1);
        thread::scope(|scope| {
            for _ in 0..2 {
                let (executor, ended) = (executor.clone(), ended.clone());
                let host = thread::Builder::new().name("host".into());
                host.spawn_scoped(scope, move || smol::block_on(executor.run(ended.recv())))
                    .unwrap();
            }
            // Dropped at the end, and when a case fails.
            let _running = running;
            smol::block_on(main(runtime))
        })
    }
}

/// The thread of the blocking client, which runs nodes as well.
pub(crate) struct OneThread;

impl Host for OneThread {
    type Runtime = Background;
    const NAME: &'static str = "blocking";
    const THREADS: &'static [&'static str] = &["zerocache"];
    const ENDS: bool = false;

    fn run<F: Future>(main: impl FnOnce(Background) -> F) -> F::Output {
        zerocache_blocking::block_on(main(Background::start().unwrap()))
    }
}

/// async-std's executor, which is the process's and never ends.
pub(crate) struct AsyncStd;

impl Host for AsyncStd {
    type Runtime = Smol;
    const NAME: &'static str = "async_std";
    const THREADS: &'static [&'static str] = &["async-std", "async-io", "zerocache-dns"];
    const ENDS: bool = false;

    fn run<F: Future>(main: impl FnOnce(Smol) -> F) -> F::Output {
        let runtime = Smol::new(|task| drop(async_std::task::spawn(task)));
        async_std::task::block_on(main(runtime))
    }
}

/// No executor: all tasks are in one future, polled beside the caller's.
pub(crate) struct DriverFuture;

impl Host for DriverFuture {
    type Runtime = Smol;
    const NAME: &'static str = "driver_future";
    const THREADS: &'static [&'static str] = &["async-io", "zerocache-dns"];

    fn run<F: Future>(main: impl FnOnce(Smol) -> F) -> F::Output {
        let (spawner, driver) = zerocache_smol::Driver::new();
        let main = main(Smol::hosted(spawner));
        smol::block_on(smol::future::or(main, async {
            driver.await;
            pending().await
        }))
    }
}

/// The example that has no runtime, as a program of its own.
pub(crate) struct StdExample;

impl Server for StdExample {
    const NAME: &'static str = "std_example";

    fn serve(_: Limits) -> SocketAddr {
        let program = example("custom_runtime");
        // Ends it when this process, whatever becomes of it, no longer holds the other end of the pipe.
        let script = r#""$0" "$@" & read -r _; kill $!"#;
        let mut shell = Command::new("sh")
            .args(["-c", script, &program, "127.0.0.1:0"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = BufReader::new(shell.stdout.take().unwrap()).lines();
        let addr = told.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, addr) = line.split_once("listens on ")?;
            addr.parse().ok()
        });
        // Both ends of what it reads and writes stay open.
        Box::leak(Box::new((shell, told)));
        addr.unwrap()
    }
}

/// Where an example of the facade package is, once it is built.
fn example(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = root.join("target");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--quiet", "-p", "zerocache", "--all-features"])
        .args(["--example", name, "--target-dir"])
        .arg(&target)
        .current_dir(&root)
        .status();
    assert!(built.unwrap().success());
    let program = target.join("debug/examples").join(name);
    program.to_str().unwrap().to_owned()
}
