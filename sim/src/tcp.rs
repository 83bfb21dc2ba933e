//! Connections between hosts: two pipes of bytes each, which are cut anywhere, wait for lost segments
//! and for cut networks, and end as those of a kernel do: by FIN, by reset, or never.
//!
//! ```text
//! Dialing --SYN--> (refused | unreachable | nothing: again after 1, 2, 4 .. s)
//!    |  SYN-ACK
//!  Open --Close--> FIN behind what was sent; what still comes is answered by a reset
//! ```

use std::collections::VecDeque;
use std::net::SocketAddr;

use bytes::Bytes;
use zerocache_proto::Failure;
use zerocache_proto::node::{ConnId, Input};

use crate::host::{Happening, Life};
use crate::net::delay;
use crate::sniff::{self, Asked};
use crate::swarm::{MS, SECOND};
use crate::transition::Layer;
use crate::world::{Event, World, text};

/// How often a SYN is sent.
const SYNS: u32 = 7;
/// A sender gives up when nothing has got through for so long.
const GIVE_UP: u64 = 60 * SECOND;
/// The first pause before something lost is sent again.
const RTO: u64 = 200 * MS;
/// Bytes a socket keeps for a peer that has not got them yet.
const SOCKET: usize = 64 << 10;
/// The most pieces a message is cut into.
const PIECES: u64 = 6;

#[derive(Debug)]
pub(crate) struct Conn {
    /// The dialling end first.
    pub(crate) ends: [End; 2],
    pub(crate) pipes: [Pipe; 2],
    /// The dialling process's number of it.
    out: u64,
    stage: Stage,
    /// Requests not answered yet.
    pub(crate) asked: VecDeque<Asked>,
    /// Bytes the accepting process has read.
    pub(crate) read: u64,
    /// When it had read all that was sent by then.
    pub(crate) whole_at: Option<u64>,
    /// Nobody who plays by the rules dials: what goes over it need not make sense.
    rogue: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Dialing { tries: u32 },
    Open,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) host: usize,
    pub(crate) incarnation: u32,
    /// Its process still has it.
    pub(crate) open: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Pipe {
    /// What is under way, and when it arrives if nothing goes wrong.
    queue: VecDeque<(u64, Segment)>,
    scheduled: bool,
    /// When the sender's next byte can leave.
    free_at: u64,
    /// The pause before the next attempt, and how long nothing has got through.
    rto: u64,
    stalled: u64,
    /// What had been sent by then has been sent again, with what was lost of it.
    resent_at: u64,
    pub(crate) sent: u64,
    /// Bytes not delivered yet: the sender's socket has no room for more than [`SOCKET`].
    waiting: usize,
    /// The sender has more.
    blocked: bool,
    /// Bytes still to come of the message that is being sent.
    pub(crate) message: usize,
    /// No more will be sent.
    ended: bool,
}

#[derive(Debug)]
enum Segment {
    /// The handshake is over: the other process can accept.
    Open,
    Data(Bytes),
    Fin,
}

impl World {
    pub(crate) fn connect(&mut self, host: usize, out: u64, addr: SocketAddr) {
        let Some(to) = self.hosts.iter().position(|host| host.addr == addr) else {
            return self.happen_later(host, Happening::Failed(out, Failure::Unreachable));
        };
        let end = |host, incarnation, open| End {
            host,
            incarnation,
            open,
        };
        let conn = Conn {
            ends: [
                end(host, self.hosts[host].incarnation, true),
                end(to, 0, false),
            ],
            pipes: [Pipe::default(), Pipe::default()],
            out,
            stage: Stage::Dialing { tries: 0 },
            asked: VecDeque::new(),
            read: 0,
            whole_at: None,
            rogue: false,
        };
        let id = self.conns.insert(conn);
        self.hosts[host].outs.insert(out, id);
        let wait = self.delay(host, to);
        self.post(wait, Event::Syn(id));
    }

