//! Which hosts the admin API is asked by and has ordered certificates for, by what its `tls` says and listeners have.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use model::{Acme, Admin, AdminHosts, AdminTls, Listener, ListenerName};

use super::hosts::{LOCALHOST, Stand, Wishes, refuse_unissuable, refuse_wildcard};
use crate::diagnostic::Code;
use crate::faults::{Faults, Flaw};

/// What `tls` of `[admin]` says where its certificates are ordered.
pub(crate) struct AdminWish {
    pub(crate) issuer: AdminIssuer,
    /// Those that it names, where it does.
    pub(crate) hosts: Option<Vec<String>>,
    pub(crate) place: Stand,
}

/// Who issues the admin API's certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AdminIssuer {
    /// The CA of the listeners, which know whom it may write to.
    CaOfListeners,
    /// A CA, which may write to this address.
    Ca(String),
    /// Plimsoll's own.
    Internal,
}

/// What the listeners have ordered.
pub(super) struct OfListeners {
    /// Of a CA.
    of_cas: BTreeSet<String>,
    /// Of Plimsoll's own.
    internal: BTreeSet<String>,
}

impl OfListeners {
    pub(super) fn new(
        listeners: &BTreeMap<ListenerName, Arc<Listener>>,
        internal: &BTreeSet<String>,
    ) -> Self {
        let all = listeners.values().filter_map(|it| it.ordered.as_ref()).flatten();
        let of_cas = all.filter(|host| !internal.contains(*host)).cloned().collect();
        Self { of_cas, internal: internal.clone() }
    }
}

/// Gives the admin API its hosts. These are those of them that Plimsoll's own CA issues certificates for.
pub(super) fn give(
    wishes: &Wishes,
    acme: &Acme,
    of: &OfListeners,
    admin: &mut Admin,
    faults: &Faults<'_>,
) -> BTreeSet<String> {
    let Some(wish) = &wishes.admin else { return BTreeSet::new() };
    let is_internal = wish.issuer == AdminIssuer::Internal;
    if !is_internal && !can_be_ordered(wish, wishes, acme, of, faults) {
        return BTreeSet::new();
    }
    let others = if is_internal { &of.internal } else { &of.of_cas };
    let named = wish.hosts.clone().unwrap_or_else(|| others.iter().cloned().collect());
    let mut hosts: BTreeSet<_> = named.iter().cloned().collect();
    let nameless = match is_internal {
        true => {
            hosts.insert(LOCALHOST.to_owned());
            let address = named.iter().find(|it| it.parse::<IpAddr>().is_ok());
            Some(address.cloned().unwrap_or_else(|| LOCALHOST.to_owned()))
        }
        // Whoever asks an address is told by it whom to ask.
        false => named.first().cloned(),
    };
    let own = hosts.difference(&of.of_cas).filter(|_| is_internal).cloned().collect();
    let hosts = hosts.into_iter().collect();
    admin.tls = Some(AdminTls::Ordered(AdminHosts { hosts, nameless }));
    own
}

/// Whether a CA can be asked for what `wish` wants.
fn can_be_ordered(
    wish: &AdminWish,
    wishes: &Wishes,
    acme: &Acme,
    of: &OfListeners,
    faults: &Faults<'_>,
) -> bool {
    if wish.issuer == AdminIssuer::CaOfListeners && wishes.of_cas.is_empty() {
        let flaw = Flaw::new(
            Code::Missing,
            "nothing says whom the CA may write to",
            "no listener has certificates ordered of a CA",
            "write the email here: `acme = \"ops@example.com\"`",
        );
        wish.place.report(faults, flaw, &[]);
        return false;
    }
    let Some(hosts) = &wish.hosts else {
        if of.of_cas.is_empty() && !faults.has_errors() {
            let flaw = Flaw::new(
                Code::Missing,
                "there is no host to order the admin API's certificate for",
                "no listener has one ordered of a CA",
                "name the host that the API is asked by: `hosts = [\"edge.example.com\"]`",
            );
            wish.place.report(faults, flaw, &[]);
        }
        return !of.of_cas.is_empty();
    };
    if acme.ca.is_none() {
        refuse_unissuable(&wish.place, hosts, faults);
    }
    let wildcard = hosts.iter().find(|it| it.starts_with("*."));
    if let Some(wildcard) = wildcard.filter(|_| acme.dns.is_none()) {
        refuse_wildcard(&wish.place, wildcard, faults);
    }
    true
}
