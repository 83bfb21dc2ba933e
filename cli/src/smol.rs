//! A runtime of smol's parts: async-io for events, and an async-executor that several threads run.

use crate::output::{Code, Failure};
use async_executor::Executor;
use std::future::{Future, poll_fn};
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::thread::{self, Thread};
use zerocache_smol::Smol;

/// Tasks in a row that are worth another thread's wake-up. Fewer events at once cost more waits, and
/// each of async-io's is five system calls.
const WORTH_HELP: usize = 32;
/// Tasks in a row before the sockets are looked at again.
const A_TURN: usize = 128;

/// Runs a command on `workers` threads, or on one for each core.
///
/// The first of them, the leader, waits for events and runs the tasks they wake; the others sleep, and
/// help with what is more than it can do soon. If each had tasks of its own, or they all waited in the
/// executor, the one that hears of an event would often have to wake another for it.
pub(crate) fn block_on<F>(
    workers: Option<usize>,
    command: impl FnOnce(Smol) -> F,
) -> Result<Code, Failure>
where
    F: Future<Output = Result<Code, Failure>> + Send + 'static,
{
    let cores = || thread::available_parallelism().map_or(1, usize::from);
    let workers = workers.unwrap_or_else(cores);
    let executor = Arc::new(Executor::new());
    let spawner = executor.clone();
    let command = command(Smol::new(move |task| spawner.spawn(task).detach()));
    let (done, ended) = mpsc::channel();
    let main = async move {
        // Who waits for it ends the program.
        drop(done.send(command.await));
    };
    executor.spawn(main).detach();
    let mut next = None;
    for _ in 1..workers {
        let helper = Worker::new(&executor, next);
        next = Some(start(move || helper.help())?);
    }
    let leader = Worker::new(&executor, next);
    start(move || async_io::block_on(leader.lead()))?;
    // Not in `async_io::block_on`: this thread would wait for the sockets, and wake a worker for each.
    ended
        .recv()
        .unwrap_or_else(|_| Err(Failure::new(Code::Io, "a bug: the command is gone")))
}

fn start(work: impl FnOnce() + Send + 'static) -> Result<Thread, Failure> {
    thread::Builder::new()
        .name("zerocache".to_owned())
        .spawn(work)
        .map(|handle| handle.thread().clone())
        .map_err(|error| Failure::new(Code::Miss, format_args!("can not start threads: {error}")))
}

struct Worker {
    executor: Arc<Executor<'static>>,
    /// Who is woken next if there is much to do.
    next: Option<Thread>,
}

impl Worker {
    fn new(executor: &Arc<Executor<'static>>, next: Option<Thread>) -> Self {
        Self {
            executor: executor.clone(),
            next,
        }
    }

    /// Runs tasks, and waits where there are none: whoever waits on this in async-io hears of its events.
    async fn lead(&self) {
        loop {
            self.executor.tick().await;
            if self.run() {
                yield_now().await;
            }
        }
    }

    /// Runs tasks each time it is woken.
    fn help(&self) {
        loop {
            while self.run() {}
            thread::park();
        }
    }

    /// Runs tasks, a turn of them at most; says whether there may be more.
    fn run(&self) -> bool {
        for run in 1..A_TURN {
            if !self.executor.try_tick() {
                return false;
            }
            if run % WORTH_HELP == 0 {
                self.next.iter().for_each(Thread::unpark);
            }
        }
        true
    }
}

/// Lets async-io look for events.
async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
