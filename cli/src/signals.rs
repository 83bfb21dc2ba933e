//! The signals that stop the program.

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

/// Handlers of all of them, our own even where the parent had them ignored (a script's `&`, `nohup`).
#[cfg(unix)]
pub(crate) struct Signals {
    streams: [(Signal, tokio::signal::unix::Signal); 4],
}

#[cfg(unix)]
impl Signals {
    pub(crate) fn install() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let install = |name, number, kind: SignalKind| {
            signal(kind).map(|stream| (Signal { name, number }, stream))
        };
        Ok(Self {
            streams: [
                install("SIGINT", 2, SignalKind::interrupt())?,
                install("SIGTERM", 15, SignalKind::terminate())?,
                install("SIGQUIT", 3, SignalKind::quit())?,
                install("SIGHUP", 1, SignalKind::hangup())?,
            ],
        })
    }

    /// The next signal.
    pub(crate) async fn next(&mut self) -> Signal {
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
pub(crate) struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub(crate) fn install() -> io::Result<Self> {
        Ok(Self)
    }

    /// The next signal.
    pub(crate) async fn next(&mut self) -> Signal {
        while tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Signal {
            name: "Ctrl-C",
            number: 2,
        }
    }
}
