//! A connection that pipelines without end has the thread for a turn at a time, however its requests come.

use std::collections::VecDeque;
use std::future::{Future, ready};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;
use zerocache_driver::runtime::{self, Runtime};
use zerocache_driver::{Node, NodeBuilder};

/// What the driver allows itself a turn.
const REQUESTS: usize = 32;
const READS: usize = 16;
const WRITTEN: usize = 64 << 10;

const GET: &[u8] = b"GET /london/none HTTP/1.1\r\n\r\n";
const VALUE: usize = 4096;

#[test]
fn requests_that_come_together_are_answered_so_many_a_turn() {
    assert_eq!(longest_wait(&GET.repeat(100), usize::MAX), REQUESTS);
}

#[test]
fn requests_that_come_one_by_one_end_a_turn_as_well() {
    assert_eq!(longest_wait(GET, GET.len()), READS);
}

#[test]
fn so_do_long_answers() {
    let body = vec![b'v'; VALUE];
    let put = b"PUT /london/long HTTP/1.1\r\nContent-Length: 4096\r\n\r\n".to_vec();
    let gets = b"GET /london/long HTTP/1.1\r\n\r\n".repeat(100);
    let wait = longest_wait(&[put, body, gets].concat(), usize::MAX);
    // The answer to each PUT is short.
    assert!((2..=WRITTEN / VALUE + 1).contains(&wait), "{wait}");
}

/// The most answers the flooder got between two of the polite one.
fn longest_wait(flood: &[u8], a_read: usize) -> usize {
    const POLITE: usize = 200;
    let desk = Desk::default();
    let answers = desk.answers.clone();
    let wire = |who, bytes: &[u8], a_read| Wire {
        who,
        bytes: bytes.to_vec(),
        at: 0,
        a_read,
        answered: false,
        waits: false,
        answers: answers.clone(),
    };
    desk.wires.lock().expect("no panic").extend([
        wire(Who::Flooder, flood, a_read),
        wire(Who::Polite, GET, GET.len()),
    ]);
    let _node: Node<Desk> = NodeBuilder::new("london")
        .address(Ipv4Addr::LOCALHOST.into())
        .port(0)
        .mdns(false)
        .seed(1)
        .start_on(desk.clone())
        .expect("a node");
    let mut tasks = Tasks::default();
    let polite = |answers: &[Who]| answers.iter().filter(|who| **who == Who::Polite).count();
    while polite(&answers.lock().expect("no panic")) < POLITE {
        tasks.step(&desk);
    }
    let answers = answers.lock().expect("no panic");
    let waits = answers.split(|who| *who == Who::Polite);
    // Not before the first: nor after the last.
    waits
        .skip(1)
        .take(POLITE - 1)
        .map(<[Who]>::len)
        .max()
        .unwrap_or(0)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Flooder,
    Polite,
}

type Answers = Arc<Mutex<Vec<Who>>>;
type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A runtime whose connections are scripts and whose time does not pass.
#[derive(Clone, Default)]
struct Desk {
    spawned: Arc<Mutex<Vec<Task>>>,
    wires: Arc<Mutex<Vec<Wire>>>,
    answers: Answers,
}

impl Runtime for Desk {
    type Stream = Wire;
    type Listener = Wires;
    type Socket = Nothing;
    type Timer = Nothing;

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.spawned.lock().expect("no panic").push(Box::pin(task));
    }

    fn listener(&self, _: TcpListener) -> io::Result<Wires> {
        Ok(Wires(std::mem::take(
            &mut *self.wires.lock().expect("no panic"),
        )))
    }

    fn socket(&self, _: UdpSocket) -> io::Result<Nothing> {
        Ok(Nothing)
    }

    fn connect(&self, _: SocketAddr) -> impl Future<Output = io::Result<Wire>> + Send + 'static {
        ready(Err(io::ErrorKind::ConnectionRefused.into()))
    }

    fn timer(&self) -> Nothing {
        Nothing
    }

    fn resolve(
        &self,
        _: String,
        _: u16,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static {
        ready(Ok(Vec::new()))
    }
}

/// A client whose requests never end.
struct Wire {
    who: Who,
    /// Said again and again.
    bytes: Vec<u8>,
    at: usize,
    /// The most bytes there are at once.
    a_read: usize,
    /// Of the polite one: it has its answer, and asks again in its next turn.
    answered: bool,
    /// It has asked.
    waits: bool,
    answers: Answers,
}

impl runtime::Stream for Wire {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        if std::mem::take(&mut self.answered) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.who == Who::Polite && std::mem::replace(&mut self.waits, true) {
            return Poll::Pending;
        }
        let n = buf.len().min(self.a_read);
        for byte in &mut buf[..n] {
            *byte = self.bytes[self.at];
            self.at = (self.at + 1) % self.bytes.len();
        }
        Poll::Ready(Ok(n))
    }

    fn poll_write(&mut self, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        // All is taken at once, so a write is of whole answers.
        let heads = buf.windows(9).filter(|bytes| *bytes == b"HTTP/1.1 ");
        let answered = heads.map(|_| self.who);
        self.answers.lock().expect("no panic").extend(answered);
        (self.answered, self.waits) = (self.who == Who::Polite, false);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

struct Wires(Vec<Wire>);

impl runtime::Listener for Wires {
    type Stream = Wire;

    fn poll_accept(&mut self, _: &mut Context<'_>) -> Poll<io::Result<(Wire, SocketAddr)>> {
        let from = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        self.0
            .pop()
            .map_or(Poll::Pending, |wire| Poll::Ready(Ok((wire, from))))
    }
}

struct Nothing;

impl runtime::Socket for Nothing {
    fn poll_recv(
        &self,
        _: &mut Context<'_>,
        _: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        Poll::Pending
    }

    fn try_send(&self, _: &[u8], _: SocketAddr) -> io::Result<()> {
        Ok(())
    }
}

impl runtime::Timer for Nothing {
    fn set(&mut self, _: Instant) {}

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

/// Who is woken first is polled first.
#[derive(Default)]
struct Tasks {
    all: Vec<(Task, Arc<Alarm>)>,
    woken: Woken,
}

type Woken = Arc<Mutex<VecDeque<usize>>>;

struct Alarm {
    number: usize,
    rings: AtomicBool,
    woken: Woken,
}

impl Tasks {
    /// Takes in what was spawned, and polls the next task.
    fn step(&mut self, desk: &Desk) {
        for task in desk.spawned.lock().expect("no panic").drain(..) {
            let alarm = Arc::new(Alarm {
                number: self.all.len(),
                rings: AtomicBool::new(false),
                woken: self.woken.clone(),
            });
            alarm.clone().wake();
            self.all.push((task, alarm));
        }
        let next = self.woken.lock().expect("no panic").pop_front();
        let (task, alarm) = &mut self.all[next.expect("the flood never ends")];
        alarm.rings.store(false, Ordering::SeqCst);
        let waker = Waker::from(alarm.clone());
        // A task that is over is not woken any more: none holds its waker.
        let _ = task.as_mut().poll(&mut Context::from_waker(&waker));
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        if !self.rings.swap(true, Ordering::SeqCst) {
            self.woken.lock().expect("no panic").push_back(self.number);
        }
    }
}