    /// A SYN arrives, or not.
    pub(crate) fn syn(&mut self, id: u64) {
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        let Stage::Dialing { tries } = &mut conn.stage else {
            return;
        };
        *tries += 1;
        let (tries, out) = (*tries, conn.out);
        let [from, to] = [conn.ends[0].host, conn.ends[1].host];
        let life = self.hosts[to].life;
        let cut = self.net.blocks(from, to, Layer::Tcp);
        if cut || life == Life::Off || self.loses(from) {
            // The neighbours of a host without power find out that it is gone.
            let gone = !cut && life == Life::Off && tries == 3 && from % 2 == 0;
            if gone || tries >= SYNS {
                let why = if gone {
                    Failure::Unreachable
                } else {
                    Failure::TimedOut
                };
                self.coverage.saw(if gone {
                    "no route"
                } else {
                    "connect timed out"
                });
                self.refuse(id, from, out, why);
            } else {
                self.coverage.saw("connection attempt lost");
                self.post(SECOND << (tries - 1), Event::Syn(id));
            }
            return;
        }
        let wait = self.delay(to, from);
        if life == Life::Vacant || !self.hosts[to].is_server {
            return self.post(wait, Event::Refused(id));
        }
        let incarnation = self.hosts[to].incarnation;
        if let Some(conn) = self.conns.get_mut(id) {
            let end = &mut conn.ends[1];
            (end.incarnation, end.open) = (incarnation, true);
        }
        self.post(wait, Event::SynAck(id));
    }

    /// The answer to a SYN arrives, or not.
    pub(crate) fn syn_ack(&mut self, id: u64, refused: bool) {
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        let Stage::Dialing { tries } = conn.stage else {
            return;
        };
        let ([near, far], out) = (conn.ends, conn.out);
        if self.net.blocks(far.host, near.host, Layer::Tcp) || self.loses(far.host) {
            let wait = SECOND << (tries - 1);
            return self.post(wait, Event::Syn(id));
        }
        if refused {
            self.coverage.saw("connection refused");
            return self.refuse(id, near.host, out, Failure::Refused);
        }
        if let Some(conn) = self.conns.get_mut(id) {
            conn.stage = Stage::Open;
        }
        self.queue(id, 0, Segment::Open, 0);
        self.happen(near.host, near.incarnation, Happening::Connected(out));
    }

    fn refuse(&mut self, id: u64, host: usize, out: u64, why: Failure) {
        if let Some(conn) = self.conns.remove(id) {
            self.hosts[host].outs.remove(&out);
            let incarnation = conn.ends[0].incarnation;
            self.happen(host, incarnation, Happening::Failed(out, why));
        }
    }

    /// A process has something to write: its socket takes as much as it has room for.
    pub(crate) fn write(&mut self, host: usize, name: ConnId) {
        let Some((id, way)) = self.lookup(host, name) else {
            return;
        };
        loop {
            let Some(process) = &self.hosts[host].process else {
                return;
            };
            let Some(pipe) = self.conns.get_mut(id).map(|conn| &mut conn.pipes[way]) else {
                return;
            };
            let bytes = process.write_buf(name);
            let room = SOCKET.saturating_sub(pipe.waiting);
            pipe.blocked = room == 0 && !bytes.is_empty();
            let bytes = Bytes::copy_from_slice(&bytes[..bytes.len().min(room)]);
            if bytes.is_empty() {
                return;
            }
            self.note(host, 12, || format!("writes to {name:?} {}", text(&bytes)));
            let count = bytes.len();
            self.send(id, way, bytes);
            let now = self.clock(host);
            let written = Input::Written { conn: name, count };
            if let Some(process) = &mut self.hosts[host].process {
                process.handle(now, written);
            }
        }
    }

    /// A socket has room again.
    fn unblock(&mut self, id: u64, way: usize) {
        let Some(conn) = self
            .conns
            .get_mut(id)
            .filter(|conn| conn.pipes[way].blocked)
        else {
            return;
        };
        let (end, out) = (conn.ends[way], conn.out);
        let host = &self.hosts[end.host];
        if end.open && host.incarnation == end.incarnation && host.paused_until.is_none() {
            conn.pipes[way].blocked = false;
            self.coverage.saw("write blocked");
            let name = if way == 0 {
                ConnId::Out(out)
            } else {
                ConnId::In(id)
            };
            self.write(end.host, name);
            self.after(end.host);
        }
    }

    /// A process that goes on finds room in its sockets.
    pub(crate) fn unblock_all(&mut self, host: usize) {
        let blocked = |conn: &Conn| {
            (0..2).find(|way| conn.ends[*way].host == host && conn.pipes[*way].blocked)
        };
        for (id, way) in self.conns.find(blocked) {
            self.unblock(id, way);
        }
    }

