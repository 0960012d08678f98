//! What an instance sees of a request: the head that is sent to it.

use std::borrow::Cow;

use model::Policies;
use wire::h1::Framing;
use wire::head::RequestHead;
use wire::name::{Name, Names};

use crate::fields::FieldSink;
use crate::hops::named::Named;
use crate::hops::{self, Pseudonym};
use crate::peer::{Approach, Peer, Sender};
use crate::policy::headers::{is_edited, write_edits};
use crate::policy::rewrite::Rewriting;
use crate::policy::{Phase, Routed};
use crate::snapshot::ListenerPlan;
use crate::upstream::entrance::Entrance;
use crate::upstream::forwarded;
use crate::upstream::held::RequestBody;
use crate::upstream::own_lines::OwnLines;

/// A request on its way to an instance.
pub(crate) struct Outbound<'a> {
    pub(crate) head: &'a RequestHead,
    /// How its target and host are changed.
    pub(crate) rewriting: Rewriting<'a>,
    pub(crate) framing: Framing,
    pub(crate) expectation: Expectation,
    pub(crate) peer: &'a Peer,
    /// What was said of the connection's requests before.
    pub(crate) own_lines: &'a OwnLines,
    pub(crate) listener: &'a ListenerPlan,
    pub(crate) sender: Sender,
    pub(crate) request_id: &'a [u8],
    pub(crate) policies: &'a Policies,
    /// What of them speaks in responses.
    pub(crate) phase: Option<Phase<'a>>,
    /// The protocol that the client asks to change to.
    pub(crate) upgrade: Option<Cow<'a, [u8]>>,
    /// What we call ourselves.
    pub(crate) via: &'a Pseudonym,
}

/// Whether the client waits to be told that it may send its body, which the instance decides then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expectation {
    None,
    Continue,
}

impl Expectation {
    /// That of the request with `head` and `body`. Whom we asked for its body waits no longer.
    pub(crate) fn of(head: &RequestHead, body: &RequestBody) -> Self {
        let waits = head.expects_continue() && !body.framing.is_empty() && body.held.is_none();
        if waits { Self::Continue } else { Self::None }
    }
}

/// What is known of a request beside its head.
pub(crate) struct Known<'a> {
    pub(crate) rewriting: Rewriting<'a>,
    pub(crate) sender: Sender,
    pub(crate) request_id: &'a [u8],
    pub(crate) expectation: Expectation,
}

impl<'a> Outbound<'a> {
    /// The request with `head`, as its route changes it.
    #[inline]
    pub(crate) fn new(
        entrance: Entrance<'a>,
        head: &'a RequestHead,
        framing: Framing,
        routed: Routed<'a>,
        known: Known<'a>,
    ) -> Self {
        let Entrance { worker, listener, peer, own_lines, .. } = entrance;
        Self {
            head,
            rewriting: known.rewriting,
            framing,
            expectation: known.expectation,
            peer,
            own_lines,
            listener,
            sender: known.sender,
            request_id: known.request_id,
            policies: &routed.route.policies,
            phase: routed.phase,
            upgrade: hops::upgrade_of(head),
            via: &worker.shared.pseudonym,
        }
    }
}

impl Outbound<'_> {
    /// Writes the fields other than `Host` and those that frame the body.
    pub(crate) fn write_fields(&self, out: &mut impl FieldSink) {
        let edits = &self.policies.request_headers;
        let phase = self.phase;
        // There where more decides than what names mean.
        let hiding = phase.filter(Phase::hides_any);
        let has_say = !edits.is_empty() || hiding.is_some();
        let named = (has_say || self.head.fields.has(Name::Connection))
            .then(|| Named::by_connection(&self.head.fields));
        let is_trusted = self.sender.is_trusted;
        let forwards = hops::max_forwards(self.head);
        out.put_kept(&self.head.fields, |name, text| {
            let is_kept = match name {
                Name::Claim => is_trusted,
                Name::Trailer => self.framing == Framing::Chunked,
                Name::MaxForwards => forwards.is_none(),
                _ => !NEVER_KEPT.has(name),
            };
            is_kept
                && named.as_ref().is_none_or(|named| {
                    !is_edited(edits, text)
                        && !named.has(text)
                        && !hiding.is_some_and(|phase| phase.hides(text))
                })
        });
        if let Some(phase) = phase {
            phase.tell(out, edits);
        }
        write_edits(edits, out);
        if let Some(forwards) = forwards
            && !is_edited(edits, b"max-forwards")
        {
            let left = forwards.saturating_sub(1);
            out.put(b"Max-Forwards", itoa::Buffer::new().format(left).as_bytes());
        }
        match out.as_text() {
            Some(text) if self.has_plain_way() => self.own_lines.write(self, text),
            _ => self.write_way(out),
        }
        if !is_edited(edits, b"x-request-id") {
            out.put_unique(b"X-Request-Id", self.request_id);
        }
    }

    /// Writes what Plimsoll says of the request's way to here.
    pub(crate) fn write_way(&self, out: &mut impl FieldSink) {
        if !is_edited(&self.policies.request_headers, b"via") {
            self.via.write(self.head.version(), out);
        }
        forwarded::write(self, out);
    }

    /// Whether that depends on the peer, the authority and the version alone.
    fn has_plain_way(&self) -> bool {
        let Policies { request_headers, rewrite, .. } = self.policies;
        !self.sender.is_trusted
            && request_headers.set.is_empty()
            && request_headers.remove.is_empty()
            && rewrite.strip_prefix.is_none()
    }

    /// How the request has come.
    pub(crate) fn approach(&self) -> Approach<'_> {
        Approach {
            peer: self.peer,
            sender: self.sender,
            fields: &self.head.fields,
            trusted_proxies: &self.listener.listener.trusted_proxies,
        }
    }

    /// Whether the head must say that there is no body (RFC 9110 §8.6): where the method leads to
    /// expect one, and where the client said so.
    pub(crate) fn says_empty(&self) -> bool {
        let expects_one = || matches!(self.head.method_text(), b"POST" | b"PUT" | b"PATCH");
        self.framing.is_empty() && (self.head.fields.has(Name::ContentLength) || expects_one())
    }
}

/// What Plimsoll alone says, or has its place elsewhere, and what speaks of the connection.
const NEVER_KEPT: Names = Names::HOP_BY_HOP.and(Names::of(&[
    Name::Shadow,
    Name::Host,
    Name::ContentLength,
    Name::Expect,
    Name::Forwarded,
    Name::XForwardedFor,
    Name::XForwardedHost,
    Name::XForwardedPort,
    Name::XForwardedPrefix,
    Name::XForwardedProto,
    Name::XRealIp,
    Name::XRequestId,
]));
