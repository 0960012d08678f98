//! `ban_token` of a route: a logout, after which the token is worth nothing.

use std::ops::Range;

use model::{AuthName, BanToken};

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::schema::{Absent, Key, Shape};
use crate::section::Section;
use crate::tables::auth::NOBODY;

pub(crate) const KEY: Key = Key::new(
    "ban_token",
    Shape::Word(&["on_success"], &[]),
    Absent::Means("no token is banned by a request"),
    "\"on_success\"",
    "When the token that has proven who asks is banned, until it expires. `on_success`: when the instance responds with 2xx; for a route that logs out. \
     It needs `auth`. The ban holds on all edges that share a store, and over restarts.",
)
.needs(&["to"])
.aka(&["logout", "revoke", "revoke_token", "ban"]);

/// Reads it, of a route that asks by `auth`.
pub(crate) fn read(route: &Section<'_>, auth: &[AuthName]) -> BanToken {
    let Some(node) = route.node(KEY.name) else { return BanToken::Never };
    let word = node.word(|word| (word == "on_success").then_some(BanToken::OnSuccess));
    if auth.is_empty() {
        match route.node("auth") {
            None => refuse_without_auth(route, &[]),
            Some(node) if node.is_text() && node.text() == Some(NOBODY) => {
                // Where only this key is a default, that lifts it.
                refuse_without_auth(route, &[(node.span(), "here")]);
                return BanToken::Never;
            }
            // What is wrong with it was told.
            Some(_) => {}
        }
    }
    word.unwrap_or_default()
}

fn refuse_without_auth(route: &Section<'_>, related: &[(Range<usize>, &str)]) {
    let flaw = Flaw::new(
        Code::Conflict,
        "`ban_token` has no token to ban",
        "this route asks nobody who it is",
        "say how one proves who one is, as in `auth = \"users\"`, or take `ban_token` out",
    );
    route.report_at(KEY.name, flaw, related);
}
