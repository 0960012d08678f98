//! `require` of a route: what the claims of who asks must be.

use std::ops::Range;

use model::{AuthName, ClaimPath, Requirement, ValueMatch};

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::node::Node;
use crate::read::{Context, distinct};
use crate::schema::{Absent, Empty, Format, Key, Shape};
use crate::section::{Names, Section};
use crate::tables::auth::{NOBODY, claim};
use crate::value::{expression, shown};

const VALUE: Format = Format { noun: "a value, or an expression behind `~`", pattern: None };

pub(crate) const KEY: Key = Key::new(
    "require",
    Shape::Names {
        names: "CLAIM",
        of: &Shape::Either(&[
            Shape::Text(&VALUE),
            Shape::List { of: &Shape::Text(&VALUE), empty: Empty::Refused },
        ]),
    },
    Absent::Means("nothing of who asks"),
    "{ roles = [\"ADMIN\"], \"realm_access.roles\" = \"~^shop-\" }",
    "What the claims of who asks must be, all of this: each claim one of the values, or a list that has one of them; a `scope` with spaces in it \
     is a list. Others get 403, and are not told why. Only with `auth`.",
)
.aka(&["requires", "roles", "claims", "scopes", "authorize"]);

/// Reads it, sorted by claim.
pub(crate) fn read(
    route: &Section<'_>,
    auth: &[AuthName],
    context: &Context<'_>,
) -> Vec<Requirement> {
    let node = route.node(KEY.name);
    let names = node.as_ref().and_then(Node::names);
    let mut found = Vec::new();
    for entry in names.iter().flat_map(Names::iter) {
        let claim = entry.parse(claim::parse);
        let knows = |claim: &ClaimPath| {
            let known = |auth: &AuthName| context.known_claims.get(auth);
            auth.is_empty() || auth.iter().any(|it| known(it).is_none_or(|of| claim.is_one_of(of)))
        };
        if claim.as_ref().is_some_and(|claim| !knows(claim)) {
            entry.report(Flaw::new(
                Code::Conflict,
                format!("nobody who may ask has the claim `{}`", shown(entry.text)),
                "API keys, passwords and `forward` have no claim but `sub`, the name, and certificates few: everybody would be refused",
                "require `sub`, or ask for tokens",
            ));
        }
        let read = |item: &Node<'_>| item.parse(expression::parse_value);
        let one_of = distinct(entry.node.one_or_many(), "value", read, ValueMatch::to_string);
        if let Some(claim) = claim
            && !one_of.is_empty()
        {
            found.push(Requirement { claim, one_of });
        }
    }
    found.sort_by(|a, b| a.claim.cmp(&b.claim));
    if auth.is_empty() && route.has(KEY.name) {
        match route.node("auth") {
            None => refuse_without_auth(route, "nobody need prove who it is", &[]),
            Some(node) if node.is_text() && node.text() == Some(NOBODY) => {
                // Where only the demand is a default, this lifts it.
                let lifted = [(node.span(), "here")];
                refuse_without_auth(route, "`auth = \"none\"` lets everybody in", &lifted);
                found.clear();
            }
            // What is wrong with it was told.
            Some(_) => {}
        }
    }
    found
}

/// A demand that nobody can be held to would let everybody in, or nobody: neither can be meant.
fn refuse_without_auth(route: &Section<'_>, why: &str, related: &[(Range<usize>, &str)]) {
    let flaw = Flaw::new(
        Code::Conflict,
        "`require` asks for claims, and nobody has any",
        why,
        "say how one proves who one is, as in `auth = \"users\"`, or take `require` out",
    );
    route.report_at(KEY.name, flaw, related);
}
