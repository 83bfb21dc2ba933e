//! The world: one heap of events, all hosts, and the network between them.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use zerocache_proto::cache::Bounds;
use zerocache_proto::cluster::{self, Me, StaticPeer};
use zerocache_proto::node::{Config, ConnId, Input, Output};
use zerocache_proto::{Buggify, NodeId, Now, Region, Rng, mdns};

use crate::agenda::Agenda;
use crate::client::{Client, Order};
use crate::clock::Clock;
use crate::conns::Conns;
use crate::coverage::Coverage;
use crate::dns::Parcel;
use crate::host::{Happening, Host, Life, PORT, Process};
use crate::invariants::{Talk, Violation, Watch};
use crate::model::Model;
use crate::net::Net;
use crate::rare::buggify;
use crate::sniff::{Asked, What};
use crate::swarm::{Knobs, MS, SECOND};
use crate::trace::Trace;

/// Datagrams a host keeps for a process that does not read.
const INBOX: usize = 200;
/// How long a leaving process may take with its goodbyes.
const EXIT: u64 = SECOND;
/// No live run says so much about one thing.
const MOST_OUTPUTS: usize = 20_000;

/// Something that is going to happen.
#[derive(Debug)]
pub(crate) enum Event {
    Wake(usize, u64),
    Datagram(u32, u32, Arc<Parcel>),
    Happen(u32, u32, Box<Happening>),
    Syn(u64),
    SynAck(u64),
    Refused(u64),
    Pipe(u64, usize),
    Rst(u64, usize),
    Resume(usize, u32),
    Exit(usize, u32),
    Step(usize),
}

/// A cluster, its clients and all that is between them.
pub(crate) struct World {
    pub(crate) knobs: Knobs,
    /// The true time, in nanoseconds from the beginning.
    pub(crate) now: u64,
    agenda: Agenda<Event>,
    pub(crate) hosts: Vec<Host>,
    pub(crate) net: Net,
    pub(crate) conns: Conns,
    pub(crate) trace: Trace,
    pub(crate) coverage: Coverage,
    pub(crate) model: Model,
    pub(crate) watch: Watch,
    pub(crate) violations: Vec<Violation>,
    /// The last datagram multicast by anybody.
    pub(crate) overheard: Option<Arc<Parcel>>,
    /// Events so far.
    pub(crate) events: u64,
    /// What makes rare branches of all nodes frequent ones.
    pub(crate) buggify: Buggify,
}

impl World {
    /// A world in which nothing runs yet but the clients. It keeps that many lines of what happens.
    #[must_use]
    pub(crate) fn new(knobs: &Knobs, lines: usize) -> Self {
        let mut rng = Rng::new(knobs.noise);
        let regions = knobs.servers.iter().map(|region| (true, *region));
        let clients = knobs.clients.iter().map(|region| (false, *region));
        let hosts: Vec<Host> = regions
            .chain(clients)
            .enumerate()
            .map(|(index, (is_server, region))| host(knobs, index, is_server, region, &mut rng))
            .collect();
        let mut world = Self {
            now: 0,
            agenda: Agenda::new(),
            net: Net::new(knobs, hosts.len()),
            conns: Conns::default(),
            trace: Trace::new(lines),
            coverage: Coverage::default(),
            model: Model::default(),
            watch: Watch::default(),
            violations: Vec::new(),
            overheard: None,
            events: 0,
            buggify: buggify(knobs.buggify),
            knobs: knobs.clone(),
            hosts,
        };
        for host in knobs.servers.len()..world.hosts.len() {
            world.start(host);
        }
        world
    }

    pub(crate) fn post(&mut self, wait: u64, event: Event) {
        self.agenda.post(self.now.saturating_add(wait), event);
    }

    /// Both clocks of a host.
    pub(crate) fn clock(&self, host: usize) -> Now {
        self.hosts[host].clock.now(self.now)
    }

