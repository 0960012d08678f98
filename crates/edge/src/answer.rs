//! What the client sees of an instance's answer.

use wire::body::Error;
use wire::h1::Framing;
use wire::h1::framing::{is_bodiless, response_length};
use wire::head::{Method, ResponseHead};
use wire::name::Name;

use crate::client::{Client, StatusLine};
use crate::fields::FieldSink;
use crate::forward::{Named, Outbound, is_edited, is_named, named_by_connection, write_edits};
use crate::mapping::Mapping;
use crate::sticky::Stay;

/// Passes a head of 1xx on.
pub(crate) fn inform<C: Client>(client: &mut C, head: &ResponseHead) -> Result<(), Error> {
    client.inform(line(head), |out| write_plain(head, out))
}

/// Begins the answer that `head` announces.
pub(crate) fn begin<C: Client>(
    client: &mut C,
    head: &ResponseHead,
    method: Method,
    framing: Framing,
    request: &Outbound<'_>,
    mapping: Option<&Mapping<'_>>,
    stay: &Stay<'_>,
) -> Result<(), Error> {
    let edits = &request.policies.response_headers;
    // An answer without a body may still tell how long one would be.
    let tells_length = framing == Framing::None
        && !is_bodiless_for_good(head.status())
        && (method == Method::Head || head.status() == 304)
        && !head.fields.has(Name::TransferEncoding);
    let told = response_length(&head.fields).ok().flatten().filter(|_| tells_length);
    let framing = with_length(framing, head);
    client.begin(line(head), framing, |out| {
        let named = named_by_connection(&head.fields);
        out.put_kept(&head.fields, |name, text| match name {
            Name::ContentLength => false,
            _ if mapping.is_some() && Mapping::writes(text) => false,
            _ => !is_dropped(name, text, &named) && !is_edited(edits, text),
        });
        if let Some(length) = told {
            out.put(b"Content-Length", itoa::Buffer::new().format(length).as_bytes());
        }
        if let Some(mapping) = mapping {
            mapping.write(&head.fields, request, out);
        }
        write_edits(edits, out);
        write_via(head, request, out);
        stay.write_cookies(out);
    })
}

/// Switches the client's connection to the protocol that the instance agreed to.
pub(crate) fn switch<C: Client>(
    client: &mut C,
    head: &ResponseHead,
    request: &Outbound<'_>,
) -> Result<(), Error> {
    let edits = &request.policies.response_headers;
    let protocol = head.fields.get(Name::Upgrade).unwrap_or_default();
    client.switch(line(head), protocol, |out| {
        let named = named_by_connection(&head.fields);
        out.put_kept(&head.fields, |name, text| {
            let framed = name == Name::ContentLength;
            !framed && !is_dropped(name, text, &named) && !is_edited(edits, text)
        });
        write_edits(edits, out);
        write_via(head, request, out);
    })
}

fn write_via(head: &ResponseHead, request: &Outbound<'_>, out: &mut impl FieldSink) {
    if !is_edited(&request.policies.response_headers, b"via") {
        request.via.write(head.version(), out);
    }
}

fn line(head: &ResponseHead) -> StatusLine<'_> {
    StatusLine { status: head.status(), reason: head.reason() }
}

fn write_plain(head: &ResponseHead, out: &mut impl FieldSink) {
    let named = named_by_connection(&head.fields);
    out.put_kept(&head.fields, |name, text| {
        name != Name::ContentLength && !is_dropped(name, text, &named)
    });
}

fn is_dropped(name: Name, text: &[u8], named: &Named<'_>) -> bool {
    name.is_hop_by_hop() || is_named(named, text)
}

fn is_bodiless_for_good(status: u16) -> bool {
    is_bodiless(status) && status != 304
}

/// An HTTP/2 answer that announces its length need not be chunked for an HTTP/1 client.
fn with_length(framing: Framing, head: &ResponseHead) -> Framing {
    match framing {
        Framing::Chunked if !head.fields.has(Name::TransferEncoding) => {
            match wire::h2::head::content_length(&head.fields) {
                Some(length) => Framing::Length(length),
                None => Framing::Chunked,
            }
        }
        framing => framing,
    }
}
