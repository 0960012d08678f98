//! Which sockets listen on a port: asked of the kernel by sock_diag(7), which looks at no connection.
//! The tables in `/proc/net` have every connection of the machine in them.

use std::collections::BTreeSet;
use std::io;

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

/// The sockets that listen on `port`, on whichever address, by their inodes.
///
/// # Errors
/// When the kernel cannot be asked.
pub(super) fn listening(port: u16) -> io::Result<BTreeSet<u64>> {
    let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let mut inodes = BTreeSet::new();
    for (family, socket_id) in [(AF_INET, SocketId::new_v4()), (AF_INET6, SocketId::new_v6())] {
        ask(&socket, family, socket_id)?;
        let mut is_over = false;
        while !is_over {
            let mut bytes = Vec::with_capacity(ANSWER_BYTES);
            socket.recv(&mut bytes, 0)?;
            is_over = read(&bytes, port, &mut inodes)?;
        }
    }
    Ok(inodes)
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
fn read(mut bytes: &[u8], port: u16, inodes: &mut BTreeSet<u64>) -> io::Result<bool> {
    let nonsense = |error: DecodeError| io::Error::new(io::ErrorKind::InvalidData, error);
    while !bytes.is_empty() {
        let message = NetlinkMessage::<SockDiagMessage>::deserialize(bytes).map_err(nonsense)?;
        match message.payload {
            NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(found))
                if found.header.socket_id.source_port == port =>
            {
                inodes.insert(found.header.inode.into());
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

    #[test]
    fn a_socket_that_listens_is_found_by_its_port() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = std::net::TcpListener::bind(address).unwrap();
            let address = listener.local_addr().unwrap();
            let _connection = std::net::TcpStream::connect(address).unwrap();
            let found = listening(address.port()).unwrap();
            assert_eq!(found.len(), 1, "{found:?}");
            let own: BTreeSet<_> =
                procfs::sockets(std::process::id()).unwrap().into_iter().collect();
            assert!(found.is_subset(&own));
            drop(listener);
            assert!(listening(address.port()).unwrap().is_empty());
        }
    }
}
