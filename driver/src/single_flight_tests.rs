use super::{Entered, Lead, SingleFlight};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Counts how often it is woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A caller, polled by hand.
struct Caller<'a> {
    future: Pin<Box<dyn Future<Output = Entered<u32>> + 'a>>,
    woken: Arc<Count>,
}

impl<'a> Caller<'a> {
    /// One that has entered `key` and been polled once.
    fn enter(flights: &'a SingleFlight<u32>, key: &'a [u8]) -> (Self, Poll<Entered<u32>>) {
        let mut caller = Self {
            future: Box::pin(flights.enter(key)),
            woken: Arc::default(),
        };
        let first = caller.poll();
        (caller, first)
    }

    /// One that waits.
    fn wait(flights: &'a SingleFlight<u32>, key: &'a [u8]) -> Self {
        let (caller, first) = Self::enter(flights, key);
        assert!(first.is_pending());
        caller
    }

    fn poll(&mut self) -> Poll<Entered<u32>> {
        let waker = Waker::from(self.woken.clone());
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    fn woken(&self) -> bool {
        self.woken.0.load(Ordering::Relaxed) > 0
    }

    /// Takes the lead it must have by now.
    fn lead(mut self) -> Lead<u32> {
        assert!(self.woken(), "it would never be polled");
        match self.poll() {
            Poll::Ready(Entered::Lead(lead)) => lead,
            other => panic!("no lead: {other:?}"),
        }
    }

    fn shared(mut self) -> u32 {
        assert!(self.woken(), "it would never be polled");
        match self.poll() {
            Poll::Ready(Entered::Shared(value)) => value,
            other => panic!("no value: {other:?}"),
        }
    }
}

fn lead(flights: &SingleFlight<u32>, key: &[u8]) -> Lead<u32> {
    match Caller::enter(flights, key).1 {
        Poll::Ready(Entered::Lead(lead)) => lead,
        other => panic!("no lead: {other:?}"),
    }
}

#[test]
fn one_leads_and_all_others_get_its_value() {
    let flights = SingleFlight::new();
    let leader = lead(&flights, b"k");
    let waiters = [(); 3].map(|()| Caller::wait(&flights, b"k"));
    leader.publish(7);
    for waiter in waiters {
        assert_eq!(waiter.shared(), 7);
    }
    // As long as the leader is at it (storing the value), the value is at hand.
    assert!(matches!(
        Caller::enter(&flights, b"k").1,
        Poll::Ready(Entered::Shared(7))
    ));
    drop(leader);
    assert!(flights.is_empty());
    drop(lead(&flights, b"k"));
    assert!(flights.is_empty());
}

#[test]
fn keys_do_not_wait_for_each_other() {
    let flights = SingleFlight::new();
    let (_a, _b) = (lead(&flights, b"a"), lead(&flights, b"b"));
    assert_eq!(flights.len(), 2);
}

#[test]
fn when_the_leader_is_dropped_who_waited_longest_leads() {
    let flights = SingleFlight::new();
    let leader = lead(&flights, b"k");
    let first = Caller::wait(&flights, b"k");
    let mut second = Caller::wait(&flights, b"k");
    drop(leader);
    assert!(!second.woken());
    let leader = first.lead();
    assert!(second.poll().is_pending());
    leader.publish(1);
    assert_eq!(second.shared(), 1);
    drop(leader);
    assert!(flights.is_empty());
}

#[test]
fn a_panic_of_the_leader_hands_the_lead_on() {
    let flights = SingleFlight::new();
    let leader = lead(&flights, b"k");
    let waiter = Caller::wait(&flights, b"k");
    let panicked = catch_unwind(AssertUnwindSafe(move || {
        let _leader = leader;
        panic!("the work");
    }));
    assert!(panicked.is_err());
    drop(waiter.lead());
    assert!(flights.is_empty());
}

#[test]
fn who_gives_up_is_passed_over() {
    let flights = SingleFlight::new();
    let leader = lead(&flights, b"k");
    let gone = [(); 3].map(|()| Caller::wait(&flights, b"k"));
    let waiter = Caller::wait(&flights, b"k");
    drop(gone);
    drop(leader);
    drop(waiter.lead());
    assert!(flights.is_empty());
}

#[test]
fn who_gives_up_with_the_lead_in_the_post_passes_it_on() {
    let flights = SingleFlight::new();
    let leader = lead(&flights, b"k");
    let first = Caller::wait(&flights, b"k");
    let second = Caller::wait(&flights, b"k");
    drop(leader);
    assert!(first.woken());
    drop(first);
    drop(second.lead());
    assert!(flights.is_empty());
}

#[test]
fn many_that_give_up_leave_nothing_behind() {
    let flights = SingleFlight::new();
    let leader = lead(&flights, b"k");
    for _ in 0..10_000 {
        drop(Caller::wait(&flights, b"k"));
    }
    let queued = flights.lock().get(&b"k"[..]).map(|f| f.waiting.capacity());
    assert!(queued.is_some_and(|queued| queued < 64));
    drop(leader);
    assert!(flights.is_empty());
}

#[test]
fn threads_agree_on_one_leader() {
    let flights: SingleFlight<usize> = SingleFlight::new();
    let leading = AtomicUsize::new(0);
    let led = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for round in 0..500 {
                    match block_on(flights.enter(b"k")) {
                        Entered::Lead(lead) => {
                            assert_eq!(leading.fetch_add(1, Ordering::SeqCst), 0);
                            led.fetch_add(1, Ordering::Relaxed);
                            std::thread::yield_now();
                            leading.fetch_sub(1, Ordering::SeqCst);
                            if round % 3 != 0 {
                                lead.publish(round);
                            }
                        }
                        Entered::Shared(_) => {}
                    }
                }
            });
        }
    });
    assert!(led.load(Ordering::Relaxed) > 0);
    assert!(flights.is_empty());
}

/// Runs `future` on this thread alone.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let mut future = std::pin::pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return done;
        }
        std::thread::park();
    }
}
