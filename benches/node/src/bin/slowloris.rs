//! How long a GET takes while thousands of connections drip an endless head, and while none does.
//!
//! `slowloris ADDR [DRIPS [TURNS]]`: 5,000 connections and 7 turns if not said. The node has to admit
//! them: `zerocache serve --connections 8192 --connections-per-source 8192`. Each turn measures without
//! and with them, 10,000 GETs of a small value over 8 kept connections each; a drip sends a byte a second,
//! and begins anew when it is closed.

use std::env;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const GET: &[u8] = b"GET /bench/slow HTTP/1.1\r\nHost: x\r\n\r\n";
const PUT: &[u8] = b"PUT /bench/slow?expiry=3600 HTTP/1.1\r\nContent-Length: 5\r\n\r\nvalue";
const HEAD: &[u8] = b"GET /bench/drip HTTP/1.1\r\nX: ";
const KEPT: usize = 8;
const GETS: usize = 10_000;
/// Between two GETs: what is measured is how long one takes, not how many there can be.
const PAUSE: Duration = Duration::from_micros(250);

fn main() -> io::Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    let addr: SocketAddr = words
        .first()
        .and_then(|word| word.parse().ok())
        .expect("an address");
    let number = |at: usize, default| {
        words
            .get(at)
            .map_or(default, |word| word.parse().expect("a number"))
    };
    let (drips, turns) = (number(1, 5000), number(2, 7));
    let mut kept = (0..KEPT)
        .map(|_| open(addr))
        .collect::<io::Result<Vec<_>>>()?;
    ask(&mut kept[0], PUT)?;
    println!("turn  without: p50 p99 us   with {drips}: p50 p99 us   ratio of p99  closed");
    let mut ratios = Vec::new();
    for turn in 0..turns {
        let without = measure(&mut kept)?;
        let (with, closed) = beside(addr, drips, || measure(&mut kept))?;
        let ratio = with.1 / without.1;
        println!(
            "{turn:4}  {:12.0} {:7.0} {:16.0} {:7.0} {ratio:18.2} {closed:7}",
            without.0, without.1, with.0, with.1
        );
        ratios.push(ratio);
    }
    ratios.sort_by(f64::total_cmp);
    println!("median ratio {:.2}", ratios[ratios.len() / 2]);
    Ok(())
}

/// What `work` gives while so many connections drip, and how many were closed meanwhile.
fn beside<T>(
    addr: SocketAddr,
    drips: usize,
    work: impl FnOnce() -> io::Result<T>,
) -> io::Result<(T, u64)> {
    let (over, begun, closed) = (
        AtomicBool::new(false),
        AtomicBool::new(false),
        AtomicU64::new(0),
    );
    thread::scope(|scope| {
        let dripping = scope.spawn(|| drip(addr, drips, &over, &begun, &closed));
        while !begun.load(Ordering::Acquire) && !dripping.is_finished() {
            thread::sleep(Duration::from_millis(10));
        }
        let result = work();
        over.store(true, Ordering::Release);
        dripping.join().expect("no panic")?;
        Ok((result?, closed.load(Ordering::Relaxed)))
    })
}

fn drip(
    addr: SocketAddr,
    drips: usize,
    over: &AtomicBool,
    begun: &AtomicBool,
    closed: &AtomicU64,
) -> io::Result<()> {
    let start = || -> io::Result<TcpStream> {
        let mut stream = open(addr)?;
        stream.write_all(HEAD)?;
        stream.set_nonblocking(true)?;
        Ok(stream)
    };
    let mut streams = (0..drips)
        .map(|_| start())
        .collect::<io::Result<Vec<_>>>()?;
    begun.store(true, Ordering::Release);
    let pass = Instant::now();
    for turn in 0_u32.. {
        for (at, stream) in streams.iter_mut().enumerate() {
            if over.load(Ordering::Acquire) {
                return Ok(());
            }
            let due = Duration::from_secs(turn.into())
                + Duration::from_secs(1) * at as u32 / drips as u32;
            // One by one, not in bursts: they are strangers to each other.
            if let Some(wait) = due.checked_sub(pass.elapsed()) {
                thread::sleep(wait);
            }
            let ended = stream.write(b"x").is_err()
                || !matches!(stream.read(&mut [0; 512]), Err(error) if error.kind() == ErrorKind::WouldBlock);
            if ended {
                closed.fetch_add(1, Ordering::Relaxed);
                *stream = start()?;
            }
        }
    }
    Ok(())
}

/// The median and the 99th percentile in microseconds.
fn measure(kept: &mut [TcpStream]) -> io::Result<(f64, f64)> {
    let mut times = Vec::with_capacity(GETS);
    for at in 0..GETS {
        let begun = Instant::now();
        ask(&mut kept[at % KEPT], GET)?;
        times.push(begun.elapsed().as_secs_f64() * 1e6);
        thread::sleep(PAUSE);
    }
    times.sort_by(f64::total_cmp);
    Ok((times[GETS / 2], times[GETS * 99 / 100]))
}

fn open(addr: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(addr)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Sends a request and reads an answer, which is small enough to come at once.
fn ask(stream: &mut TcpStream, request: &[u8]) -> io::Result<()> {
    stream.write_all(request)?;
    let mut answer = [0; 1024];
    let n = stream.read(&mut answer)?;
    if answer[..n].starts_with(b"HTTP/1.1 200") {
        return Ok(());
    }
    Err(io::Error::other(
        String::from_utf8_lossy(&answer[..n]).into_owned(),
    ))
}
