//! Packets that have crossed no router (RFC 6762 §11): each one on its way takes 1 of the 255.
//!
//! The system drops the others. Few runtimes hand out what the IP header said, and no loop has to ask.

use socket2::Socket;
use std::io;

/// From now on `socket` takes datagrams over IPv4 whose TTL is 255, and no others.
///
/// # Errors
/// [`io::ErrorKind::Unsupported`] where the system has no such filters.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn only_255(socket: &Socket) -> io::Result<()> {
    use socket2::SockFilter;
    // Classic BPF: `ldb [network header + 8]; jeq 255; ret all; ret nothing`.
    const LOAD_BYTE: u16 = 0x30;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const TTL: u32 = 0xfff0_0000 + 8;
    socket.attach_filter(&[
        SockFilter::new(LOAD_BYTE, 0, 0, TTL),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, 255),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
        SockFilter::new(RETURN, 0, 0, 0),
    ])
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn only_255(_: &Socket) -> io::Result<()> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "packets can not be told by their TTL on this system",
    ))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, UdpSocket};

    #[test]
    fn a_packet_that_has_crossed_a_router_is_not_taken() {
        let [to, from] = [0; 2].map(|port| UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).unwrap());
        let to = Socket::from(to);
        only_255(&to).unwrap();
        let to = UdpSocket::from(to);
        for ttl in [64, 254, 1, 255] {
            from.set_ttl(ttl).unwrap();
            from.send_to(&[u8::try_from(ttl).unwrap()], to.local_addr().unwrap())
                .unwrap();
        }
        let mut heard = [0; 2];
        assert_eq!(to.recv(&mut heard).unwrap(), 1);
        assert_eq!(heard[0], 255, "those before it were dropped");
    }
}
