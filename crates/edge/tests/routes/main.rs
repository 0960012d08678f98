//! What routes change on the way, and whom of a request is believed: seen by instances and clients,
//! over both protocols.

mod abuse;
mod accounted;
mod api_key;
mod auth;
mod bans;
mod basic;
mod body;
mod canary;
mod certificate;
mod cors;
mod deny;
mod explained;
mod forward;
mod forwarding;
mod grpc;
mod held;
mod hmac;
mod introspect;
mod limit;
mod observed;
mod own;
mod replayed;
mod request_headers;
mod response_headers;
mod rewrite;
mod shares;
mod signature;
mod sticky;
mod told_beforehand;

use model::{HeaderEdits, Route};
use testkit::{Origin, Protocol, Reply, Request, Talk, TestEdge};

/// An edge over one origin that answers everything with 200.
pub(crate) struct Stage {
    pub(crate) origin: Origin,
    pub(crate) edge: TestEdge,
}

impl Stage {
    pub(crate) fn with(change: impl FnOnce(&mut testkit::edge::Wanted)) -> Self {
        let origin = Origin::polite("fine");
        let edge = TestEdge::with(&[origin.address()], change);
        Self { origin, edge }
    }

    /// One whose peer, which is this machine, is a trusted proxy.
    pub(crate) fn behind_a_proxy(change: impl FnOnce(&mut Route)) -> Self {
        Self::with(|wanted| {
            wanted.listener.trusted_proxies = networks(&["127.0.0.0/8", "10.0.0.0/8"]);
            change(&mut wanted.routes[0]);
        })
    }

    pub(crate) fn routed(change: impl FnOnce(&mut Route)) -> Self {
        Self::with(|wanted| change(&mut wanted.routes[0]))
    }

    pub(crate) fn ask(&self, protocol: Protocol, talk: Talk) -> Reply {
        talk.over(protocol, self.edge.address())
    }

    /// What the instance sees of a request.
    pub(crate) fn seen(&self, protocol: Protocol, talk: Talk) -> Request {
        assert_eq!(self.ask(protocol, talk).status, 200);
        self.origin.journal().pop().expect("it was asked")
    }
}

pub(crate) fn networks(texts: &[&str]) -> Vec<ipnet::IpNet> {
    texts.iter().map(|text| text.parse().expect("a network")).collect()
}

pub(crate) fn edits(set: &[(&str, &str)], remove: &[&str]) -> HeaderEdits {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    HeaderEdits {
        set: set.iter().map(owned).collect(),
        remove: remove.iter().map(|name| (*name).to_owned()).collect(),
    }
}

/// The cookies that a client keeps after `reply`, as it sends them.
pub(crate) fn jar(reply: &Reply) -> String {
    let pairs =
        reply.fields("set-cookie").into_iter().filter_map(|cookie| cookie.split(';').next());
    pairs.collect::<Vec<_>>().join("; ")
}
