use super::*;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

/// How often a task was woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A share and who is woken for it.
struct Body {
    share: Share,
    woken: Arc<Woken>,
}

impl Body {
    fn new(budget: &Arc<Budget>) -> Self {
        Self {
            share: budget.share(),
            woken: Arc::default(),
        }
    }

    fn asks(&mut self, wanted: usize) -> bool {
        let waker = self.woken.clone().into();
        let mut cx = Context::from_waker(&waker);
        self.share.poll_room(&mut cx, wanted).is_ready()
    }

    fn holds(&mut self, bytes: usize) {
        self.share.set(Some(bytes));
    }

    fn ends(&mut self) {
        self.share.set(None);
    }

    fn woken(&self) -> usize {
        self.woken.0.load(Ordering::Relaxed)
    }
}

fn bodies<const N: usize>(budget: &Arc<Budget>) -> [Body; N] {
    std::array::from_fn(|_| Body::new(budget))
}

#[test]
fn beyond_the_bound_only_the_first_body_goes_on() {
    let budget = Budget::new(100);
    let [mut a, mut b, mut c] = bodies(&budget);
    for body in [&mut a, &mut b] {
        assert!(body.asks(50));
        body.holds(50);
    }
    assert!(!c.asks(1));
    assert!(!b.asks(1));
    assert!(a.asks(1000), "begun first");
    assert_eq!(budget.bytes(), 1100, "what may be taken counts as taken");
    a.ends();
    assert!(b.asks(1000), "now it is the first");
    b.holds(50);
    assert!(c.asks(50) && !c.asks(1));
    drop((a, b, c));
    let held = budget.lock();
    assert_eq!((held.bytes, held.bodies.len()), (0, 0));
    assert!(held.waiting.is_empty() && held.granted.is_empty());
}

#[test]
fn so_many_are_woken_as_what_was_freed_is_enough_for() {
    let budget = Budget::new(100);
    let [mut first, mut other] = bodies(&budget);
    assert!(first.asks(50) && other.asks(50));
    let mut waiting: [Body; 10] = bodies(&budget);
    for body in &mut waiting {
        assert!(!body.asks(20));
    }
    let woken = |waiting: &[Body]| waiting.iter().map(Body::woken).collect::<Vec<_>>();
    other.holds(49);
    assert_eq!(woken(&waiting), [0; 10], "not enough for anybody");
    other.ends();
    assert_eq!(woken(&waiting), [1, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(budget.bytes(), 90, "they have it");
    assert!(waiting[0].asks(20) && waiting[1].asks(20));
    assert_eq!(budget.bytes(), 90);
    // One that goes without having taken what it was given leaves it to the next.
    waiting[0].ends();
    assert_eq!(woken(&waiting)[2..4], [1, 0]);
    waiting[2].ends();
    assert_eq!(woken(&waiting)[3..5], [1, 0]);
    // And a small one that comes now need not wait for those that want more.
    let mut late = Body::new(&budget);
    assert!(late.asks(10) && !late.asks(1));
}

#[test]
fn a_body_of_which_nothing_is_held_yet_keeps_its_place() {
    let budget = Budget::new(10);
    let [mut a, mut b, mut c] = bodies(&budget);
    assert!(a.asks(10) && !b.asks(100) && !c.asks(5));
    b.holds(0);
    assert!(!b.asks(100));
    a.ends();
    assert_eq!((b.woken(), c.woken()), (1, 0), "begun before the other");
    assert!(b.asks(100));
    b.ends();
    assert_eq!(c.woken(), 1);
}

/// Each wants one byte after the other up to its size: all end, and are asked no more often than they
/// have something to ask.
#[test]
fn thousands_of_bodies_that_wait_end_without_a_herd() {
    const BODIES: usize = 10_000;
    const SIZE: usize = 4;
    let budget = Budget::new(100);
    let mut all: Vec<_> = (0..BODIES).map(|_| (Body::new(&budget), 0)).collect();
    let mut queue: VecDeque<_> = (0..BODIES).collect();
    let mut seen = vec![0; BODIES];
    let (mut asked, mut ended) = (0, 0);
    while ended < BODIES {
        let Some(at) = queue.pop_front() else {
            // All that go on do: whoever was woken is next.
            let woken = |at: &usize| all[*at].0.woken() > seen[*at];
            queue.extend((0..BODIES).filter(woken));
            assert!(!queue.is_empty(), "{ended} ended, nobody goes on");
            continue;
        };
        let (body, size) = &mut all[at];
        seen[at] = body.woken();
        asked += 1;
        if !body.asks(1) {
            continue;
        }
        *size += 1;
        body.holds(*size);
        assert!(budget.bytes() <= 100 + SIZE);
        if *size == SIZE {
            body.ends();
            ended += 1;
        } else {
            queue.push_back(at);
        }
    }
    assert!(asked <= 2 * SIZE * BODIES, "{asked}");
    assert_eq!(budget.bytes(), 0);
}
