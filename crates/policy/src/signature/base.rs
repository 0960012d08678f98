//! The bytes that are signed (RFC 9421 section 2.5).

use model::Scheme;

use super::component::{Component, Kind, identifier};
use super::{Input, Message, Refusal, field, query};

/// What `input` signs of `message`.
///
/// # Errors
/// [`Refusal::Component`] when it covers something that the message does not have, or that cannot be written in one way only.
pub fn base(message: &Message<'_>, input: &Input) -> Result<Vec<u8>, Refusal> {
    let mut out = Vec::with_capacity(512);
    for (component, item) in input.components.iter().zip(&input.list.items) {
        out.extend(identifier(item).into_bytes());
        out.extend_from_slice(b": ");
        write(message, component, &mut out)?;
        out.push(b'\n');
    }
    out.extend_from_slice(b"\"@signature-params\": ");
    out.extend_from_slice(input.parameters.as_bytes());
    Ok(out)
}

fn write(message: &Message<'_>, component: &Component, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let start = out.len();
    match &component.0 {
        Kind::Field(name, form) => return field::write(message, name, form, out),
        Kind::Method => out.extend_from_slice(message.method),
        Kind::Scheme => out.extend_from_slice(message.scheme.as_str().as_bytes()),
        Kind::Authority => write_authority(message, out),
        Kind::Path => out.extend_from_slice(message.path()),
        Kind::Query => {
            out.push(b'?');
            out.extend_from_slice(message.query.unwrap_or_default());
        }
        Kind::QueryParam(name) => {
            query::write_parameter(message.query.unwrap_or_default(), name, out)?;
        }
        Kind::RequestTarget => write_target(message, out),
        Kind::TargetUri => {
            out.extend_from_slice(message.scheme.as_str().as_bytes());
            out.extend_from_slice(b"://");
            write_authority(message, out);
            // RFC 9110 section 7.1: the target URI of an `OPTIONS *` has no path.
            if message.path != b"*" {
                write_target(message, out);
            }
        }
    }
    // Section 2.2: printable, and no blanks around it.
    let value = &out[start..];
    let is_plain = value.iter().all(|byte| matches!(byte, b' '..=b'~'));
    if is_plain && value.trim_ascii() == value { Ok(()) } else { Err(Refusal::Component) }
}

fn write_target(message: &Message<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(message.path());
    if let Some(query) = message.query {
        out.push(b'?');
        out.extend_from_slice(query);
    }
}

/// What an authority need not say.
const fn usual_port(scheme: Scheme) -> &'static [u8] {
    match scheme {
        Scheme::Http => b"80",
        Scheme::Https => b"443",
    }
}

/// In lower case, and without the port that the scheme has anyway (RFC 9110 section 4.2.3).
fn write_authority(message: &Message<'_>, out: &mut Vec<u8>) {
    let authority = message.authority;
    let port =
        authority.iter().rposition(|byte| *byte == b':').map(|at| (at, &authority[at + 1..]));
    let host = match port {
        // An address in brackets has colons of its own; an empty port is the default one.
        Some((at, port)) if port.is_empty() || port == usual_port(message.scheme) => {
            &authority[..at]
        }
        _ => authority,
    };
    out.extend(host.iter().map(u8::to_ascii_lowercase));
}
