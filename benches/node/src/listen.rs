//! A server's command line and socket.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// Whether a word is among the arguments.
pub fn has_flag(name: &str) -> bool {
    std::env::args().skip(1).any(|word| word == name)
}

/// Listens on a port of the system's choice, and tells it.
pub fn listen() -> io::Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    println!("ready {}", listener.local_addr()?);
    Ok(listener)
}
