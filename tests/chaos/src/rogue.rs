//! Hosts that do what no node does: send rubbish, and listen where a dead node was.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use zerocache_interop::{Failure, Outcome};

use crate::lab::Host;
use crate::node::PORT;

/// Where multicast DNS is spoken.
const GROUP: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(224, 0, 0, 251), 5353);
/// The pause between two datagrams.
const PACE: Duration = Duration::from_millis(10);
/// How a response begins that announces a node, up to the length of its name.
const ANNOUNCEMENT: &[u8] =
    b"\0\0\x84\0\0\0\0\x01\0\0\0\0\x07_server\x09_geocache\x04_tcp\x05local\0\0\x0c\0\x01\0\0\x11\x94\0\x20";

/// Sends rubbish to port 5353, by multicast and to each of the given hosts, until it is ended.
pub(crate) struct Rubbish {
    stop: Arc<AtomicBool>,
    sender: JoinHandle<usize>,
}

impl Rubbish {
    /// Begins, from a host.
    pub(crate) fn begin(from: &Host, targets: Vec<Ipv4Addr>) -> Outcome<Self> {
        let socket = from.inside(|| Ok(UdpSocket::bind("0.0.0.0:0")?))?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let sender = thread::spawn(move || {
            let mut chance = 5_u64;
            let mut sent = 0;
            while !stopped.load(Ordering::Relaxed) {
                let packet = packet(&mut chance);
                let single = targets.get(sent % (targets.len() + 1));
                let target = single.map_or(GROUP, |address| SocketAddrV4::new(*address, 5353));
                // Not when the cable is out.
                sent += usize::from(socket.send_to(&packet, target).is_ok());
                thread::sleep(PACE);
            }
            sent
        });
        Ok(Self { stop, sender })
    }

    /// Stops; says how many datagrams were sent.
    pub(crate) fn end(self) -> Outcome<usize> {
        self.stop.store(true, Ordering::Relaxed);
        let sent = self.sender.join();
        sent.map_err(|_| Failure::new("the sender of rubbish panicked"))
    }
}

/// Half of them bytes drawn at random, half an announcement cut off or with bytes changed.
fn packet(chance: &mut u64) -> Vec<u8> {
    let mut draw = |below: usize| {
        *chance = chance
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(*chance >> 33).unwrap_or_default() % below
    };
    if draw(2) == 0 {
        let length = draw(1_400);
        return (0..length)
            .map(|_| u8::try_from(draw(256)).unwrap_or_default())
            .collect();
    }
    let mut packet = ANNOUNCEMENT.to_vec();
    packet.truncate(12 + draw(ANNOUNCEMENT.len() - 12));
    for _ in 0..draw(4) {
        let position = draw(packet.len());
        packet[position] = u8::try_from(draw(256)).unwrap_or_default();
    }
    packet
}

/// Listens where a dead node did, answers nobody, and notes who asks for what.
pub(crate) struct Decoy {
    host: Host,
    address: SocketAddrV4,
    stop: Arc<AtomicBool>,
    listener: JoinHandle<Vec<String>>,
}

impl Decoy {
    /// Begins to listen.
    pub(crate) fn begin(host: &Host) -> Outcome<Self> {
        let address = SocketAddrV4::new(host.address, PORT);
        let socket = host.inside(|| Ok(TcpListener::bind(address)?))?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let listener = thread::spawn(move || {
            let mut asked = Vec::new();
            for stream in socket.incoming().flatten() {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let mut line = String::new();
                let patience = stream.set_read_timeout(Some(Duration::from_millis(500)));
                if patience.is_ok() && BufReader::new(stream).read_line(&mut line).is_ok() {
                    asked.push(line.trim().to_owned());
                }
            }
            asked
        });
        Ok(Self {
            host: host.clone(),
            address,
            stop,
            listener,
        })
    }

    /// Stops listening; the requests that came, but for those that ask whether somebody is there.
    pub(crate) fn end(self) -> Outcome<Vec<String>> {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes it.
        drop(self.host.connect(self.address, Duration::from_secs(5))?);
        let asked = self.listener.join();
        let mut asked = asked.map_err(|_| Failure::new("the decoy panicked"))?;
        asked.retain(|line| !line.starts_with("GET /ping "));
        Ok(asked)
    }
}
