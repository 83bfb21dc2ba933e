//! What each transition does to the world.

use zerocache_proto::NodeId;
use zerocache_proto::node::Input;
use zerocache_proto::op::Kind;

use crate::client::Order;
use crate::host::{Happening, Life};
use crate::model::{Operation, value};
use crate::sniff::key_text;
use crate::swarm::MS;
use crate::transition::{Death, Hosts, Transition};
use crate::world::{World, room};

impl World {
    /// Does it, if it makes sense now.
    pub(crate) fn apply(&mut self, what: Transition) {
        let done = match what {
            Transition::Join { node } => self.join(node),
            Transition::Leave { node } => {
                let can = self.hosts[node].is_serving() && self.hosts[node].paused_until.is_none();
                if can {
                    self.leave(node);
                }
                can
            }
            Transition::Kill { node, death } => self.kill(node, death),
            Transition::Revive { node, fresh } => self.revive(node, fresh),
            Transition::Capacity { node, entries } => self.resize(node, entries),
            Transition::Pause { node, ms } => {
                let up = self.hosts[node].is_up();
                if up {
                    self.disturbed();
                    self.pause(node, self.now + ms * MS);
                }
                up
            }
            Transition::Partition { cut } => {
                self.disturbed();
                self.net.cut(cut);
                true
            }
            Transition::Heal => {
                self.disturbed();
                self.net.heal();
                true
            }
            Transition::Clog { host } => {
                self.net.clogged = self.net.clogged.with(host);
                true
            }
            Transition::Unclog { host } => {
                self.disturbed();
                let clogged = self.net.clogged.has(host);
                self.net.clogged = Hosts(self.net.clogged.0 & !Hosts::one(host).0);
                clogged
            }
            Transition::Slow {
                host,
                bytes_per_second,
            } => {
                self.disturbed();
                self.net.slow[host] = bytes_per_second;
                true
            }
            Transition::LinkDown { host } => self.link_down(host),
            Transition::LinkUp { host } => self.link_up(host),
            Transition::ClockStep { host, skew_ms } => {
                self.hosts[host].clock.set_skew(skew_ms);
                true
            }
            Transition::Reset { host } => {
                self.disturbed();
                self.reset_all(host);
                true
            }
            Transition::Exhaust { node, ms } => {
                self.disturbed();
                self.hosts[node].accepts_at = self.now + ms * MS;
                true
            }
            Transition::Rogue { host, lie } => self.rogue(host, lie),
            Transition::Put {
                client,
                key,
                size,
                ttl,
            } => {
                self.operate(client, Kind::Put, key, size, ttl);
                true
            }
            Transition::Get { client, key } => {
                self.operate(client, Kind::Get, key, 0, 0);
                true
            }
            Transition::Delete { client, key } => {
                self.operate(client, Kind::Delete, key, 0, 0);
                true
            }
        };
        if done {
            self.coverage.saw(what.kind());
        }
    }

    fn join(&mut self, node: usize) -> bool {
        let host = &mut self.hosts[node];
        let gone = host.life == Life::Vacant && (host.incarnation == 0 || host.left_at.is_some());
        if gone {
            host.id = NodeId::derive(&host.name, host.addr);
            self.start(node);
        }
        gone
    }

    fn kill(&mut self, node: usize, death: Death) -> bool {
        let up = self.hosts[node].is_up();
        if up {
            if death == Death::Power {
                // Its connections hang.
                self.disturbed();
            }
            self.end(node, death == Death::Power);
        }
        up
    }

    /// Starts a dead node again.
    pub(crate) fn revive(&mut self, node: usize, fresh: bool) -> bool {
        let host = &mut self.hosts[node];
        let dead = !host.is_up() && host.incarnation > 0;
        if dead {
            if fresh {
                host.id = NodeId::from_bits(host.rng.next_u32());
            }
            self.start(node);
        }
        dead
    }

    fn resize(&mut self, node: usize, entries: usize) -> bool {
        let host = &self.hosts[node];
        let can = host.is_serving() && host.paused_until.is_none();
        if can {
            self.note(node, 21, || format!("holds {entries} records from now on"));
            self.watch_resize(node, entries);
            let (local, remote) = (room(entries), room(entries));
            self.input(node, Input::Resize { local, remote });
            self.expect_caps(node);
        }
        can
    }

    fn link_down(&mut self, host: usize) -> bool {
        let linked = !self.net.unlinked.has(host);
        if linked {
            self.net.unlinked = self.net.unlinked.with(host);
            let incarnation = self.hosts[host].incarnation;
            self.happen(host, incarnation, Happening::LinkDown);
        }
        linked
    }

    /// A host's interface is back.
    pub(crate) fn link_up(&mut self, host: usize) -> bool {
        self.disturbed();
        let unlinked = self.net.unlinked.has(host);
        if unlinked {
            self.net.unlinked = Hosts(self.net.unlinked.0 & !Hosts::one(host).0);
            let incarnation = self.hosts[host].incarnation;
            self.happen(host, incarnation, Happening::LinkUp);
        }
        unlinked
    }

    /// A client begins an operation; its number.
    pub(crate) fn operate(
        &mut self,
        client: usize,
        kind: Kind,
        key: u32,
        size: u32,
        ttl: u32,
    ) -> u64 {
        let host = self.knobs.servers.len() + client;
        let op = self.model.begin(Operation {
            kind,
            key,
            size,
            ttl,
            started: self.now,
            ended: None,
            acknowledged: false,
            expires: 0,
        });
        self.note(host, 18, || format!("operation {op}: {kind:?} k{key}"));
        let order = Order {
            kind,
            key: key_text(key).into(),
            value: if kind == Kind::Put {
                value(op, size)
            } else {
                bytes::Bytes::new()
            },
            ttl,
        };
        self.order(host, op, order);
        op
    }
}
