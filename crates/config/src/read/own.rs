//! Warns of targets that are this very Plimsoll: requests would go round until `Via` ends them with 508.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use model::{Host, Target};

use super::{Context, Family};
use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::node::Node;

/// Looks whether a listener has the address of `target`. Names but `localhost` are not looked up.
pub(crate) fn warn(node: &Node<'_>, target: &Target, context: &Context<'_>) {
    let addresses: Vec<IpAddr> = match &target.host {
        Host::Address(address) => vec![*address],
        Host::Name(name) if name == "localhost" => {
            vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
        }
        Host::Name(_) => return,
    };
    let at = addresses.into_iter().map(|address| SocketAddr::new(address, target.port));
    let Some(place) = at.filter_map(|address| context.listens_on(address)).next() else { return };
    let flaw = Flaw::new(
        Code::Risky,
        format!("{} is Plimsoll's own address", target.name),
        "its requests come back here, and get 508",
        "write where the server listens, or give one of them another port",
    );
    node.report_with(flaw, &[(place, "this listens there")]);
}

impl Context<'_> {
    /// Where the file says that `address`, one that leads to this machine for certain, is listened on.
    fn listens_on(&self, address: SocketAddr) -> Option<std::ops::Range<usize>> {
        if let Some(place) = self.bound.get(&address) {
            return Some(place.clone());
        }
        let family = if address.is_ipv4() { Family::V4 } else { Family::V6 };
        let port = self.ports.get(&(address.port(), family)).filter(|_| address.ip().is_loopback());
        port.and_then(|port| port.every.as_ref()).map(|(_, place)| place.clone())
    }
}
