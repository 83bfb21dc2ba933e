//! A nest without a node, and mostly without an executor: its task is polled by hand. What is written to a
//! `UnixStream` is there to be read at once.

use super::*;
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

/// How often somebody was woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Woken {
    /// Since it was last asked.
    fn times(&self) -> usize {
        self.0.swap(0, Ordering::SeqCst)
    }
}

/// One end of a connection, in a nest.
struct Case {
    task: Pin<Box<dyn Future<Output = ()> + Send>>,
    source: Source,
    here: UnixStream,
    there: UnixStream,
    woken: Arc<Woken>,
}

impl Case {
    fn new() -> Self {
        let (here, there) = pair();
        let (source, task) = nest(&here).expect("a nest");
        let mut case = Self {
            task: Box::pin(task),
            source,
            here,
            there,
            woken: Arc::default(),
        };
        // That there is room to write is the first event.
        assert!(case.turn().is_pending());
        assert!(case.writable());
        assert!(!case.readable());
        case
    }

    /// The task takes what events there are.
    fn turn(&mut self) -> Poll<()> {
        self.task
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
    }

    fn readable(&self) -> bool {
        let waker = Waker::from(self.woken.clone());
        let polled = self.source.poll_readable(&mut Context::from_waker(&waker));
        polled.map(|result| result.expect("readiness")).is_ready()
    }

    fn writable(&self) -> bool {
        let waker = Waker::from(self.woken.clone());
        let polled = self.source.poll_writable(&mut Context::from_waker(&waker));
        polled.map(|result| result.expect("readiness")).is_ready()
    }
}

fn pair() -> (UnixStream, UnixStream) {
    let (here, there) = UnixStream::pair().expect("sockets");
    here.set_nonblocking(true).expect("non-blocking");
    there.set_nonblocking(true).expect("non-blocking");
    (here, there)
}

/// How many sockets the kernel holds for a nest.
fn registered(nest: &Nest) -> usize {
    let epoll = nest.epoll.get_ref().as_raw_fd();
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{epoll}")).expect("an epoll");
    info.lines().filter(|line| line.starts_with("tfd:")).count()
}

#[test]
fn who_waits_is_woken_once_for_each_edge() {
    let mut case = Case::new();
    for _ in 0..3 {
        case.there.write_all(b"request").unwrap();
        assert!(case.turn().is_pending());
        assert_eq!(case.woken.times(), 1);
        assert!(case.readable());
        assert_eq!(case.here.read(&mut [0; 16]).unwrap(), 7);
        assert!(!case.readable());
        assert!(case.turn().is_pending());
        assert_eq!(case.woken.times(), 0);
    }
}

#[test]
fn an_edge_between_a_read_and_the_wait_is_kept() {
    let mut case = Case::new();
    case.there.write_all(b"first").unwrap();
    assert!(case.turn().is_pending());
    assert!(case.readable());
    assert_eq!(case.here.read(&mut [0; 16]).unwrap(), 5);
    case.there.write_all(b"second").unwrap();
    assert!(case.turn().is_pending());
    assert!(case.readable(), "it came after what was read");
    assert_eq!(case.here.read(&mut [0; 16]).unwrap(), 6);
    assert!(!case.readable());
}

#[test]
fn the_end_that_came_with_the_last_bytes_is_not_forgotten() {
    let mut case = Case::new();
    case.there.write_all(b"last").unwrap();
    case.there.shutdown(Shutdown::Write).unwrap();
    assert!(case.turn().is_pending());
    assert!(case.readable());
    // A short read: whoever knows of no end waits now.
    assert_eq!(case.here.read(&mut [0; 16]).unwrap(), 4);
    assert!(case.readable());
    assert_eq!(case.here.read(&mut [0; 16]).unwrap(), 0);
    // The last edge told of room to write as well; there is no end to that yet.
    assert!(case.writable() && !case.writable());
}

