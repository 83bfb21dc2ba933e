//! A stream whose bytes travel for a while, both ways.

use super::trace::{Outcome, Trace};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use zerocache_driver::runtime::{Runtime, Stream, Timer as _};

/// The most bytes on their way in one direction.
const IN_FLIGHT: usize = 256 << 10;
/// The most bytes taken from the socket at a time.
const CHUNK: usize = 16 << 10;

/// A connection over the map's distances.
pub(crate) struct Delayed<R: Runtime> {
    inner: R::Stream,
    line: Option<Line<R>>,
    watch: Option<Watch>,
}

/// What is on its way, and the timer of whatever arrives next.
struct Line<R: Runtime> {
    one_way: Duration,
    out: VecDeque<(Instant, Vec<u8>)>,
    back: VecDeque<(Instant, Arrival)>,
    ended: bool,
    shut: bool,
    timer: R::Timer,
}

enum Arrival {
    Bytes(Vec<u8>),
    End,
    Failed(io::Error),
}

impl<R: Runtime> Delayed<R> {
    /// A connection that takes `one_way` in each direction, and reports to the trace.
    pub(crate) fn new(
        inner: R::Stream,
        one_way: Duration,
        timer: R::Timer,
        trace: Option<(Arc<Trace>, u16)>,
    ) -> Self {
        let line = (!one_way.is_zero()).then(|| Line {
            one_way,
            out: VecDeque::new(),
            back: VecDeque::new(),
            ended: false,
            shut: false,
            timer,
        });
        let watch = trace.map(|(trace, port)| Watch {
            trace,
            port,
            asked: None,
        });
        Self { inner, line, watch }
    }

    /// A connection without delay.
    pub(crate) const fn direct(inner: R::Stream) -> Self {
        Self {
            inner,
            line: None,
            watch: None,
        }
    }
}

impl<R: Runtime> Stream for Delayed<R> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let read = match &mut self.line {
            Some(line) => line.poll_read(&mut self.inner, cx, buf),
            None => self.inner.poll_read(cx, buf),
        };
        if let (Some(watch), Poll::Ready(read)) = (&mut self.watch, &read) {
            watch.heard(
                read.as_ref()
                    .map_or(&[], |n| buf.get(..*n).unwrap_or_default()),
            );
        }
        read
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(watch) = &mut self.watch {
            watch.asks(buf);
        }
        match &mut self.line {
            Some(line) => line.poll_write(&mut self.inner, cx, buf),
            None => self.inner.poll_write(cx, buf),
        }
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(line) = &mut self.line {
            line.shut = true;
            line.drive(&mut self.inner, cx)?;
            if !line.out.is_empty() {
                return Poll::Pending;
            }
        }
        self.inner.poll_shutdown(cx)
    }
}

impl<R: Runtime> Line<R> {
    fn poll_read(
        &mut self,
        inner: &mut R::Stream,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        // A write that failed says less than what the peer sent before it hung up.
        let failed = self.drive(inner, cx).err();
        let now = Instant::now();
        match self.back.front_mut() {
            Some((due, arrival)) if *due <= now => match arrival {
                Arrival::End => Poll::Ready(Ok(0)),
                Arrival::Failed(error) => Poll::Ready(Err(error.kind().into())),
                Arrival::Bytes(bytes) => {
                    let n = bytes.len().min(buf.len());
                    for (to, from) in buf.iter_mut().zip(bytes.drain(..n)) {
                        *to = from;
                    }
                    if bytes.is_empty() {
                        self.back.pop_front();
                    }
                    Poll::Ready(Ok(n))
                }
            },
            Some(_) => Poll::Pending,
            None => failed.map_or(Poll::Pending, |error| Poll::Ready(Err(error))),
        }
    }

    fn poll_write(
        &mut self,
        inner: &mut R::Stream,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.drive(inner, cx)?;
        let flying: usize = self.out.iter().map(|(_, bytes)| bytes.len()).sum();
        let n = buf.len().min(IN_FLIGHT.saturating_sub(flying));
        if n == 0 && !buf.is_empty() {
            return Poll::Pending;
        }
        self.out.push_back((
            Instant::now() + self.one_way,
            buf.iter().take(n).copied().collect(),
        ));
        self.drive(inner, cx)?;
        Poll::Ready(Ok(n))
    }

    /// Moves whatever has arrived at either end; wakes the task for what arrives next.
    fn drive(&mut self, inner: &mut R::Stream, cx: &mut Context<'_>) -> io::Result<()> {
        loop {
            self.take_in(inner, cx);
            let sent = self.hand_over(inner, cx);
            if sent.is_err() {
                self.out.clear();
            }
            let now = Instant::now();
            let out = self
                .out
                .front()
                .map(|(due, _)| *due)
                .filter(|due| *due > now);
            let back = self
                .back
                .front()
                .map(|(due, _)| *due)
                .filter(|due| *due > now);
            let Some(next) = out.into_iter().chain(back).min() else {
                return sent;
            };
            self.timer.set(next);
            if self.timer.poll(cx).is_pending() || sent.is_err() {
                return sent;
            }
        }
    }

    /// What the peer has sent begins its way back.
    fn take_in(&mut self, inner: &mut R::Stream, cx: &mut Context<'_>) {
        let mut chunk = [0; CHUNK];
        while !self.ended && self.back.len() < IN_FLIGHT / CHUNK {
            let arrival = match inner.poll_read(cx, &mut chunk) {
                Poll::Pending => return,
                Poll::Ready(Ok(0)) => Arrival::End,
                Poll::Ready(Ok(n)) => Arrival::Bytes(chunk.iter().take(n).copied().collect()),
                Poll::Ready(Err(error)) => Arrival::Failed(error),
            };
            self.ended = !matches!(arrival, Arrival::Bytes(_));
            self.back
                .push_back((Instant::now() + self.one_way, arrival));
        }
    }

    /// What has come to the peer's end is given to its socket.
    fn hand_over(&mut self, inner: &mut R::Stream, cx: &mut Context<'_>) -> io::Result<()> {
        while let Some((due, bytes)) = self.out.front_mut() {
            if *due > Instant::now() {
                break;
            }
            match inner.poll_write(cx, bytes) {
                Poll::Pending => break,
                Poll::Ready(n) => {
                    bytes.drain(..n?);
                }
            }
            if bytes.is_empty() {
                self.out.pop_front();
            }
        }
        Ok(())
    }
}

/// Notes when a request leaves and how its answer begins.
struct Watch {
    trace: Arc<Trace>,
    port: u16,
    asked: Option<(Instant, String)>,
}

impl Watch {
    fn asks(&mut self, bytes: &[u8]) {
        if self.asked.is_none() {
            let head = String::from_utf8_lossy(bytes);
            let line = head.lines().next().unwrap_or_default();
            let request = line.split(" HTTP/").next().unwrap_or_default();
            let request = request.split('?').next().unwrap_or_default().to_owned();
            self.asked = Some((Instant::now(), request));
        }
    }

    fn heard(&mut self, bytes: &[u8]) {
        if let Some((began, request)) = self.asked.take() {
            let status = bytes
                .get(9..12)
                .and_then(|s| std::str::from_utf8(s).ok()?.parse().ok());
            let outcome = status.map_or(Outcome::Lost, Outcome::Answered);
            self.trace.add(self.port, request, began, outcome);
        }
    }
}
