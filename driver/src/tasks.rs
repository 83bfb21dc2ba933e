//! Tasks on whatever runs futures: the caller's executor, or one future that the caller polls.

use crate::builder::NodeBuilder;
use crate::client::{Client, ClientBuilder};
use crate::error::StartError;
use crate::node::Node;
use crate::runtime::Runtime;
use futures_channel::mpsc::{self, UnboundedReceiver};
use futures_util::stream::{FuturesUnordered, Stream as _};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A background task of a node or a client.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs a task to its end in the background, or drops it if there is no such thing any more.
pub type Spawner = Arc<dyn Fn(Task) + Send + Sync>;

/// A runtime with no executor of its own: its tasks run where a [`Spawner`] puts them.
pub trait Hosted: Runtime {
    /// The runtime whose tasks `spawner` takes.
    fn hosted(spawner: Spawner) -> Self;
}

/// Runs all tasks of a node or a client wherever it is polled. It ends when they have all ended and
/// the node or client is dropped; dropped before, it takes them along.
#[must_use = "nothing runs unless it is polled"]
pub struct Driver {
    /// Tasks spawned since the last poll: as many as connections and writes are admitted.
    spawned: UnboundedReceiver<Task>,
    running: FuturesUnordered<Task>,
}

impl Driver {
    /// A driver, and what gives it tasks.
    pub fn new() -> (Spawner, Self) {
        let (sender, spawned) = mpsc::unbounded();
        let spawner = Arc::new(move |task| {
            // Without a driver nothing runs any more.
            drop(sender.unbounded_send(task));
        });
        let driver = Self {
            spawned,
            running: FuturesUnordered::new(),
        };
        (spawner, driver)
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        loop {
            let over = loop {
                match Pin::new(&mut this.spawned).poll_next(cx) {
                    Poll::Ready(Some(task)) => this.running.push(task),
                    Poll::Ready(None) => break true,
                    Poll::Pending => break false,
                }
            };
            match Pin::new(&mut this.running).poll_next(cx) {
                Poll::Ready(Some(())) => {}
                Poll::Ready(None) if over => return Poll::Ready(()),
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("running", &self.running.len())
            .finish_non_exhaustive()
    }
}

impl<R: Hosted> NodeBuilder<R> {
    /// Starts the node; it runs while the returned [`Driver`] is polled.
    ///
    /// # Errors
    /// [`StartError`]; nothing was announced then.
    pub fn start_with_driver(self) -> Result<(Node<R>, Driver), StartError> {
        let (spawner, driver) = Driver::new();
        Ok((self.start_on(R::hosted(spawner))?, driver))
    }
}

impl<R: Hosted> ClientBuilder<R> {
    /// Starts the client; its background task runs while the returned [`Driver`] is polled.
    ///
    /// # Errors
    /// [`StartError`]: an invalid region.
    pub fn connect_with_driver(self) -> Result<(Client<R>, Driver), StartError> {
        let (spawner, driver) = Driver::new();
        Ok((self.connect_on(R::hosted(spawner))?, driver))
    }
}
