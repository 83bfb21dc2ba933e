//! The load itself: warm-up, measured part, report.

use crate::args::{Args, Mode, Until};
use crate::connection::Connection;
use crate::histogram::Histogram;
use crate::process;
use crate::protocol::{Answers, Command, Requests};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use std::io::{self, ErrorKind};
use std::net;
use std::thread;
use std::time::{Duration, Instant};

/// More than the answers to one batch of 16 large values.
const SCRATCH: usize = 512 * 1024;
/// For the server's threads to go to sleep after the last answer.
const GRACE: Duration = Duration::from_millis(3);
/// Connections opened and used at once, of those that are held.
const TOGETHER: usize = 1000;
/// For buffers to be given back that only a busy connection needs.
const REST: Duration = Duration::from_millis(1500);
/// Without any answer, the server is given up.
const STALLED: Duration = Duration::from_secs(30);

/// Runs all that was asked for: one line of JSON.
pub(crate) fn run(args: &Args) -> io::Result<String> {
    if args.hold > 0 {
        return hold(args);
    }
    let mut load = Load::connect(args, args.connections)?;
    if !args.warm_up.is_zero() {
        load.phase(Until::Time(args.warm_up))?;
    }
    load.histogram = Histogram::new();
    let before = Usage::of(args)?;
    let begun = Instant::now();
    let requests = load.phase(args.until)?;
    let seconds = begun.elapsed().as_secs_f64();
    let after = Usage::of(args)?;
    let [p50, p99, p999, max] = [0.5, 0.99, 0.999, 1.0].map(|share| load.histogram.quantile(share));
    let (cpu, own) = (after.cpu - before.cpu, after.own - before.own);
    Ok(format!(
        "{{\"requests\": {requests}, \"seconds\": {seconds:.6}, \"per_second\": {:.0}, \
         \"cpu_us\": {:.4}, \"loader_busy\": {:.3}, \
         \"p50\": {p50:.1}, \"p99\": {p99:.1}, \"p999\": {p999:.1}, \"max\": {max:.1}, \
         \"resident_before\": {}, \"resident\": {}}}",
        requests as f64 / seconds,
        cpu * 1e6 / requests as f64,
        own / seconds,
        before.resident,
        after.resident,
    ))
}

/// Connections that were used once and are idle: what each costs the server.
fn hold(args: &Args) -> io::Result<String> {
    // The server's first connections are not like the others.
    let mut first = Load::connect(args, 16)?;
    first.phase(Until::Requests(1000))?;
    let before = Usage::of(args)?;
    let mut held = Vec::new();
    for opened in (0..args.hold).step_by(TOGETHER) {
        let count = TOGETHER.min(args.hold - opened);
        let mut load = Load::connect(args, count)?;
        load.phase(Until::Requests(count as u64))?;
        held.push(load);
        thread::sleep(REST);
    }
    let after = Usage::of(args)?;
    let each = (after.resident as f64 - before.resident as f64) / args.hold as f64;
    Ok(format!(
        "{{\"connections\": {}, \"resident_before\": {}, \"resident\": {}, \"bytes_each\": {each:.0}}}",
        args.hold, before.resident, after.resident
    ))
}

/// What has been used so far.
struct Usage {
    cpu: f64,
    own: f64,
    resident: u64,
}

impl Usage {
    fn of(args: &Args) -> io::Result<Self> {
        // A thread's time is exact once it sleeps again.
        thread::sleep(GRACE);
        let own = process::cpu_seconds(std::process::id())?;
        let (cpu, resident) = match args.pid {
            // Who closes each connection may well end a thread with it.
            Some(pid) if args.reconnect => {
                (process::rough_cpu_seconds(pid)?, process::resident(pid)?)
            }
            Some(pid) => (process::cpu_seconds(pid)?, process::resident(pid)?),
            None => (f64::NAN, 0),
        };
        Ok(Self { cpu, own, resident })
    }
}

struct Load<'a> {
    args: &'a Args,
    poll: Poll,
    connections: Vec<Connection>,
    answers: Answers,
    source: Source,
    histogram: Histogram,
    scratch: Vec<u8>,
}

/// What is asked next.
struct Source {
    mode: Mode,
    requests: Requests,
    keys: u32,
    random: u64,
    next: u32,
}

impl<'a> Load<'a> {
    fn connect(args: &'a Args, count: usize) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut connections = Vec::with_capacity(count);
        for index in 0..count {
            connections.push(connect(args, &poll, index)?);
        }
        Ok(Self {
            args,
            poll,
            connections,
            answers: Answers::new(args.protocol, args.value),
            source: Source {
                mode: args.mode,
                requests: Requests::new(args.protocol, args.value),
                keys: args.keys,
                random: 0x9E37_79B9_7F4A_7C15,
                next: 0,
            },
            histogram: Histogram::new(),
            scratch: vec![0; SCRATCH],
        })
    }

