//! Who meets whom.

use crate::budget::Budget;
use crate::doze::Doze;
use crate::published::Published;
use crate::signal::Signal;
use loom::future::block_on;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::sync::{Arc, Mutex, Notify};
use loom::thread;
use std::future::poll_fn;
use std::task::{Context, Waker};

type Model = (&'static str, fn());

pub(crate) const ALL: [Model; 5] = [
    (
        "who waits for a signal hears of what was said before it",
        signal,
    ),
    ("of two that wait both hear", both),
    ("who sees a generation finds its value", published),
    ("who waits for memory gets what another gives back", budget),
    ("a thread that dozes off does all there is to do", doze),
];

/// A flag and its signal, as of a node's life.
#[derive(Default)]
struct Flag {
    up: AtomicBool,
    changed: Signal,
}

impl Flag {
    fn raise(&self) {
        self.up.store(true, Ordering::Release);
        self.changed.notify();
    }

    fn wait(&self) {
        let look = || self.up.load(Ordering::Acquire).then_some(());
        block_on(poll_fn(|cx| self.changed.poll(cx, look)));
    }
}

fn signal() {
    let flag = Arc::new(Flag::default());
    let raised = flag.clone();
    let other = thread::spawn(move || raised.raise());
    flag.wait();
    other.join().unwrap();
}

fn both() {
    let flag = Arc::new(Flag::default());
    let waiting = flag.clone();
    let other = thread::spawn(move || waiting.wait());
    let raised = flag.clone();
    let third = thread::spawn(move || raised.raise());
    flag.wait();
    other.join().unwrap();
    third.join().unwrap();
}

fn published() {
    let view = Arc::new(Published::new(0, 0));
    let seen = view.clone();
    let other = thread::spawn(move || {
        let mut known = 0;
        for _ in 0..2 {
            let generation = seen.generation();
            let value = seen.value();
            assert!(value >= generation && value >= known);
            known = value;
        }
    });
    view.publish(1, 1);
    view.publish(2, 2);
    other.join().unwrap();
}

fn budget() {
    let budget = Budget::new(1);
    let (mut first, mut waits, mut goes) = (budget.share(), budget.share(), budget.share());
    block_on(poll_fn(|cx| first.poll_room(cx, 1)));
    // One asks, may be given what it asks for, and goes without having taken it.
    let other = thread::spawn(move || {
        let _ = goes.poll_room(&mut Context::from_waker(Waker::noop()), 1);
    });
    let third = thread::spawn(move || block_on(poll_fn(|cx| waits.poll_room(cx, 1))));
    drop(first);
    other.join().unwrap();
    third.join().unwrap();
    assert_eq!(budget.bytes(), 0);
}

/// As the background thread of the blocking client and those that have tasks for it.
fn doze() {
    let (doze, poll) = (Arc::new(Doze::default()), Arc::new(Notify::new()));
    let (todo, done) = (Arc::new(Mutex::new(0)), Arc::new(AtomicUsize::new(0)));
    let spawner = {
        let (doze, poll, todo) = (doze.clone(), poll.clone(), todo.clone());
        thread::spawn(move || {
            for _ in 0..2 {
                *todo.lock().unwrap() += 1;
                if doze.notify() {
                    poll.notify();
                }
            }
        })
    };
    while done.load(Ordering::Relaxed) < 2 {
        let tasks = std::mem::take(&mut *todo.lock().unwrap());
        if done.fetch_add(tasks, Ordering::Relaxed) + tasks == 2 {
            break;
        }
        if doze.begin() {
            // If nobody wakes it, the model says so: no thread can go on.
            poll.wait();
        }
        doze.end();
    }
    spawner.join().unwrap();
}
