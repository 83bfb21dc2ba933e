//! A runtime of smol's parts: threads that wait in async-io, each with an async-executor of its own.

use crate::output::{Code, Failure};
use async_executor::Executor;
use std::future::{Future, pending};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use zerocache_smol::Smol;

/// Runs a command on `workers` threads, or on one for each core.
pub(crate) fn block_on<F>(
    workers: Option<usize>,
    command: impl FnOnce(Smol) -> F,
) -> Result<Code, Failure>
where
    F: Future<Output = Result<Code, Failure>> + Send + 'static,
{
    let cores = || thread::available_parallelism().map_or(1, usize::from);
    let workers = workers.unwrap_or_else(cores);
    // A task stays on one thread, each next one on the next: an executor that several threads share
    // wakes another thread for what the one that heard of it could have done.
    let executors: Arc<[_]> = (0..workers).map(|_| Arc::new(Executor::new())).collect();
    let (spawners, next) = (executors.clone(), AtomicUsize::new(0));
    let runtime = Smol::new(move |task| {
        let next = next.fetch_add(1, Ordering::Relaxed) % spawners.len();
        if let Some(executor) = spawners.get(next) {
            executor.spawn(task).detach();
        }
    });
    let (done, ended) = mpsc::channel();
    let command = command(runtime);
    let main = async move {
        // Who waits for it ends the program.
        drop(done.send(command.await));
    };
    if let Some(executor) = executors.first() {
        executor.spawn(main).detach();
    }
    for executor in executors.iter() {
        let executor = executor.clone();
        let work = move || async_io::block_on(executor.run(pending::<()>()));
        thread::Builder::new()
            .name("zerocache".to_owned())
            .spawn(work)
            .map_err(|error| {
                Failure::new(Code::Miss, format_args!("can not start threads: {error}"))
            })?;
    }
    // Not in `async_io::block_on`: this thread would wait for the sockets, and wake a worker for each.
    ended
        .recv()
        .unwrap_or_else(|_| Err(Failure::new(Code::Io, "a bug: the command is gone")))
}