    /// Loads the server until then; every request of it has been answered when this returns.
    fn phase(&mut self, until: Until) -> io::Result<u64> {
        match self.args.rate {
            Some(rate) => self.at_rate(rate, until),
            None => self.closed(until),
        }
    }

    /// Each connection asks again as soon as it has its answers.
    fn closed(&mut self, until: Until) -> io::Result<u64> {
        let begun = Instant::now();
        let mut over = Over {
            until,
            begun,
            asked: 0,
        };
        let mut waiting = 0;
        for index in 0..self.connections.len() {
            waiting += usize::from(self.batch(index, &mut over, begun)?);
        }
        let mut events = Events::with_capacity(1024);
        while waiting > 0 {
            self.wait(&mut events, Some(STALLED))?;
            if events.is_empty() {
                return Err(ErrorKind::TimedOut.into());
            }
            for event in &events {
                let index = event.token().0;
                if event.is_writable() {
                    self.connections[index].flush()?;
                }
                if event.is_readable() && self.receive(index)? {
                    let now = Instant::now();
                    self.histogram.record(now - self.connections[index].since());
                    if self.args.reconnect {
                        self.connections[index] = connect(self.args, &self.poll, index)?;
                    }
                    waiting -= usize::from(!self.batch(index, &mut over, now)?);
                }
            }
        }
        Ok(over.asked)
    }

    /// Requests leave when they are due, on the next idle connection; the thread never sleeps, so that its own
    /// waking up is in no figure.
    fn at_rate(&mut self, rate: f64, until: Until) -> io::Result<u64> {
        let begun = Instant::now();
        let mut over = Over {
            until,
            begun,
            asked: 0,
        };
        let mut events = Events::with_capacity(1024);
        let mut idle: Vec<usize> = (0..self.connections.len()).collect();
        loop {
            let due = begun + Duration::from_secs_f64(over.asked as f64 / rate);
            if due <= Instant::now() {
                if let Some(index) = idle.pop() {
                    if !self.batch(index, &mut over, due)? {
                        idle.push(index);
                    }
                } else if due.elapsed() > STALLED {
                    return Err(ErrorKind::TimedOut.into());
                }
            }
            self.wait(&mut events, Some(Duration::ZERO))?;
            for event in &events {
                let index = event.token().0;
                if event.is_readable() && self.receive(index)? {
                    self.histogram
                        .record(self.connections[index].since().elapsed());
                    idle.push(index);
                }
            }
            if idle.len() == self.connections.len() && over.is(Instant::now()) {
                return Ok(over.asked);
            }
        }
    }

    fn wait(&mut self, events: &mut Events, limit: Option<Duration>) -> io::Result<()> {
        loop {
            match self.poll.poll(events, limit) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    /// Sends the next batch on a connection, unless it is over: whether it did.
    fn batch(&mut self, index: usize, over: &mut Over, now: Instant) -> io::Result<bool> {
        if over.is(now) {
            return Ok(false);
        }
        for _ in 0..self.args.depth {
            self.source.ask(&mut self.connections[index]);
        }
        over.asked += u64::from(self.args.depth);
        self.connections[index].send(now)?;
        Ok(true)
    }

    fn receive(&mut self, index: usize) -> io::Result<bool> {
        self.connections[index].receive(&mut self.answers, &mut self.scratch)
    }
}

fn connect(args: &Args, poll: &Poll, index: usize) -> io::Result<Connection> {
    let stream = net::TcpStream::connect(args.server)?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    let mut connection = Connection::new(TcpStream::from_std(stream));
    let interest = Interest::READABLE | Interest::WRITABLE;
    poll.registry()
        .register(connection.stream(), Token(index), interest)?;
    Ok(connection)
}

/// When to stop.
struct Over {
    until: Until,
    begun: Instant,
    asked: u64,
}

impl Over {
    fn is(&self, now: Instant) -> bool {
        match self.until {
            Until::Time(time) => now.duration_since(self.begun) >= time,
            Until::Requests(count) => self.asked >= count,
        }
    }
}

impl Source {
    fn ask(&mut self, connection: &mut Connection) {
        let random = self.random();
        // The halves of one number: which key, and what with it.
        let key = (((random >> 32) * u64::from(self.keys)) >> 32) as u32;
        let (command, key) = match self.mode {
            Mode::Get => (Command::Get, key),
            Mode::Put => (Command::Put, key),
            Mode::Mix if (random as u32) < u32::MAX / 10 => (Command::Put, key),
            Mode::Mix => (Command::Get, key),
            Mode::Fill => {
                self.next += 1;
                (Command::Put, (self.next - 1) % self.keys)
            }
        };
        connection.ask(command, |out| self.requests.write(command, key, out));
    }

    /// xorshift64*.
    fn random(&mut self) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
}
