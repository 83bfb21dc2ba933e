//! The signals that stop the program.

use futures_util::StreamExt as _;
use std::future::Future;
use std::io;

/// What stopped the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Signal {
    pub(crate) name: &'static str,
    number: u8,
}

impl Signal {
    /// What a shell expects of a process that such a signal ended at once.
    pub(crate) const fn exit_code(self) -> u8 {
        128 + self.number
    }
}

const INT: Signal = signal("SIGINT", 2);
const TERM: Signal = signal("SIGTERM", 15);
const QUIT: Signal = signal("SIGQUIT", 3);
const HUP: Signal = signal("SIGHUP", 1);

const fn signal(name: &'static str, number: u8) -> Signal {
    Signal { name, number }
}

/// Handlers of all of them, our own even where the parent had them ignored (a script's `&`, `nohup`).
pub(crate) trait Signals: Send {
    /// The next signal.
    fn next(&mut self) -> impl Future<Output = Signal> + Send;
}

/// Signals in tokio's loop.
#[cfg(unix)]
pub(crate) struct OnTokio {
    streams: [(Signal, tokio::signal::unix::Signal); 4],
}

#[cfg(unix)]
impl OnTokio {
    pub(crate) fn install() -> io::Result<Self> {
        use tokio::signal::unix::{self, SignalKind};
        let install = |signal, kind| unix::signal(kind).map(|stream| (signal, stream));
        Ok(Self {
            streams: [
                install(INT, SignalKind::interrupt())?,
                install(TERM, SignalKind::terminate())?,
                install(QUIT, SignalKind::quit())?,
                install(HUP, SignalKind::hangup())?,
            ],
        })
    }
}

#[cfg(unix)]
impl Signals for OnTokio {
    async fn next(&mut self) -> Signal {
        use std::task::Poll;
        std::future::poll_fn(|cx| {
            for (signal, stream) in &mut self.streams {
                if let Poll::Ready(Some(())) = stream.poll_recv(cx) {
                    return Poll::Ready(*signal);
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// Ctrl-C is all there is elsewhere.
#[cfg(not(unix))]
pub(crate) struct OnTokio;

#[cfg(not(unix))]
impl OnTokio {
    pub(crate) fn install() -> io::Result<Self> {
        Ok(Self)
    }
}

#[cfg(not(unix))]
impl Signals for OnTokio {
    async fn next(&mut self) -> Signal {
        while tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        INT
    }
}

/// Signals in async-io's loop.
pub(crate) struct OnSmol(async_signal::Signals);

impl OnSmol {
    pub(crate) fn install() -> io::Result<Self> {
        use async_signal::Signal::{Hup, Int, Quit, Term};
        #[cfg(unix)]
        let signals = [Int, Term, Quit, Hup];
        #[cfg(not(unix))]
        let signals = [Int];
        async_signal::Signals::new(signals).map(Self)
    }
}

impl Signals for OnSmol {
    async fn next(&mut self) -> Signal {
        use async_signal::Signal::{Hup, Quit, Term};
        loop {
            match self.0.next().await {
                Some(Ok(Term)) => return TERM,
                Some(Ok(Quit)) => return QUIT,
                Some(Ok(Hup)) => return HUP,
                Some(Ok(_)) => return INT,
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }
}
