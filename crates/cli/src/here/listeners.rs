//! Addresses: whether each can be listened on.

use std::io;
use std::net::SocketAddr;

use config::Severity;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt};

use super::{Finding, Notes};

pub(super) fn look(notes: &Notes<'_>, held: &[SocketAddr]) -> Vec<Finding> {
    let listeners = notes.intent.listeners.iter();
    let wanted = listeners.flat_map(|(name, listener)| {
        let name = name.as_str();
        listener.bind.iter().map(move |address| {
            (format!("listener `{name}`"), vec!["listeners", name, "bind"], *address)
        })
    });
    let admin = notes.intent.admin.bind;
    let admin = admin.map(|address| ("the admin API".to_owned(), vec!["admin", "bind"], address));
    let wanted = wanted.chain(admin).filter(|(_, _, address)| !is_held(*address, held));
    wanted.filter_map(|(about, path, address)| fault(notes, about, &path, address)).collect()
}

/// Whether Plimsoll itself has it: by this address, or by every one of the machine.
fn is_held(address: SocketAddr, held: &[SocketAddr]) -> bool {
    let has = |it: &SocketAddr| {
        it.port() == address.port() && (it.ip() == address.ip() || it.ip().is_unspecified())
    };
    address.port() != 0 && held.iter().any(has)
}

fn fault(notes: &Notes<'_>, about: String, path: &[&str], address: SocketAddr) -> Option<Finding> {
    let error = try_it(address).err()?;
    let (what, hint) = match error.kind() {
        io::ErrorKind::AddrInUse => {
            let holder = driver::Holder::of(address.port());
            let who =
                holder.map_or("another program listens there".to_owned(), |it| it.to_string());
            (format!("cannot listen on {address}: {who}"), "end it, or take another port")
        }
        io::ErrorKind::PermissionDenied => (
            format!("this user may not listen on {address}"),
            "ports below 1024 need root, AmbientCapabilities=CAP_NET_BIND_SERVICE in the unit, or \
             `setcap cap_net_bind_service=+ep` on this program",
        ),
        io::ErrorKind::AddrNotAvailable => (
            format!("cannot listen on {address}: this machine has no such address"),
            "`ip address` lists those that it has; \"0.0.0.0\" and \"[::]\" are all of them",
        ),
        _ => (
            format!("cannot listen on {address}: {error}"),
            "is IPv6 switched off on this machine?",
        ),
    };
    Some(notes.finding(path, about, Severity::Error, what).hint(hint))
}

/// Listens there for a moment, as the program will: of IPv6 nothing but IPv6.
fn try_it(address: SocketAddr) -> io::Result<()> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // What was closed a moment ago is in nobody's way.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    bind(&socket, &address)?;
    Ok(listen(&socket, 1)?)
}
