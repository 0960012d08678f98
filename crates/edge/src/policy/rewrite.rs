//! `rewrite`: the target and the host that an instance sees in place of the client's. The way back, of what it
//! then says of places, is [`mapping`](super::mapping)'s.

use std::borrow::Cow;
use std::net::SocketAddr;

use model::Rewrite;
use telemetry::Ending;
use wire::head::RequestHead;
use wire::target::{TARGET_BYTES_MAX, escape_for_h2};

use crate::policy::auth::caller::Caller;
use crate::policy::auth::credential::write_query_without;
use crate::routing;

/// How one request is rewritten.
pub(crate) struct Rewriting<'a> {
    rewrite: &'a Rewrite,
    head: &'a RequestHead,
    /// How much of the path is taken away.
    cut: usize,
    /// Who asks, where that was proven: instances may not be meant to see by what.
    caller: Option<&'a Caller>,
}

impl<'a> Rewriting<'a> {
    /// That of the request with `head`.
    ///
    /// # Errors
    /// [`Ending::BadRequest`] where a server could read what is left without the prefix otherwise than the
    /// whole was read.
    pub(crate) fn new(
        rewrite: &'a Rewrite,
        head: &'a RequestHead,
        caller: Option<&'a Caller>,
    ) -> Result<Self, Ending> {
        let cut = match &rewrite.strip_prefix {
            Some(prefix) => {
                let added = added(rewrite);
                routing::cut(head.path(), prefix, added).map_err(|_| Ending::BadRequest)?
            }
            None => 0,
        };
        let caller = caller.filter(|it| it.hidden_parameters().next().is_some());
        Ok(Self { rewrite, head, cut, caller })
    }

    /// What is rewritten.
    pub(super) fn rewrite(&self) -> &'a Rewrite {
        self.rewrite
    }

    /// The host that the client named.
    pub(super) fn authority(&self) -> &'a [u8] {
        self.head.authority()
    }

    /// The host that the instance at `instance` sees: its own address where the client named none,
    /// for an `http` URI has a host (RFC 9110 §4.2.1).
    pub(crate) fn host(&self, instance: SocketAddr) -> Cow<'a, [u8]> {
        match (&self.rewrite.host, self.head.authority()) {
            (Some(host), _) => host.as_bytes().into(),
            (None, []) => instance.to_string().into_bytes().into(),
            (None, authority) => authority.into(),
        }
    }

    /// Writes the target that the instance sees: as the client sent it, but for what stands for the
    /// prefix that is taken away or replaced.
    pub(crate) fn write_target(&self, out: &mut Vec<u8>) {
        let added = added(self.rewrite);
        let is_whole = self.cut == 0 && added.is_empty() && self.caller.is_none();
        if is_whole || self.head.path() == b"*" {
            out.extend_from_slice(self.head.target());
            return;
        }
        let start = out.len();
        out.extend_from_slice(added.as_bytes());
        out.extend_from_slice(&self.head.path()[self.cut..]);
        if out.len() == start {
            out.push(b'/');
        }
        let Some(query) = self.head.query() else { return };
        let before = out.len();
        out.push(b'?');
        match self.caller {
            None => out.extend_from_slice(query),
            Some(caller) => {
                let hidden: Vec<&str> = caller.hidden_parameters().collect();
                if !write_query_without(query, &hidden, out) {
                    out.truncate(before);
                }
            }
        }
    }

    /// Whether HTTP/2 can carry the target; asks so only of long ones, which each byte may make three
    /// times as long.
    pub(crate) fn fits_h2(&self) -> bool {
        let added = self.rewrite.add_prefix.as_ref().map_or(0, String::len);
        if self.head.target().len() + added <= TARGET_BYTES_MAX / 3 {
            return true;
        }
        let (mut plain, mut target) = (Vec::new(), Vec::new());
        self.write_target(&mut plain);
        escape_for_h2(&plain, &mut target);
        target.len() <= TARGET_BYTES_MAX
    }
}

/// What is written before what is left of the path.
fn added(rewrite: &Rewrite) -> &str {
    rewrite.add_prefix.as_deref().unwrap_or_default().trim_end_matches('/')
}