    /// Lets happen what happens until then; gives the next step of the plan that is due.
    pub(crate) fn run_until(&mut self, until: u64) -> Option<usize> {
        while let Some((at, event)) = self.agenda.next_until(until) {
            self.now = at;
            self.events += 1;
            match event {
                Event::Step(step) => return Some(step),
                Event::Wake(host, generation) => self.wake(host, generation),
                Event::Datagram(host, incarnation, parcel) => {
                    self.happen(host as usize, incarnation, Happening::Datagram(parcel));
                }
                Event::Happen(host, incarnation, what) => {
                    self.happen(host as usize, incarnation, *what);
                }
                Event::Syn(conn) => self.syn(conn),
                Event::SynAck(conn) => self.syn_ack(conn, false),
                Event::Refused(conn) => self.syn_ack(conn, true),
                Event::Pipe(conn, way) => self.pipe(conn, way),
                Event::Rst(conn, side) => self.rst(conn, side),
                Event::Resume(host, incarnation) => self.resume(host, incarnation),
                Event::Exit(host, incarnation) => {
                    if self.hosts[host].incarnation == incarnation && self.hosts[host].leaving {
                        self.watch_exit(host);
                        self.end(host, false);
                    }
                }
            }
            if self.violations.len() > 20 {
                break;
            }
        }
        self.now = self.now.max(until);
        None
    }

    /// Starts the process of a host.
    pub(crate) fn start(&mut self, index: usize) {
        let now = self.clock(index);
        let process = {
            let seed = self.hosts[index].rng.next_u64();
            let cluster = self.cluster(index);
            let host = &self.hosts[index];
            if host.is_server {
                let mut config = Config::new(cluster, seed);
                config.cache.local = room(host.entries);
                config.cache.remote = room(host.entries);
                config.ack = self.knobs.ack;
                config.buggify = self.buggify.clone();
                Process::node(now, config, self.knobs.checked)
            } else {
                let rare = &self.buggify;
                Process::Client(Box::new(Client::new(now, cluster, seed, rare)))
            }
        };
        let host = &mut self.hosts[index];
        host.process = Some(process);
        host.incarnation += 1;
        host.life = Life::Up;
        host.leaving = false;
        host.paused_until = None;
        host.inbox = VecDeque::new();
        host.accepts_at = 0;
        (host.up_since, host.running_since) = (self.now, self.now);
        (host.down_since, host.left_at) = (None, None);
        host.armed = None;
        host.seen = None;
        (host.gets, host.gets_known) = (0, true);
        host.resized_at = 0;
        let (is_server, incarnation) = (host.is_server, host.incarnation);
        self.note(index, 1, || format!("starts, incarnation {incarnation}"));
        self.watch_start(index);
        self.after(index);
        if !self.net.unlinked.has(index) {
            let interface = self.interface(index);
            self.input(index, Input::Interface(interface));
        }
        if is_server {
            self.input(index, Input::Announce);
        }
    }

    fn cluster(&self, index: usize) -> cluster::Config {
        let host = &self.hosts[index];
        let static_peer = |node: usize| StaticPeer {
            region: None,
            host: self.hosts[node].addr.ip().to_string(),
            port: PORT,
        };
        let discovery = self.knobs.discovery;
        let me = Me {
            id: host.id,
            addr: Some(host.addr),
            port: PORT,
        };
        let service = mdns::Service {
            id: host.id,
            region: host.name.clone(),
            port: PORT,
            address: match host.addr.ip() {
                IpAddr::V4(v4) => Some(v4),
                IpAddr::V6(_) => None,
            },
        };
        cluster::Config {
            region: host.name.clone(),
            me: host.is_server.then_some(me),
            peers: if discovery.is_told() {
                vec![static_peer(0), static_peer(1)]
            } else {
                Vec::new()
            },
            mdns: discovery.is_heard().then(|| mdns::Config {
                service: host.is_server.then_some(service),
                ..mdns::Config::default()
            }),
        }
    }

