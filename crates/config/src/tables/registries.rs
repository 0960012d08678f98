//! `[registries.NAME]`: who asks a registry of images.

use model::{ImageName, Registries, Registry};

use crate::faults::Flaw;
use crate::node::Node;
use crate::schema::{Absent, Key, Shape, TEXT, Table, VARIABLE};
use crate::section::{Names, Section};
use crate::value::{name, shown};

static EACH: Shape = Shape::Table(&REGISTRY);

pub(crate) const KEY: Key = Key::new(
    "registries",
    Shape::Names { names: "HOST", of: &EACH },
    Absent::Means("registries are asked without a name"),
    "{ \"registry.example.com\" = { username = \"ci\", password_env = \"REGISTRY_PASSWORD\" } }",
    "Who asks the registries of images, each by the host and port with which names of images begin; `docker.io` for Docker Hub.",
)
.aka(&["registry", "docker_login", "image_pull_secrets"]);

static REGISTRY: Table = Table {
    header: "[registries.HOST]",
    noun: "a registry",
    doc: "Who asks a registry of images. What is pulled is pulled by the engine, which is told of this only for that.",
    keys: &[
        Key::new("username", Shape::Text(&TEXT), Absent::Fault, "\"ci\"", "The user.")
            .aka(&["user", "login"]),
        Key::new(
            "password_env",
            Shape::Text(&VARIABLE),
            Absent::Fault,
            "\"REGISTRY_PASSWORD\"",
            "The environment variable with that user\'s password, or its token. No instance gets it.",
        )
        .aka(&["password", "pass", "token", "token_env"]),
    ],
    later: &[],
};

/// Reads them all.
pub(crate) fn read(root: &Section<'_>) -> Registries {
    let node = root.node(KEY.name);
    let names = node.as_ref().and_then(Node::names);
    let mut found = Registries::new();
    for entry in names.iter().flat_map(Names::iter) {
        let host = entry.parse(host);
        let registry = entry.node.section().and_then(|section| registry(&section));
        found.extend(host.zip(registry));
    }
    found
}

fn registry(section: &Section<'_>) -> Option<Registry> {
    let username = section.require("username").and_then(|node| Some(node.text()?.to_owned()));
    let password_env =
        section.require("password_env").and_then(|node| node.parse(name::parse_variable));
    Some(Registry { username: username?, password_env: password_env? })
}

/// A registry is named as names of images begin.
fn host(text: &str) -> Result<String, Flaw> {
    let is_host = |name: ImageName| name.registry == text && name.repository == "x";
    let in_name = format!("{text}/x").parse::<ImageName>();
    if in_name.is_ok_and(is_host) || text == model::DEFAULT_REGISTRY {
        return Ok(text.to_owned());
    }
    Err(Flaw::invalid(
        format!("\"{}\" is not a registry", shown(text)),
        "it is named as names of images begin, by a host and perhaps a port",
        "write \"registry.example.com\" or \"localhost:5000\", in quotes; `docker.io` for Docker Hub",
    ))
}
