//! The one writer of response heads: an instance's, a redirect's, a route's own, and what Plimsoll
//! says where a request failed, all pass through [`begin`]. So what holds for every response is said
//! in one place ([`Applied`]), and nothing that is added to it can be forgotten for some of them.
//!
//! Decides nothing and waits for nothing. What stands in a body is not known here; how the head is
//! framed is the client's own to write.

pub(crate) mod respond;

use model::HeaderEdits;
use wire::body::Error;
use wire::h1::Framing;
use wire::h1::framing::{is_bodiless, response_length};
use wire::head::{Fields, Method, ResponseHead};
use wire::name::{Name, Names};

use crate::choice::sticky::Affinity;
use crate::client::{Client, StatusLine};
use crate::date::HttpDate;
use crate::fields::FieldSink;
use crate::hops::Pseudonym;
use crate::hops::named::Named;
use crate::policy::headers::{is_edited, write_edits};
use crate::policy::mapping::Mapping;
use crate::policy::{self, Phase};
use crate::response::respond::Own;

/// Whose head a response has.
#[derive(Clone, Copy)]
pub(crate) enum Head<'a> {
    /// An instance's.
    Instance(&'a Passed<'a>),
    /// An instance's that changes the protocol.
    Switch(&'a Passed<'a>),
    /// Our own.
    Own(&'a Own<'a>),
}

/// An instance's head on its way to the client.
pub(crate) struct Passed<'a> {
    pub(crate) head: &'a ResponseHead,
    /// The request's method.
    pub(crate) method: Method,
    /// What we call ourselves.
    pub(crate) via: &'a Pseudonym,
    /// What it says of places is mapped back, where the request was rewritten.
    pub(crate) mapping: Option<Mapping<'a>>,
}

/// What is done to every response of an exchange, of an instance or our own: the response phase of the route's
/// policies, and what Plimsoll adds by itself.
pub(crate) struct Applied<'a> {
    pub(crate) request_id: &'a [u8],
    /// Now, for a response that has no date of its own.
    pub(crate) date: HttpDate,
    pub(crate) edits: &'a HeaderEdits,
    /// The response phase of the route's other policies, where it has any.
    pub(crate) phase: Option<Phase<'a>>,
    /// Cookies that keep the client where it is, once it has come to an instance.
    pub(crate) stay: Option<&'a Affinity<'a>>,
}

/// Where no route is known, nothing is edited.
pub(crate) static NO_EDITS: HeaderEdits = HeaderEdits { set: Vec::new(), remove: Vec::new() };

/// Passes a head of 1xx on. It comes before the response: what a route sets is for the final head,
/// what it removes is gone from both.
pub(crate) fn inform<C: Client>(
    client: &mut C,
    head: &ResponseHead,
    edits: &HeaderEdits,
) -> Result<(), Error> {
    client.inform(line_of(head), |out| {
        let named = Named::by_connection(&head.fields);
        out.put_kept(&head.fields, |name, text| {
            name != Name::ContentLength
                && !is_dropped(name, text, &named)
                && !is_edited(edits, text)
        });
    })
}

/// Begins the response. `framing` is how its body comes to us.
pub(crate) fn begin<C: Client>(
    client: &mut C,
    head: Head<'_>,
    framing: Framing,
    applied: &Applied<'_>,
) -> Result<(), Error> {
    let framing = head.framing(framing);
    let has_trailers = client.carries_trailers(framing);
    let write = |out: &mut C::Fields| {
        let is_dated = match head {
            Head::Instance(passed) => {
                let length = told_length(passed, framing);
                applied.write_kept(passed, Kept { length, has_trailers }, out)
            }
            Head::Switch(passed) => applied.write_kept(passed, Kept::default(), out),
            Head::Own(own) => own.write_fields(applied.edits, out),
        };
        if let Some(phase) = applied.phase {
            policy::response(phase, head.instance(), out);
        }
        applied.write_added(
            if is_dated || matches!(head, Head::Switch(_)) { Date::Settled } else { Date::Missing },
            out,
        );
    };
    match head {
        Head::Instance(passed) => client.begin(line_of(passed.head), framing, write),
        Head::Own(own) => client.begin(StatusLine::standard(own.status), framing, write),
        Head::Switch(passed) => {
            let protocol = passed.head.fields.get(Name::Upgrade).unwrap_or_default();
            client.switch(line_of(passed.head), protocol, write)
        }
    }
}

