//! `redirect_https` of a listener.

use std::collections::BTreeSet;
use std::num::NonZeroU16;

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::schema::{Absent, Key, Shape};
use crate::section::Section;

pub(crate) const KEY: Key = Key::new(
    "redirect_https",
    Shape::Either(&[Shape::Flag, Shape::Count(1..=65_535)]),
    Absent::Flag(false),
    "true",
    "Redirect every request to `https` on the same host: with `true` to the port of the file's \
     TLS listener (443 where there are several and one has it), or to this port, as where a \
     container's port is mapped to another. Only for clear text. What a trusted proxy says came by \
     `https` is served.",
)
.aka(&["https_redirect", "force_https", "force_ssl", "ssl_redirect"]);

/// The port of `https` where no other is named.
const HTTPS: NonZeroU16 = NonZeroU16::new(443).expect("it is not zero");

/// Whether clients that are redirected to `https` find it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Https {
    /// A listener speaks it, or the file says the port.
    Served,
    Unknown,
}

/// Where requests are redirected to `https`. `ports` are those of the file's TLS listeners.
pub(crate) fn read(
    section: &Section<'_>,
    https: Https,
    ports: &BTreeSet<u16>,
) -> Option<NonZeroU16> {
    let node = section.node("redirect_https")?;
    if !node.is_flag() {
        let port = node.count().and_then(|port| NonZeroU16::new(u16::try_from(port).ok()?));
        if port.is_some() {
            check_redirect(section, Https::Served);
        }
        return port;
    }
    if !node.flag()? {
        return None;
    }
    check_redirect(section, https);
    let mut known = ports.iter().copied().filter_map(NonZeroU16::new);
    match (known.next(), known.next()) {
        (Some(port), None) => Some(port),
        (Some(_), Some(_)) if !ports.contains(&HTTPS.get()) => {
            section.report_at(
                "redirect_https",
                Flaw::new(
                    Code::Conflict,
                    "the port of `https` is not clear",
                    "TLS is spoken at several ports, and none of them is 443",
                    "write the port, such as `redirect_https = 8443`",
                ),
                &[],
            );
            None
        }
        _ => Some(HTTPS),
    }
}

/// A redirect to `https` needs clear text here and TLS elsewhere.
fn check_redirect(section: &Section<'_>, https: Https) {
    if let Some(tls) = section.entry_span("tls") {
        let flaw = Flaw::new(
            Code::Conflict,
            "a TLS listener cannot redirect to `https`",
            "what arrives here is `https` already",
            "move `redirect_https` to a listener on port 80 without `tls`",
        );
        section.report_at("redirect_https", flaw, &[(tls, "TLS is spoken here")]);
    } else if https == Https::Unknown {
        let flaw = Flaw::new(
            Code::NoEffect,
            "clients are redirected to `https`, but no listener speaks TLS",
            "nothing listens there, unless another program does",
            "add a listener with `tls`, or write the other program's port: `redirect_https = 443`",
        );
        section.report_at("redirect_https", flaw, &[]);
    }
}
