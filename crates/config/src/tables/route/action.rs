//! What happens to a route's requests: exactly one thing.

use model::Action;

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::read::Context;
use crate::section::Section;

use super::{redirect, respond, to};

/// The keys that say what happens.
const ACTIONS: [&str; 3] = ["to", "redirect", "respond"];

/// Reads what happens to the requests of a route: exactly one thing.
pub(crate) fn read(section: &Section<'_>, context: &mut Context<'_>) -> Option<Action> {
    check_number(section);
    let to = section.node("to").map(|node| to::read(&node, context));
    let redirect = section.node("redirect").map(|node| redirect::read(&node, section));
    let respond = section.node("respond").map(|node| respond::read(&node));
    match (to, redirect, respond) {
        (Some(to), ..) => to.map(Action::Forward),
        (_, Some(redirect), _) => redirect.map(Action::Redirect),
        (.., respond) => respond.flatten().map(Action::Respond),
    }
}

fn check_number(section: &Section<'_>) {
    let mut there = ACTIONS.into_iter().filter(|key| section.has(key));
    let Some(first) = there.next() else {
        let is_meant = ACTIONS.iter().any(|key| section.is_meant(key));
        if !section.has_later() && !is_meant {
            section.report(Flaw::new(
                Code::Missing,
                "the route does not say what happens",
                "none of `to`, `redirect` and `respond` is there",
                "add `to = \"SERVICE\"`",
            ));
        }
        return;
    };
    let span = section.entry_span(first).unwrap_or_else(|| section.span());
    for second in there {
        let flaw = Flaw::new(
            Code::Conflict,
            format!("`{first}` and `{second}` exclude each other"),
            "only one thing can happen to a request",
            "remove one of them, or make two routes",
        );
        section.report_at(second, flaw, &[(span.clone(), "this happens already")]);
    }
}
