//! `abuse` of a route: the rules that count its refusals.

use std::cell::RefCell;
use std::sync::Arc;

use model::{Abuse, AbuseKey, AbuseName, AuthName};

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::node::Node;
use crate::read::{Context, distinct};
use crate::schema::{Absent, Empty, Format, Key, Shape};
use crate::section::Section;
use crate::tables::abuse::NO_RULE;
use crate::value::shown;

const NAME: Format =
    Format { noun: "a rule's name, or \"none\"", pattern: Some("^[A-Za-z0-9_-]+$") };

pub(crate) const KEY: Key = Key::new(
    "abuse",
    Shape::Either(&[
        Shape::Text(&NAME),
        Shape::List { of: &Shape::Text(&NAME), empty: Empty::Refused },
    ]),
    Absent::Means("nobody is banned for what is refused"),
    "\"guessing\"",
    "The rule of abuse that counts the route's refusals, or several, each of which counts for itself. `none` where `[policies]` says otherwise for \
     others.",
)
.aka(&["abuses", "fail2ban", "jail", "ban_on"]);

/// Reads it.
pub(crate) fn read(
    route: &Section<'_>,
    auth: &[AuthName],
    context: &mut Context<'_>,
) -> Vec<Arc<Abuse>> {
    let Some(node) = route.node(KEY.name) else { return Vec::new() };
    if node.is_text() && node.text() == Some(NO_RULE) {
        return Vec::new();
    }
    let context = RefCell::new(context);
    let read = |item: &Node<'_>| {
        let name = item.text()?;
        let rule = context.borrow_mut().abuse(name, |flaw| item.report(flaw))?;
        check_known(route, item, &rule, auth);
        Some(rule)
    };
    distinct(node.one_or_many(), "rule of abuse", read, |it| it.name.clone())
}

/// Without authentication nobody has a subject, and nothing would count.
fn check_known(route: &Section<'_>, item: &Node<'_>, rule: &Abuse, auth: &[AuthName]) {
    let says_so = route.node("auth").is_none_or(|it| it.is_text() && it.text() == Some("none"));
    // What is wrong with `auth` otherwise was told.
    if !auth.is_empty() || rule.key != AbuseKey::Subject || !says_so {
        return;
    }
    item.report(Flaw::new(
        Code::Conflict,
        format!("the rule of abuse `{}` counts by `subject`, and nobody has any", rule.name),
        "the route asks nobody who it is, so that nothing would count",
        "say how one proves who one is, as in `auth = \"users\"`, take a rule with `key = \"ip\"`, or `abuse = \"none\"`",
    ));
}

impl Context<'_> {
    /// The rule `name`, by which a route goes. Where there is none, `report` gets the fault.
    fn abuse(&mut self, name: &str, report: impl FnOnce(Flaw)) -> Option<Arc<Abuse>> {
        if name == NO_RULE {
            report(Flaw::new(
                Code::Conflict,
                "`none` stands alone",
                "with it nothing is counted, whatever else is listed",
                "write `abuse = \"none\"`, or take it out of the list",
            ));
            return None;
        }
        if let Some((name, rule)) = self.abuse.get_key_value(name) {
            self.used_abuse.insert(name.clone());
            // What is wrong with it was told.
            return rule.clone();
        }
        let names = || self.abuse.keys().map(AbuseName::as_str);
        let hint = if self.abuse.is_empty() || !self.faults.may_suggest() {
            format!(
                "define it: `[abuse.{}]`, and below it `rate = \"20/m\"` and `ban = \"10m\"`",
                shown(name)
            )
        } else if let Some(meant) = suggest::nearest(name, names()) {
            format!("did you mean `{meant}`?")
        } else {
            format!("there are {}", suggest::listed(names()))
        };
        let what = format!("there is no rule of abuse `{}`", shown(name));
        report(Flaw::new(Code::UndefinedName, what, "not defined", hint));
        None
    }
}