    /// Ends the process of a host: killed, or with its power.
    pub(crate) fn end(&mut self, index: usize, power: bool) {
        self.note(index, 2, || format!("ends, power lost: {power}"));
        self.watch_end(index);
        self.hang_up(index, power);
        let now = self.now;
        let host = &mut self.hosts[index];
        if host.leaving {
            host.left_at = host.left_at.or(Some(now));
        }
        host.process = None;
        host.life = if power { Life::Off } else { Life::Vacant };
        host.leaving = false;
        host.inbox.clear();
        host.paused_until = None;
        host.armed = None;
        host.down_since = Some(now);
        host.incarnation += 1;
    }

    /// Has a node say goodbye, and end.
    pub(crate) fn leave(&mut self, index: usize) {
        self.hosts[index].leaving = true;
        self.hosts[index].left_at = Some(self.now);
        let incarnation = self.hosts[index].incarnation;
        self.note(index, 3, || "leaves".to_owned());
        self.input(index, Input::Leave);
        self.post(EXIT, Event::Exit(index, incarnation));
    }

    pub(crate) fn pause(&mut self, index: usize, until: u64) {
        let now = self.now;
        let host = &mut self.hosts[index];
        host.paused_until = Some(host.paused_until.unwrap_or(0).max(until));
        let incarnation = host.incarnation;
        self.post(until.saturating_sub(now), Event::Resume(index, incarnation));
    }

    fn resume(&mut self, index: usize, incarnation: u32) {
        let now = self.now;
        let host = &mut self.hosts[index];
        if host.incarnation != incarnation || host.paused_until.is_none_or(|until| until > now) {
            return;
        }
        host.paused_until = None;
        host.running_since = now;
        self.note(index, 4, || "goes on".to_owned());
        // What waited for too long is refused, not answered.
        self.hosts[index].gets_known &= self.hosts[index].inbox.is_empty();
        while let Some(what) = self.hosts[index].inbox.pop_front() {
            self.dispatch(index, what);
        }
        self.unblock_all(index);
        self.tick_if_due(index);
    }

    /// All pauses end.
    pub(crate) fn resume_all(&mut self) {
        for index in 0..self.hosts.len() {
            if self.hosts[index].paused_until.is_some() {
                self.hosts[index].paused_until = Some(self.now);
                self.resume(index, self.hosts[index].incarnation);
            }
        }
    }

    fn wake(&mut self, index: usize, generation: u64) {
        let host = &mut self.hosts[index];
        if host.generation != generation || host.armed.is_none() {
            return;
        }
        host.armed = None;
        if host.paused_until.is_none() {
            self.tick_if_due(index);
        }
    }

    fn tick_if_due(&mut self, index: usize) {
        let now = self.clock(index);
        let Some(process) = &mut self.hosts[index].process else {
            return;
        };
        if process.poll_timeout().is_some_and(|due| due <= now.mono) {
            process.tick(now);
            self.note(index, 5, || "timer".to_owned());
            let said = self.after(index);
            self.watch_tick(index, now.mono, said);
        } else {
            self.arm(index);
        }
    }

    /// Something will happen to a process, in a moment.
    pub(crate) fn happen_later(&mut self, index: usize, what: Happening) {
        let incarnation = self.hosts[index].incarnation;
        self.post(MS, Event::Happen(index as u32, incarnation, Box::new(what)));
    }

    /// Something happens to a process, if it is still the same one.
    pub(crate) fn happen(&mut self, index: usize, incarnation: u32, what: Happening) {
        let host = &mut self.hosts[index];
        if host.incarnation != incarnation || host.life != Life::Up {
            return;
        }
        if host.paused_until.is_some() {
            let datagram = matches!(what, Happening::Datagram(_));
            if !datagram || host.inbox.len() < INBOX {
                host.inbox.push_back(what);
            }
            return;
        }
        self.dispatch(index, what);
    }