#[test]
fn a_full_socket_tells_when_there_is_room() {
    let mut case = Case::new();
    while case.here.write(&[0; 4096]).is_ok() {}
    assert!(!case.writable());
    assert!(case.turn().is_pending());
    assert_eq!(case.woken.times(), 0);
    while case.there.read(&mut [0; 4096]).is_ok() {}
    assert!(case.turn().is_pending());
    assert_eq!(case.woken.times(), 1);
    assert!(case.writable());
    assert!(case.here.write(&[0; 4096]).is_ok());
}

#[test]
fn an_event_of_a_closed_socket_is_nobodys() {
    let mut case = Case::new();
    let (other, _peer) = pair();
    let closed = case.source.beside(&other).unwrap();
    let late = Event {
        flags: EventFlags::IN | EventFlags::HUP,
        data: token(case.source.nest.table().generation, closed.key),
    };
    let key = closed.key;
    drop((closed, other));
    let (next, _peer) = pair();
    let next = case.source.beside(&next).unwrap();
    assert_eq!(next.key, key, "the place is used again");
    let mut wakers = Vec::new();
    next.nest.table().note(&[late], &mut wakers);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(next.poll_readable(&mut cx).is_pending());
    assert!(!case.readable() && wakers.is_empty());
    assert!(case.turn().is_pending());
}

#[test]
fn a_socket_that_is_refused_leaves_nothing() {
    let case = Case::new();
    // One cannot be in a nest twice.
    case.source.beside(&case.here).unwrap_err();
    assert_eq!(case.source.nest.table().sources.len(), 1);
}

#[test]
fn a_thousand_come_and_go_and_the_task_goes_with_the_last() {
    let mut case = Case::new();
    let nest = case.source.nest.clone();
    for _ in 0..100 {
        let ten: Vec<_> = (0..10).map(|_| pair()).collect();
        let sources: Vec<_> = ten
            .iter()
            .map(|(here, _)| nest.add(here).unwrap())
            .collect();
        assert_eq!(registered(&nest), 11);
        assert!(case.turn().is_pending());
        drop((sources, ten));
    }
    assert!(case.turn().is_pending());
    assert_eq!(nest.table().sources.len(), 1);
    assert_eq!(registered(&nest), 1);
    let last = Arc::<Woken>::default();
    let waker = Waker::from(last.clone());
    assert!(!nest.is_empty(&Context::from_waker(&waker)));
    drop((case.source, case.here));
    assert_eq!(last.times(), 1);
    assert_eq!(registered(&nest), 0);
    let polled = case.task.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(polled.is_ready());
}

/// More events than one look takes, by way of async-io, with the task and those who wait on threads of
/// their own.
#[test]
fn many_at_once_are_all_told() {
    const MANY: usize = 3 * A_LOOK;
    let (first, _peer) = pair();
    let (source, task) = nest(&first).unwrap();
    let (here, mut there): (Vec<_>, Vec<_>) = (0..MANY).map(|_| pair()).unzip();
    let tasks = std::thread::spawn(|| smol::block_on(task));
    let readers: Vec<_> = here
        .into_iter()
        .map(|mut here| {
            let source = source.beside(&here).unwrap();
            smol::spawn(async move {
                for _ in 0..10 {
                    let mut byte = [0];
                    while here.read(&mut byte).is_err() {
                        poll_fn(|cx| source.poll_readable(cx)).await.unwrap();
                    }
                    here.write_all(&byte).unwrap();
                }
            })
        })
        .collect();
    for round in 0..10 {
        for there in &mut there {
            there.write_all(&[round]).unwrap();
        }
        for there in &mut there {
            let mut byte = [0];
            there.set_nonblocking(false).unwrap();
            there.read_exact(&mut byte).unwrap();
            assert_eq!(byte, [round]);
        }
    }
    readers.into_iter().for_each(smol::block_on);
    drop(source);
    tasks.join().unwrap();
}
