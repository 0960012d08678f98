//! What the instances' environment is: `env`, `env_file`, `secrets` and `inherit`.

use std::collections::BTreeMap;

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::node::Node;
use crate::read::named::named;
use crate::read::{distinct, shell};
use crate::schema::{Absent, Empty, Format, Key, Shape, TEXT};
use crate::section::{Names, Section};
use crate::value::name;

use super::WE_RUN;

pub(crate) const PATH: Format = Format { noun: "a path", pattern: Some(".") };

const VARIABLE: Format =
    Format { noun: "the name of a variable", pattern: Some("^[A-Za-z_][A-Za-z0-9_]*$") };

const INHERITED: Format = Format {
    noun: "the name of a variable, or its beginning and `*`",
    pattern: Some("^([A-Za-z_][A-Za-z0-9_]*[*]?|[*])$"),
};

pub(crate) const KEY: Key = Key::new(
    "env",
    Shape::Names { names: "VARIABLE", of: &Shape::Text(&TEXT) },
    Absent::Means("nothing besides what is inherited"),
    "{ SPRING_PROFILES_ACTIVE = \"prod\" }",
    "The instances' environment, besides what they `inherit`, or what their image says. `{version}` is \
     substituted in the values.",
)
.aka(&["environment", "variables", "vars"])
.needs(WE_RUN);

pub(crate) const FILE_KEY: Key = Key::new(
    "env_file",
    Shape::Text(&PATH),
    Absent::Means("none"),
    "\".env\"",
    "A file of `NAME=value` lines for their environment; `env` overrides it. It is read when an \
     instance \
     is started. `{version}` is substituted.",
)
.aka(&["dotenv", "environment_file"])
.needs(WE_RUN);

pub(crate) const SECRETS_KEY: Key = Key::new(
    "secrets",
    Shape::List { of: &Shape::Text(&VARIABLE), empty: Empty::Allowed },
    Absent::Texts(&[]),
    "[\"SMS_ACCESS\", \"SMS_SECRET_KEY\"]",
    "Variables that must be set and not blank before a release is started, in Plimsoll's environment or in `secrets.age` (see `plimsoll secrets`). Other services' instances \
     do not get them.",
)
.aka(&["required", "require_env"]).needs(WE_RUN);

pub(crate) const INHERIT_KEY: Key = Key::new(
    "inherit",
    Shape::List { of: &Shape::Text(&INHERITED), empty: Empty::Allowed },
    Absent::Texts(&model::INHERITED),
    "[\"PATH\", \"LANG\", \"TZ\", \"JAVA_*\"]",
    "What the instances find of Plimsoll's own environment in theirs: names of variables, and beginnings \
     of names followed by `*`. `secrets` are inherited besides. A beginning never gives them other \
     services' `secrets`, Plimsoll's tokens, what begins with `PLIMSOLL_` or what its service manager \
     meant for it.",
)
.aka(&["pass_env", "passenv", "env_keep", "inherit_env"]).needs(&["command"]);

pub(crate) fn read(section: &Section<'_>) -> BTreeMap<String, String> {
    // Any value may be a secret, whatever its name.
    let is_secret = |_: &str| true;
    let value = |text: &str| Ok(text.to_owned());
    shell::warn_of_env(section);
    warn_of_own_variables(section);
    let set = named(section, "env", is_secret, variable, value);
    set.into_iter().map(|set| (set.name, set.value)).collect()
}

/// What the driver sets itself, last.
const SET: [&str; 4] = ["PORT", "VERSION", "INSTANCE", "SERVICE"];

/// Warns of variables that are set to something else whatever `env` says.
fn warn_of_own_variables(section: &Section<'_>) {
    let node = section.node("env");
    let names = node.as_ref().and_then(Node::names_quietly);
    for entry in names.iter().flat_map(Names::iter).filter(|entry| SET.contains(&entry.text)) {
        entry.report(Flaw::new(
            Code::NoEffect,
            format!("`{}` is set by Plimsoll", entry.text),
            "every instance gets its own, whatever stands here",
            "take it out; a server that wants another name is told in `command`, as with `--port $PORT`",
        ));
    }
}

fn variable(text: &str) -> Result<String, Flaw> {
    name::parse_variable(text)
        .map_err(|flaw| Flaw { hint: "write a name such as \"SMS_ACCESS\"".to_owned(), ..flaw })
}

pub(crate) fn inherit(section: &Section<'_>) -> Vec<String> {
    let Some(node) = section.node("inherit") else {
        return model::INHERITED.map(str::to_owned).into();
    };
    distinct(node.items(), "variable", |item| item.parse(inherited), String::clone)
}

fn inherited(text: &str) -> Result<String, Flaw> {
    if text != "*" {
        variable(text.strip_suffix('*').unwrap_or(text))?;
    }
    Ok(text.to_owned())
}

pub(crate) fn secrets(section: &Section<'_>) -> Vec<String> {
    let Some(node) = section.node("secrets") else { return Vec::new() };
    distinct(node.items(), "secret", |item| item.parse(variable), String::clone)
}