    fn send(&mut self, id: u64, way: usize, mut bytes: Bytes) {
        self.trace.bytes(&bytes);
        self.sniff(id, way, &bytes);
        let Some(host) = self.conns.get(id).map(|conn| conn.ends[way].host) else {
            return;
        };
        let pieces = (bytes.len() as u64 / self.knobs.segment.max(1)).min(PIECES);
        for _ in 0..pieces {
            let cut = self.hosts[host].rng.below(bytes.len());
            let piece = bytes.split_to(cut);
            if !piece.is_empty() {
                self.queue_data(id, way, piece);
            }
        }
        self.queue_data(id, way, bytes);
    }

    fn queue_data(&mut self, id: u64, way: usize, bytes: Bytes) {
        let len = bytes.len() as u64;
        self.queue(id, way, Segment::Data(bytes), len);
    }

    fn lookup(&self, host: usize, name: ConnId) -> Option<(u64, usize)> {
        let (id, way) = match name {
            ConnId::Out(out) => (*self.hosts[host].outs.get(&out)?, 0),
            ConnId::In(id) => (id, 1),
        };
        let end = self.conns.get(id)?.ends[way];
        (end.open && end.incarnation == self.hosts[host].incarnation).then_some((id, way))
    }

    fn queue(&mut self, id: u64, way: usize, segment: Segment, len: u64) {
        let Some(conn) = self.conns.get(id) else {
            return;
        };
        let (from, to) = (conn.ends[way].host, conn.ends[1 - way].host);
        let rate = self.net.rate(&self.knobs, from, to);
        let travel = self.delay(from, to);
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        let pipe = &mut conn.pipes[way];
        let takes = u64::try_from(u128::from(len) * u128::from(SECOND) / u128::from(rate));
        pipe.free_at = pipe.free_at.max(self.now) + takes.unwrap_or(u64::MAX / 4);
        pipe.sent += len;
        pipe.waiting += len as usize;
        pipe.queue.push_back((pipe.free_at + travel, segment));
        self.schedule(id, way, 0);
    }

    fn schedule(&mut self, id: u64, way: usize, not_before: u64) {
        let now = self.now;
        let Some(pipe) = self.conns.get_mut(id).map(|conn| &mut conn.pipes[way]) else {
            return;
        };
        if let (false, Some((ready, _))) = (pipe.scheduled, pipe.queue.front()) {
            pipe.scheduled = true;
            let at = (*ready).max(not_before).max(now);
            self.post(at - now, Event::Pipe(id, way));
        }
    }

    /// The next segment of a pipe arrives, or not.
    pub(crate) fn pipe(&mut self, id: u64, way: usize) {
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        conn.pipes[way].scheduled = false;
        let (near, far) = (conn.ends[way], conn.ends[1 - way]);
        let pipe = &conn.pipes[way];
        let Some((ready, segment)) = pipe.queue.front() else {
            return;
        };
        let opening = matches!(segment, Segment::Open);
        let resent = *ready <= pipe.resent_at && pipe.rto == 0;
        if self.hosts[near.host].life == Life::Off {
            conn.pipes[way].queue.clear();
            return self.drop_if_over(id);
        }
        let target = &self.hosts[far.host];
        if opening && target.accepts_at > self.now {
            let at = target.accepts_at;
            return self.schedule(id, way, at);
        }
        let cut = self.net.blocks(near.host, far.host, Layer::Tcp) || target.life == Life::Off;
        if cut || (!resent && self.loses(near.host)) {
            return self.stall(id, way);
        }
        if self.net.resets > 0
            && self.hosts[near.host].rng.below(1_000_000) < self.net.resets as usize
        {
            self.coverage.saw("random reset");
            return self.reset(id);
        }
        self.deliver(id, way);
        self.unblock(id, way);
        self.schedule(id, way, 0);
        self.drop_if_over(id);
    }

