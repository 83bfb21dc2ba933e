//! A client: the machine that decides whom to ask (`Fetch`), and one for each connection (`ClientConn`).

use crate::{Host, connect, wanted};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use zerocache::proto::cluster::{Peer, View};
use zerocache::proto::http::{ClientConn, ClientLimits, Options, Outgoing, Response};
use zerocache::proto::op::{Attempt, Fetch, Kind, Verdict};
use zerocache::proto::{Failure, NodeId, Region, Rng};

pub(crate) struct Client {
    region: Region,
    view: Arc<View>,
    rng: Rng,
}

impl Client {
    /// A client of this one node. Where nodes are to be found and watched there is a `Cluster`, driven
    /// as the other machines are, that gives the view.
    pub(crate) fn new(id: NodeId, region: Region, addr: SocketAddr, seed: u64) -> Self {
        let mut view = View::empty(region.clone(), None);
        view.local.push(Arc::new(Peer {
            id,
            region: region.clone(),
            addr,
            capable: true,
        }));
        let (view, rng) = (Arc::new(view), Rng::new(seed));
        Self { region, view, rng }
    }

    pub(crate) fn put(&mut self, host: &mut Host, key: &str, value: &'static str) -> Verdict {
        let (region, plain) = (self.region.clone(), Options::default());
        let put =
            |peer: &Peer| Outgoing::put(peer.addr, &region, key.as_bytes(), value.into(), &plain);
        self.run(host, Kind::Put, put).0
    }

    /// The verdict, and the value if it is a hit.
    pub(crate) fn get(&mut self, host: &mut Host, key: &str) -> (Verdict, String) {
        let (region, plain) = (self.region.clone(), Options::default());
        let get = |peer: &Peer| Outgoing::get(peer.addr, &region, key.as_bytes(), &plain);
        let (verdict, body) = self.run(host, Kind::Get, get);
        (verdict, String::from_utf8_lossy(&body).into_owned())
    }

    /// Asks one node after the other, as the machine says, until it has a verdict.
    fn run(
        &mut self,
        host: &mut Host,
        kind: Kind,
        request: impl Fn(&Peer) -> Outgoing,
    ) -> (Verdict, Vec<u8>) {
        let rng = Rng::new(self.rng.next_u64());
        let mut fetch = Fetch::new(host.clock.now().mono, self.view.clone(), 0, kind, rng);
        let mut body = Vec::new();
        loop {
            if let Some(verdict) = fetch.poll_event() {
                return (verdict, body);
            }
            let now = host.clock.now().mono;
            let Some(attempt) = fetch.poll_transmit(now) else {
                fetch.handle_timeout(now);
                continue;
            };
            let answer = exchange(host, &attempt, request(&attempt.peer));
            let now = host.clock.now().mono;
            match answer {
                Ok(response) => {
                    body = response.body.to_vec();
                    fetch.handle_response(now, attempt.id, response.status);
                }
                Err(why) => fetch.handle_failure(now, attempt.id, why),
            }
        }
    }
}

/// A request and its answer on a connection of its own; the node is served while that takes.
fn exchange(host: &mut Host, attempt: &Attempt, request: Outgoing) -> Result<Response, Failure> {
    let mut stream = connect(attempt.peer.addr)?;
    let mut http = ClientConn::new(ClientLimits::default());
    http.send(request);
    loop {
        let now = host.clock.now().mono;
        let writes = !http.write_buf().is_empty();
        // The machine lends its buffers: nothing is copied on the way.
        let done = match writes {
            true => stream.write(http.write_buf()),
            false => stream.read(http.read_buf()),
        };
        match done {
            _ if now >= attempt.deadline => return Err(Failure::TimedOut),
            Ok(n) if writes => http.handle_written(now, n),
            Ok(n) => http.handle_read(now, n),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let turned = host.turn(
                    Some(wanted(&stream, !writes, writes)),
                    Some(attempt.deadline),
                );
                turned.map_err(|_| Failure::Reset)?;
            }
            Err(_) => return Err(Failure::Reset),
        }
        if let Some(response) = http.poll_response() {
            return response.map_err(|_| Failure::Malformed);
        }
    }
}
