//! Host names, for runtimes that have no way of their own to look them up.

use futures_channel::oneshot;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::thread;

/// Looks `host` up without blocking the executor. The system's resolver can only be asked by
/// blocking, so a name gets a thread of its own, `zerocache-dns`, which ends with the answer; an
/// address needs none.
///
/// # Errors
/// What the system's resolver gives, or that there is no room for a thread.
pub async fn resolve(host: String, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let (answer, found) = oneshot::channel();
    let look_up = move || {
        let addrs = (host.as_str(), port).to_socket_addrs();
        // Nobody waits for it any more, perhaps.
        drop(answer.send(addrs.map(Iterator::collect)));
    };
    thread::Builder::new()
        .name("zerocache-dns".to_owned())
        .spawn(look_up)?;
    found
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::Interrupted.into()))
}
