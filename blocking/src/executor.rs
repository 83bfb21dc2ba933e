//! The background thread.

use crate::net::{Listener, Socket, Stream};
use crate::reactor::{Reactor, lock};
use crate::timers::Timer;
use futures_util::stream::{FuturesUnordered, Stream as _};
use mio::Poll;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;
use zerocache_driver::Runtime;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One thread, named `zerocache`, that runs tasks and waits for sockets. It ends when the last clone is
/// dropped and the tasks are done.
#[derive(Clone)]
pub struct Background {
    owner: Arc<Owner>,
}

struct Owner(Arc<Shared>);

struct Shared {
    reactor: Arc<Reactor>,
    spawned: Mutex<Vec<Task>>,
    /// Nobody is left to spawn anything.
    orphaned: AtomicBool,
}

impl Background {
    /// Starts the thread.
    ///
    /// # Errors
    /// Where the system has no thread, or nothing to wait for sockets with, to give.
    pub fn start() -> io::Result<Self> {
        let poll = Poll::new()?;
        let shared = Arc::new(Shared {
            reactor: Arc::new(Reactor::new(&poll)?),
            spawned: Mutex::default(),
            orphaned: AtomicBool::new(false),
        });
        let theirs = shared.clone();
        thread::Builder::new()
            .name("zerocache".to_owned())
            .spawn(move || theirs.run(poll))?;
        Ok(Self {
            owner: Arc::new(Owner(shared)),
        })
    }

    fn reactor(&self) -> &Arc<Reactor> {
        &self.owner.0.reactor
    }
}

impl Shared {
    fn run(&self, mut poll: Poll) {
        let mut events = Reactor::events();
        let mut tasks = FuturesUnordered::new();
        let waker = Waker::from(self.reactor.clone());
        let mut cx = Context::from_waker(&waker);
        loop {
            tasks.extend(std::mem::take(&mut *lock(&self.spawned)));
            // A task that panics is dropped; the others go on.
            let ran = catch_unwind(AssertUnwindSafe(|| {
                while let std::task::Poll::Ready(Some(())) = Pin::new(&mut tasks).poll_next(&mut cx)
                {
                }
            }));
            if ran.is_err() {
                self.reactor.notify();
            }
            let orphaned = self.orphaned.load(Ordering::Acquire);
            if orphaned && tasks.is_empty() && lock(&self.spawned).is_empty() {
                return;
            }
            if let Err(error) = self.reactor.turn(&mut poll, &mut events) {
                tracing::error!(%error, "can not wait for sockets");
                thread::sleep(Duration::from_millis(100));
            }
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.orphaned.store(true, Ordering::Release);
        self.0.reactor.notify();
    }
}

impl Runtime for Background {
    type Stream = Stream;
    type Listener = Listener;
    type Socket = Socket;
    type Timer = Timer;

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        lock(&self.owner.0.spawned).push(Box::pin(task));
        self.reactor().notify();
    }

    fn listener(&self, socket: TcpListener) -> io::Result<Listener> {
        Listener::new(self.reactor(), socket)
    }

    fn socket(&self, socket: UdpSocket) -> io::Result<Socket> {
        Socket::new(self.reactor(), socket)
    }

    fn connect(
        &self,
        addr: SocketAddr,
    ) -> impl Future<Output = io::Result<Stream>> + Send + 'static {
        Stream::connect(self.reactor().clone(), addr)
    }

    fn timer(&self) -> Timer {
        Timer::new(self.reactor().clone())
    }

    fn resolve(
        &self,
        host: String,
        port: u16,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static {
        zerocache_driver::resolve(host, port)
    }
}

impl fmt::Debug for Background {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Background").finish_non_exhaustive()
    }
}
