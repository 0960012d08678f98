//! Which sockets listen, and where: asked of the kernel by sock_diag(7), which looks at no connection.
//! The tables in `/proc/net` have every connection of the machine in them.

use std::io;
use std::net::SocketAddr as Address;

use netlink_packet_core::{
    DecodeError, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6, IPPROTO_TCP};
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, SocketId, StateFlags};
use netlink_sys::protocols::NETLINK_SOCK_DIAG;
use netlink_sys::{Socket, SocketAddr};

/// What the kernel gives at a time.
const ANSWER_BYTES: usize = 32 * 1024;

/// A socket that listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listening {
    /// Where.
    pub(super) address: Address,
    /// What it is known by in `/proc/PID/fd`.
    pub(super) inode: u64,
}

/// All TCP sockets of the machine, or of our network namespace, that listen.
///
/// # Errors
/// When the kernel cannot be asked.
pub(super) fn listening() -> io::Result<Vec<Listening>> {
    let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let mut found = Vec::new();
    for (family, socket_id) in [(AF_INET, SocketId::new_v4()), (AF_INET6, SocketId::new_v6())] {
        ask(&socket, family, socket_id)?;
        let mut is_over = false;
        while !is_over {
            let mut bytes = Vec::with_capacity(ANSWER_BYTES);
            socket.recv(&mut bytes, 0)?;
            is_over = read(&bytes, &mut found)?;
        }
    }
    Ok(found)
}

fn ask(socket: &Socket, family: u8, socket_id: SocketId) -> io::Result<()> {
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let request = InetRequest {
        family,
        protocol: IPPROTO_TCP,
        extensions: ExtensionFlags::empty(),
        states: StateFlags::LISTEN,
        socket_id,
    };
    let mut message = NetlinkMessage::new(header, SockDiagMessage::InetRequest(request).into());
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket.send(&bytes, 0).map(drop)
}

/// Takes up what one answer says. Whether it was the last.
fn read(mut bytes: &[u8], found: &mut Vec<Listening>) -> io::Result<bool> {
    let nonsense = |error: DecodeError| io::Error::new(io::ErrorKind::InvalidData, error);
    while !bytes.is_empty() {
        let message = NetlinkMessage::<SockDiagMessage>::deserialize(bytes).map_err(nonsense)?;
        match message.payload {
            NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(response)) => {
                let socket = &response.header.socket_id;
                let address = Address::new(socket.source_address, socket.source_port);
                found.push(Listening { address, inode: response.header.inode.into() });
            }
            NetlinkPayload::Error(error) => return Err(error.to_io()),
            NetlinkPayload::Done(_) => return Ok(true),
            _ => {}
        }
        // Each begins at a multiple of four.
        let length = (message.header.length as usize).next_multiple_of(4).max(4);
        bytes = bytes.get(length..).unwrap_or_default();
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::procfs;

    fn at(address: Address) -> Vec<Listening> {
        listening().unwrap().into_iter().filter(|it| it.address == address).collect()
    }

    #[test]
    fn a_socket_that_listens_is_found_with_its_address() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = std::net::TcpListener::bind(address).unwrap();
            let address = listener.local_addr().unwrap();
            let _connection = std::net::TcpStream::connect(address).unwrap();
            let found = at(address);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(procfs::sockets(std::process::id()).unwrap().contains(&found[0].inode));
            drop(listener);
            assert_eq!(at(address), []);
        }
    }
}
