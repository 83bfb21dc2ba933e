//! A server's command line and socket.

use socket2::{Domain, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// std's 128 makes a burst of connections wait for a second.
const BACKLOG: i32 = 1024;

/// Whether a word is among the arguments.
pub fn has_flag(name: &str) -> bool {
    std::env::args().skip(1).any(|word| word == name)
}

/// Listens on a port of the system's choice, and tells it.
pub fn listen() -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    let listener = TcpListener::from(socket);
    println!("ready {}", listener.local_addr()?);
    Ok(listener)
}