    fn dispatch(&mut self, index: usize, what: Happening) {
        match what {
            Happening::Accepted(conn) => {
                let Some(from) = self.conns.get(conn).map(|conn| conn.ends[0].host) else {
                    return;
                };
                let ip = self.hosts[from].addr.ip();
                let from = SocketAddr::new(ip, 32_768 + (conn % 20_000) as u16);
                self.note(index, 6, || format!("accepts {conn} from {from}"));
                self.input(index, Input::Accepted { conn, from });
            }
            Happening::Bytes(name, bytes) => {
                let whole = match name {
                    ConnId::In(id) => {
                        if self.conns.get(id).is_none() {
                            self.hosts[index].gets_known = false;
                            self.watch.unseen_at = self.now;
                        }
                        self.has_read(id, bytes.len() as u64)
                    }
                    ConnId::Out(_) => None,
                };
                self.note(index, 7, || format!("{name:?} gets {}", text(&bytes)));
                let (conn, bytes) = (name, &bytes[..]);
                self.input(index, Input::Received { conn, bytes });
                if let Some(asked) = whole {
                    self.hosts[index].gets += u64::from(asked.what == What::Get);
                    self.watch_write(index, &asked);
                }
            }
            Happening::Closed(name) => {
                if let ConnId::Out(out) = name {
                    self.hosts[index].outs.remove(&out);
                }
                self.note(index, 8, || format!("{name:?} is gone"));
                self.input(index, Input::Closed(name));
            }
            Happening::Connected(conn) => {
                self.note(index, 9, || format!("connection {conn} is made"));
                self.input(index, Input::Connected(conn));
            }
            Happening::Failed(conn, why) => {
                self.note(index, 10, || format!("connection {conn}: {why}"));
                self.input(index, Input::ConnectFailed { conn, why });
            }
            Happening::Datagram(parcel) => {
                let (source, payload) = (parcel.source, parcel.payload.as_slice());
                self.note(index, 11, || {
                    format!("datagram of {source}, {} bytes", payload.len())
                });
                self.watch_heard(index, parcel.message.as_ref());
                let datagram = mdns::Datagram {
                    interface: 1,
                    source,
                    multicast: parcel.multicast,
                    payload,
                };
                self.input(index, Input::Datagram(datagram));
            }
            Happening::Resolved(token, addr) => {
                self.input(
                    index,
                    Input::Resolved {
                        token,
                        addrs: &[addr],
                    },
                );
            }
            Happening::LinkUp => {
                self.hosts[index].talk.linked_at = self.now;
                let interface = self.interface(index);
                self.input(index, Input::Interface(interface));
            }
            Happening::LinkDown => self.input(index, Input::InterfaceDown(1)),
        }
    }

    /// A process reads so many bytes more of its connection; the request, if that makes it whole.
    fn has_read(&mut self, id: u64, bytes: u64) -> Option<Asked> {
        let now = self.now;
        let conn = self.conns.get_mut(id)?;
        conn.read += bytes;
        let pipe = &conn.pipes[0];
        if bytes == 0 || conn.read != pipe.sent || pipe.message > 0 {
            return None;
        }
        conn.whole_at = Some(now);
        conn.asked.back().cloned()
    }

    pub(crate) fn input(&mut self, index: usize, input: Input<'_>) {
        let now = self.clock(index);
        if let Some(process) = &mut self.hosts[index].process {
            process.handle(now, input);
            self.after(index);
        }
    }

    /// A client begins an operation.
    pub(crate) fn order(&mut self, index: usize, op: u64, order: Order) {
        let now = self.clock(index);
        let process = self.hosts[index].process.as_mut();
        if let Some(client) = process.and_then(Process::as_client) {
            client.order(now, op, order);
            self.after(index);
        }
    }

    /// Does what a process wants done, and has it woken when it wants to be; how much there was.
    pub(crate) fn after(&mut self, index: usize) -> usize {
        let mut said = 0;
        while let Some(output) = self.hosts[index]
            .process
            .as_mut()
            .and_then(Process::poll_output)
        {
            said += 1;
            self.obey(index, output);
            if said > MOST_OUTPUTS {
                self.violate("I7", format!("host {index} does not stop talking"));
                break;
            }
        }
        while let Some(done) = self.hosts[index]
            .process
            .as_mut()
            .and_then(Process::as_client)
            .and_then(Client::poll_done)
        {
            self.trace.word(done.op);
            self.watch_done(index, &done);
        }
        self.watch_view(index);
        self.arm(index);
        said
    }