    fn deliver(&mut self, id: u64, way: usize) {
        let now = self.now;
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        let (near, far, out) = (conn.ends[way], conn.ends[1 - way], conn.out);
        let pipe = &mut conn.pipes[way];
        if pipe.rto > 0 {
            pipe.resent_at = now;
        }
        (pipe.rto, pipe.stalled) = (0, 0);
        let Some((_, segment)) = pipe.queue.pop_front() else {
            return;
        };
        if let Segment::Data(bytes) = &segment {
            pipe.waiting -= bytes.len();
        }
        let there = &self.hosts[far.host];
        let alive = far.open && there.incarnation == far.incarnation && there.life == Life::Up;
        let name = if way == 0 {
            ConnId::In(id)
        } else {
            ConnId::Out(out)
        };
        let what = match segment {
            Segment::Fin if !alive => return,
            _ if !alive => {
                self.coverage.saw("answered by a reset");
                let wait = self.delay(far.host, near.host);
                return self.post(wait, Event::Rst(id, way));
            }
            Segment::Open => Happening::Accepted(id),
            Segment::Data(bytes) => Happening::Bytes(name, bytes),
            Segment::Fin => Happening::Bytes(name, Bytes::new()),
        };
        self.happen(far.host, far.incarnation, what);
    }

    /// Nothing gets through: again later, or not at all any more.
    fn stall(&mut self, id: u64, way: usize) {
        let now = self.now;
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        let pipe = &mut conn.pipes[way];
        pipe.rto = if pipe.rto == 0 { RTO } else { pipe.rto * 2 };
        pipe.stalled += pipe.rto;
        if pipe.stalled < GIVE_UP {
            let at = now + pipe.rto;
            return self.schedule(id, way, at);
        }
        self.coverage.saw("half-open connection");
        conn.pipes[way].queue.clear();
        self.lose(id, way);
        self.drop_if_over(id);
    }

    /// A reset arrives at one end.
    pub(crate) fn rst(&mut self, id: u64, side: usize) {
        self.lose(id, side);
        if let Some(conn) = self.conns.get_mut(id) {
            conn.pipes.iter_mut().for_each(|pipe| pipe.queue.clear());
        }
        self.drop_if_over(id);
    }

    /// A connection is reset for both ends.
    pub(crate) fn reset(&mut self, id: u64) {
        self.rst(id, 0);
        self.rst(id, 1);
    }

    /// One end is told that its connection is gone.
    fn lose(&mut self, id: u64, side: usize) {
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        let (end, out) = (conn.ends[side], conn.out);
        conn.ends[side].open = false;
        if !end.open {
            return;
        }
        let name = if side == 0 {
            ConnId::Out(out)
        } else {
            ConnId::In(id)
        };
        self.happen(end.host, end.incarnation, Happening::Closed(name));
    }

    /// A process closes its end.
    pub(crate) fn close(&mut self, host: usize, name: ConnId) {
        let Some((id, side)) = self.lookup(host, name) else {
            return;
        };
        if let ConnId::Out(out) = name {
            self.hosts[host].outs.remove(&out);
        }
        let dialing = match self.conns.get_mut(id) {
            Some(conn) => {
                conn.ends[side].open = false;
                matches!(conn.stage, Stage::Dialing { .. })
            }
            None => return,
        };
        if dialing {
            self.conns.remove(id);
        } else {
            self.finish(id, side);
        }
    }

    /// A process will send no more, and reads on.
    pub(crate) fn half_close(&mut self, host: usize, name: ConnId) {
        if let Some((id, side)) = self.lookup(host, name) {
            self.coverage.saw("half-closed");
            self.finish(id, side);
        }
    }

    fn finish(&mut self, id: u64, side: usize) {
        let Some(conn) = self.conns.get_mut(id) else {
            return;
        };
        if !std::mem::replace(&mut conn.pipes[side].ended, true) {
            self.queue(id, side, Segment::Fin, 0);
        }
    }

    fn drop_if_over(&mut self, id: u64) {
        let over = |conn: &Conn| {
            conn.ends.iter().all(|end| !end.open) && conn.pipes.iter().all(|p| p.queue.is_empty())
        };
        if self.conns.get(id).is_some_and(over) {
            self.conns.remove(id);
        }
    }

    /// All connections of a host end with its process, or with its power.
    pub(crate) fn hang_up(&mut self, host: usize, power: bool) {
        let incarnation = self.hosts[host].incarnation;
        let of = |conn: &Conn| {
            let own = |end: &End| end.host == host && end.open && end.incarnation == incarnation;
            conn.ends.iter().position(own)
        };
        for (id, side) in self.conns.find(of) {
            let Some(conn) = self.conns.get_mut(id) else {
                continue;
            };
            conn.ends[side].open = false;
            let other = conn.ends[1 - side].host;
            if side == 0 && matches!(conn.stage, Stage::Dialing { .. }) {
                self.conns.remove(id);
            } else if power {
                conn.pipes[side].queue.clear();
            } else if self.hosts[host].rng.below(2) == 0 {
                self.finish(id, side);
            } else {
                let wait = self.delay(host, other);
                self.post(wait, Event::Rst(id, 1 - side));
            }
            self.drop_if_over(id);
        }
        self.hosts[host].outs.clear();
    }

