//! What a service says of instances that are containers: `image`, `port`, `volumes`, `network`.

use model::{Access, ContainerRecipe, ImageName, NoImageName, VERSION_MARK, Volume, VolumeSource};

use crate::faults::Flaw;
use crate::node::Node;
use crate::read::{distinct, narrow, shell};
use crate::schema::{Absent, Empty, Format, Key, Shape};
use crate::section::Section;
use crate::value::shown;

use super::{command, resources, user, worker};

const IMAGE: Format =
    Format { noun: "the name of an image", pattern: Some("^[A-Za-z0-9][A-Za-z0-9._:/@{}-]*$") };
const VOLUME: Format = Format {
    noun: "a volume such as \"uploads:/data\" or \"/srv/assets:/assets:ro\"",
    pattern: Some("^[^:]+:/[^:]*(:(ro|rw))?$"),
};
const NETWORK: Format =
    Format { noun: "the name of a network", pattern: Some("^[A-Za-z0-9][A-Za-z0-9_.-]*$") };

/// Networks that are none, or whose addresses are not the container's own.
const NO_NETWORKS: [&str; 3] = ["host", "none", "default"];

pub(crate) const KEY: Key = Key::new(
    "image",
    Shape::Text(&IMAGE),
    Absent::Means("the instances are no containers"),
    "\"registry.example.com/shop/api:{version}\"",
    "The image of which Docker makes the instances. `{version}` is substituted. Which image the name stands for is found out \
     when a release is deployed, and stays so for that release: a tag that moves changes nothing of what runs. It runs what the image says, or `command`. How its \
     registry is asked is in `[registries.NAME]`. The engine is the one at `DOCKER_HOST`, or at unix:///var/run/docker.sock.",
)
.aka(&["container", "docker", "docker_image", "container_image"]);

pub(crate) const PORT_KEY: Key = Key::new(
    "port",
    Shape::Count(1..=65_535),
    Absent::Count(8080),
    "3000",
    "The port on which a container listens within, which it also finds in `$PORT`. It is published on a free port of 127.0.0.1; with `hosts`, \
     of the host's address.",
)
.aka(&["container_port", "app_port", "ports", "expose", "listen"])
.needs(&["image"]);

pub(crate) const VOLUMES_KEY: Key = Key::new(
    "volumes",
    Shape::List { of: &Shape::Text(&VOLUME), empty: Empty::Allowed },
    Absent::Texts(&[]),
    "[\"uploads:/data\", \"/srv/assets:/assets:ro\"]",
    "What the containers find within: `NAME:PATH` for a volume that the engine keeps, and makes where it is missing; \
     `/PATH:PATH` or `./PATH:PATH` for a file or a directory of this machine, which has to be there (with `hosts`, of \
     each host); a relative one starts at the directory of the file. With `:ro` it is only read. All instances share it, those of two releases during a deploy, too.",
)
.aka(&["volume", "mounts", "mount", "binds"])
.needs(&["image"]);

pub(crate) const NETWORK_KEY: Key = Key::new(
    "network",
    Shape::Text(&NETWORK),
    Absent::Means("the engine's own; instances are reached by a port of 127.0.0.1"),
    "\"backend\"",
    "The engine's network in which the containers are, and by whose addresses they are reached: nothing is published. It has to \
     be there, and this machine has to reach it, as it reaches a bridge. With `hosts` they are published all the same.",
)
.aka(&["networks", "network_mode", "net"])
.needs(&["image"]);

/// Reads what the containers of a service are made of.
pub(crate) fn read(section: &Section<'_>) -> Option<ContainerRecipe> {
    let image = section.parse("image", parse);
    let command = section.node("command").and_then(|node| {
        let command = command::read(&node)?;
        shell::warn_of_command(&node, &command);
        if worker::is_one(section) {
            worker::refuse_port(section, &command);
        }
        Some(command)
    });
    let port = narrow::<u16>(section.count("port"));
    let user = section.parse("user", user::parse);
    let volumes = volumes(section);
    let network = section.parse("network", parse_network);
    let resources = section.section("resources", resources::read);
    let (image, port) = (image?, port?);
    Some(ContainerRecipe { image, pin: None, command, port, user, volumes, network, resources })
}

/// The name is looked at as it would be with a version.
fn parse(text: &str) -> Result<String, Flaw> {
    let with_version = text.replace(VERSION_MARK, "1");
    match with_version.parse::<ImageName>() {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(flaw_of(text, error)),
    }
}

fn flaw_of(text: &str, error: NoImageName) -> Flaw {
    Flaw::invalid(
        format!("\"{}\" is not the name of an image", shown(text)),
        error.why(),
        "write it as `docker pull` takes it: \"registry.example.com/shop/api:{version}\"",
    )
}

fn parse_network(text: &str) -> Result<String, Flaw> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let is_name =
        text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(is_part);
    if is_name && !NO_NETWORKS.contains(&text) {
        return Ok(text.to_owned());
    }
    let why = match NO_NETWORKS.contains(&text) {
        true => "there a container has no address of its own",
        false => {
            "a network's name begins with a letter or a digit and continues with those and `_.-`"
        }
    };
    Err(Flaw::invalid(
        format!("\"{}\" cannot be the network", shown(text)),
        why,
        "name one that `docker network create` made, or take `network` out: the instances are then reached by a port of 127.0.0.1",
    ))
}

fn volumes(section: &Section<'_>) -> Vec<Volume> {
    let Some(node) = section.node("volumes") else { return Vec::new() };
    let target = |volume: &Volume| volume.target.clone();
    distinct(node.items(), "path within", volume, target)
}

fn volume(node: &Node<'_>) -> Option<Volume> {
    node.parse(|text| {
        let flaw = |why: &str| {
            Flaw::invalid(
                format!("\"{}\" is not a volume", shown(text)),
                why,
                "write \"uploads:/data\", or \"/srv/assets:/assets:ro\" for a directory of this machine",
            )
        };
        let mut parts = text.split(':');
        let (Some(source), Some(target)) = (parts.next(), parts.next()) else {
            return Err(flaw("it has not two parts"));
        };
        let access = match (parts.next(), parts.next()) {
            (None, _) | (Some("rw"), None) => Access::Write,
            (Some("ro"), None) => Access::Read,
            _ => return Err(flaw("behind the second `:` stands `ro` or `rw`")),
        };
        if !target.starts_with('/') || target == "/" {
            return Err(flaw("the path within is absolute, and not `/` itself"));
        }
        let is_path = source.starts_with(['/', '.']);
        let is_part = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        let source = match is_path {
            true => VolumeSource::Path(node.dir().join(source).components().collect()),
            false if source.starts_with('~') => return Err(flaw("`~` is only known to shells")),
            false if source.contains('/') => {
                return Err(flaw("a path of this machine begins with `/` or `./`"));
            }
            false if !source.is_empty() && source.chars().all(is_part) => {
                VolumeSource::Named(source.to_owned())
            }
            false => return Err(flaw("a volume's name has letters, digits and `_.-`")),
        };
        Ok(Volume { source, target: target.to_owned(), access })
    })
}
