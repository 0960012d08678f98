//! `auth` of a route: by what who asks must prove who it is.

use model::AuthName;

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::node::Node;
use crate::read::{Context, distinct};
use crate::schema::{Absent, Empty, Format, Key, Shape};
use crate::section::Section;
use crate::tables::auth::NOBODY;
use crate::value::shown;

const NAME: Format =
    Format { noun: "an authentication's name, or \"none\"", pattern: Some("^[A-Za-z0-9_-]+$") };

pub(crate) const KEY: Key = Key::new(
    "auth",
    Shape::Either(&[
        Shape::Text(&NAME),
        Shape::List { of: &Shape::Text(&NAME), empty: Empty::Refused },
    ]),
    Absent::Means("nobody need prove who it is"),
    "\"none\"",
    "The authentication by which who asks must prove who it is, or several, any of which will do: the first that believes it decides, for \
     `require` too. `none` where `[policies]` says otherwise for others. Clients that prove nothing get 401, or 403 as the \
     authentication says.",
)
.aka(&["authentication", "authenticate", "auth_basic", "jwt", "security"]);

/// Reads it.
pub(crate) fn read(route: &Section<'_>, context: &mut Context<'_>) -> Vec<AuthName> {
    let Some(node) = route.node(KEY.name) else { return Vec::new() };
    if node.is_text() && node.text() == Some(NOBODY) {
        return Vec::new();
    }
    let context = std::cell::RefCell::new(context);
    let read = |item: &Node<'_>| {
        let name = item.text()?;
        context.borrow_mut().auth(name, |flaw| item.report(flaw))
    };
    distinct(node.one_or_many(), "authentication", read, Clone::clone)
}

fn nobody_shows_one(name: &str) -> Flaw {
    Flaw::new(
        Code::Conflict,
        format!("nobody can show `{}` a certificate", shown(name)),
        "no listener asks clients for one",
        "add `client_auth = { ca = \"clients.pem\" }` to `tls` of a listener",
    )
}

impl Context<'_> {
    /// The authentication `name`, which a route asks for. Where there is none, `report` gets the fault.
    fn auth(&mut self, name: &str, report: impl FnOnce(Flaw)) -> Option<AuthName> {
        if name == NOBODY {
            report(Flaw::new(
                Code::Conflict,
                "`none` stands alone",
                "with it nobody need prove anything, whatever else is listed",
                "write `auth = \"none\"`, or take it out of the list",
            ));
            return None;
        }
        if let Some(auth) = self.auths.get(name) {
            let auth = auth.clone();
            self.asked_auths.insert(auth.clone());
            if self.certificate_auths.contains(&auth) && self.asking_listeners.is_empty() {
                report(nobody_shows_one(name));
            }
            return Some(auth);
        }
        let names = || self.auths.iter().map(AuthName::as_str);
        let hint = if self.auths.is_empty() || !self.faults.may_suggest() {
            format!("define it: `[auth.{}]`, and below it `jwt = {{ ... }}`", shown(name))
        } else if let Some(meant) = suggest::nearest(name, names()) {
            format!("did you mean `{meant}`?")
        } else {
            format!("there are {}", suggest::listed(names()))
        };
        let what = format!("there is no authentication `{}`", shown(name));
        report(Flaw::new(Code::UndefinedName, what, "not defined", hint));
        None
    }
}