    /// What the dead had sent is lost at last: else a goodbye may come from one who is back.
    pub(crate) fn bury(&mut self) {
        let dead = |end: &End| end.incarnation != self.hosts[end.host].incarnation;
        let from_dead = |conn: &Conn| conn.ends[0].incarnation > 0 && dead(&conn.ends[0]);
        let found = self.conns.find(|conn| from_dead(conn).then_some(()));
        found.into_iter().for_each(|(id, ())| self.reset(id));
    }

    /// All connections of a host are reset at both ends.
    pub(crate) fn reset_all(&mut self, host: usize) {
        let of = |conn: &Conn| conn.ends.iter().any(|end| end.host == host).then_some(());
        for (id, ()) in self.conns.find(of) {
            let open = |conn: &Conn| conn.stage == Stage::Open;
            if self.conns.get(id).is_some_and(open) {
                self.reset(id);
            }
        }
    }

    /// Whether a segment or datagram of `from` is lost on its way.
    pub(crate) fn loses(&mut self, from: usize) -> bool {
        self.net.loss > 0 && self.hosts[from].rng.below(1000) < self.net.loss as usize
    }

    /// How long something takes from one host to another.
    pub(crate) fn delay(&mut self, from: usize, to: usize) -> u64 {
        let mean = self.knobs.delay_us[self.hosts[from].region][self.hosts[to].region];
        delay(self.knobs.law, mean, &mut self.hosts[from].rng)
    }

    /// Somebody connects to `to`, as if from `from`, says that, so fast or so slowly, and ends or not.
    pub(crate) fn intrude(&mut self, from: usize, to: usize, bytes: &[u8], pace: u64, ends: bool) {
        let end = |host: usize, incarnation, open| End {
            host,
            incarnation,
            open,
        };
        let mut pipes = [Pipe::default(), Pipe::default()];
        let step = if pace > 0 { 1 } else { bytes.len().max(1) };
        let segments = bytes.chunks(step);
        let segments = segments.map(|part| Segment::Data(Bytes::copy_from_slice(part)));
        let mut at = self.now;
        pipes[0].queue.push_back((at, Segment::Open));
        for segment in segments {
            at += pace.max(MS);
            pipes[0].queue.push_back((at, segment));
        }
        if ends {
            pipes[0].queue.push_back((at + MS, Segment::Fin));
        }
        pipes[0].waiting = bytes.len();
        pipes[0].sent = bytes.len() as u64;
        let conn = Conn {
            // Of no process: whatever is answered is answered by a reset.
            ends: [
                end(from, 0, false),
                end(to, self.hosts[to].incarnation, true),
            ],
            pipes,
            out: u64::MAX,
            stage: Stage::Open,
            asked: VecDeque::new(),
            read: 0,
            whole_at: None,
            rogue: true,
        };
        let id = self.conns.insert(conn);
        self.schedule(id, 0, 0);
    }

    fn sniff(&mut self, id: u64, way: usize, bytes: &[u8]) {
        if self.conns.get(id).is_none_or(|conn| conn.rogue) {
            return;
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let Some(conn) = self.conns.get_mut(id) else {
                return;
            };
            let (from, to) = (conn.ends[way].host, conn.ends[1 - way].host);
            let left = &mut conn.pipes[way].message;
            if *left > 0 {
                if let Some(asked) = conn.asked.back_mut().filter(|_| way == 0) {
                    asked.body(rest);
                }
                let part = rest.len().min(*left);
                *left -= part;
                rest = &rest[part..];
                continue;
            }
            let Some(length) = sniff::length(rest) else {
                let text = format!(
                    "host {from} says to host {to} what has no end: {}",
                    text(rest)
                );
                return self.violate("I8", text);
            };
            *left = length;
            if way == 0 {
                let asked = Asked::read(rest);
                conn.asked.push_back(asked.clone());
                conn.whole_at = None;
                self.watch_request(from, to, &asked);
            } else {
                let asked = conn.asked.pop_front();
                let whole_at = conn.whole_at;
                self.watch_answer(from, to, asked, whole_at, sniff::status(rest));
            }
        }
    }
}