    fn obey(&mut self, index: usize, output: Output) {
        match output {
            Output::Write(conn) => self.write(index, conn),
            Output::HalfClose(conn) => {
                self.note(index, 20, || format!("closes half of {conn:?}"));
                self.half_close(index, conn);
            }
            Output::Close(conn) => {
                self.note(index, 13, || format!("closes {conn:?}"));
                self.close(index, conn);
            }
            Output::Connect { conn, addr } => {
                self.note(index, 14, || format!("connects {conn} to {addr}"));
                self.connect(index, conn, addr);
            }
            Output::Datagram(transmit) => {
                let len = transmit.payload.len();
                self.note(index, 15, || {
                    format!("datagram to {:?}, {len} bytes", transmit.to)
                });
                self.cast(index, transmit);
            }
            Output::Resolve { token, host, port } => {
                let ip: IpAddr = host.parse().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
                let what = Happening::Resolved(token, SocketAddr::new(ip, port));
                self.happen_later(index, what);
            }
        }
    }

    /// One wake-up a host: the earliest that it has asked for. A later one finds nothing due and is
    /// moved on.
    fn arm(&mut self, index: usize) {
        let now = self.now;
        let host = &mut self.hosts[index];
        let Some(due) = host.process.as_ref().and_then(Process::poll_timeout) else {
            return;
        };
        let at = host.clock.when(due).max(now);
        if host.armed.is_none_or(|armed| at < armed) {
            host.armed = Some(at);
            host.generation += 1;
            let event = Event::Wake(index, host.generation);
            self.post(at - now, event);
        }
    }

    /// Remembers what happened; in words, if anybody wants to read them.
    pub(crate) fn note(&mut self, host: usize, kind: u8, say: impl FnOnce() -> String) {
        self.trace.event(self.now, host, kind, say);
    }

    pub(crate) fn violate(&mut self, id: &'static str, text: String) {
        let at = self.now;
        self.violations.push(Violation { id, at, text });
    }
}

fn host(knobs: &Knobs, index: usize, is_server: bool, region: usize, rng: &mut Rng) -> Host {
    let name = Region::new(&format!("r{region}")).unwrap_or_else(|_| unreachable!("a valid name"));
    let subnet = u8::from(!is_server);
    let addr = SocketAddr::from(([10, region as u8 + 1, subnet, index as u8 + 1], PORT));
    let within = |most: u64, rng: &mut Rng| rng.below(2 * most as usize + 1) as i64 - most as i64;
    let drift = within(knobs.drift_ppm, rng);
    let skew = within(knobs.skew_ms, rng);
    Host {
        region,
        id: NodeId::derive(&name, addr),
        name,
        addr,
        is_server,
        clock: Clock::new(SECOND + rng.below(1 << 40) as u64, drift, skew),
        rng: rng.fork(),
        life: Life::Vacant,
        process: None,
        incarnation: 0,
        entries: knobs.entries,
        resized_at: 0,
        paused_until: None,
        running_since: 0,
        inbox: VecDeque::new(),
        accepts_at: 0,
        leaving: false,
        down_since: Some(0),
        up_since: 0,
        left_at: None,
        armed: None,
        generation: 0,
        outs: BTreeMap::new(),
        seen: None,
        gets: 0,
        gets_known: true,
        talk: Talk::starting(0),
        idle_wakes: (0, 0),
    }
}

/// What a node with room for so many entries may hold.
pub(crate) const fn room(entries: usize) -> Bounds {
    Bounds {
        entries,
        weight: 256 << 20,
    }
}

/// The beginning of a message, to be read.
pub(crate) fn text(bytes: &[u8]) -> String {
    let head = &bytes[..bytes.len().min(200)];
    let line: String = String::from_utf8_lossy(head)
        .chars()
        .take_while(|c| *c != '\r')
        .take(80)
        .collect();
    format!("{} bytes: {line:?}", bytes.len())
}
