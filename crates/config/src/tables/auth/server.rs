//! What `forward` and `introspect` have in common: a server that is asked while requests wait.

use std::time::Duration;

use model::AuthServer;

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::read::{Context, asked};
use crate::schema::{Absent, Key, Shape};
use crate::section::Section;

/// How long one question may take.
pub(super) const TIMEOUT: Key = Key::new(
    "timeout",
    Shape::Duration(Duration::from_millis(100)..=Duration::from_secs(30)),
    Absent::Text("5s"),
    "\"2s\"",
    "How long it may take until the whole response is there, with all waiting for a connection. Then the client gets 503.",
)
.aka(&["timeouts", "response_timeout", "deadline"]);

/// Where it is, at `key`.
pub(super) fn read(
    section: &Section<'_>,
    key: &'static str,
    context: &Context<'_>,
) -> Option<AuthServer> {
    let required = section.require(key).is_some();
    let url = asked::url(section, key);
    let ca = asked::ca(section, context.origin);
    let timeout = section.duration(TIMEOUT.name);
    let url = url.filter(|_| required)?;
    let secrets =
        "credentials go there as they are, and a server that takes its place lets anybody in";
    asked::warn_of_plain_text(section, key, &url, secrets);
    if url.scheme == model::Scheme::Http && ca.is_some() {
        let why = "a server that is asked over http:// shows no certificate";
        let flaw = Flaw::new(
            Code::Conflict,
            "`ca` has no effect here",
            why,
            "take it out, or write https://",
        );
        section.report_at(asked::CA.name, flaw, &[]);
    }
    Some(AuthServer { url, ca, timeout })
}