impl Head<'_> {
    /// The fields of an instance's.
    fn instance(&self) -> Option<&Fields> {
        match self {
            Head::Instance(passed) | Head::Switch(passed) => Some(&passed.head.fields),
            Head::Own(_) => None,
        }
    }

    /// An HTTP/2 response that announces its length need not be chunked for an HTTP/1 client.
    fn framing(self, framing: Framing) -> Framing {
        match (self, framing) {
            (Head::Instance(passed), Framing::Chunked)
                if !passed.head.fields.has(Name::TransferEncoding) =>
            {
                match wire::h2::head::content_length(&passed.head.fields) {
                    Some(length) => Framing::Length(length),
                    None => Framing::Chunked,
                }
            }
            _ => framing,
        }
    }
}

/// What is kept of an instance's head beside what always is.
#[derive(Clone, Copy, Default)]
struct Kept {
    /// How long the body would be that does not follow.
    length: Option<u64>,
    /// Which fields will follow the body.
    has_trailers: bool,
}

/// What is dropped of an instance's head in any case: its length is written anew, there is one id, and it is in
/// the log. Of what speaks of the connection, `Trailer` may be kept.
const DROPPED: Names = Names::HOP_BY_HOP.and(Names::of(&[Name::ContentLength, Name::XRequestId]));

/// Whether a response is to be given a date.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Date {
    /// It has one, or needs none.
    Settled,
    Missing,
}

impl Applied<'_> {
    /// Writes what is kept of an instance's head. Says whether it has a date.
    #[inline]
    fn write_kept(&self, passed: &Passed<'_>, kept: Kept, out: &mut impl FieldSink) -> bool {
        let Passed { head, mapping, .. } = passed;
        let may_stay = |name| !DROPPED.has(name) || (name == Name::Trailer && kept.has_trailers);
        let has_say = self.phase.is_some_and(|it| it.may_replace()) || !self.edits.is_empty();
        let is_dated = if has_say || mapping.is_some() || head.fields.has(Name::Connection) {
            let named = Named::by_connection(&head.fields);
            let mut is_dated = false;
            out.put_kept(&head.fields, |name, text| {
                let gives_way = (mapping.is_some() && Mapping::writes(text))
                    || (has_say && self.replaces(text));
                let is_kept = may_stay(name) && !named.has(text) && !gives_way;
                is_dated |= is_kept && name == Name::Date;
                is_kept
            });
            is_dated
        } else {
            // Nothing decides but what names mean.
            out.put_kept(&head.fields, |name, _| may_stay(name));
            head.fields.has(Name::Date)
        };
        if let Some(length) = kept.length {
            out.put(b"Content-Length", itoa::Buffer::new().format(length).as_bytes());
        }
        if let Some(mapping) = mapping {
            mapping.write(&head.fields, self.edits, out);
        }
        if !is_edited(self.edits, b"via") {
            passed.via.write(head.version(), out);
        }
        is_dated
    }

    /// Whether an instance's field of this name gives way to what the route says.
    fn replaces(&self, name: &[u8]) -> bool {
        is_edited(self.edits, name) || self.phase.is_some_and(|phase| phase.replaces(name))
    }

    /// Writes what the route sets, and what Plimsoll adds where the route has no say in it.
    #[inline]
    fn write_added(&self, date: Date, out: &mut impl FieldSink) {
        write_edits(self.edits, out);
        if date == Date::Missing && !is_edited(self.edits, b"date") {
            out.put(b"Date", self.date.as_bytes());
        }
        if !is_edited(self.edits, b"x-request-id") {
            out.put_unique(b"X-Request-Id", self.request_id);
        }
        if let Some(stay) = self.stay
            && !is_edited(self.edits, b"set-cookie")
        {
            stay.write_cookies(out);
        }
    }
}

/// What a response without a body tells of how long one would be.
fn told_length(passed: &Passed<'_>, framing: Framing) -> Option<u64> {
    let Passed { head, method, .. } = *passed;
    let is_bodiless_for_good = is_bodiless(head.status()) && head.status() != 304;
    let tells = framing == Framing::None
        && !is_bodiless_for_good
        && (method == Method::Head || head.status() == 304)
        && !head.fields.has(Name::TransferEncoding);
    if !tells {
        return None;
    }
    response_length(&head.fields).ok().flatten()
}

fn line_of(head: &ResponseHead) -> StatusLine<'_> {
    StatusLine { status: head.status(), reason: head.reason() }
}

fn is_dropped(name: Name, text: &[u8], named: &Named<'_>) -> bool {
    name.is_hop_by_hop() || named.has(text)
}
