//! compose.yaml: containers that somebody else runs, in front of which Plimsoll stands.
//!
//! Of YAML only what compose files are written in is read: a mapping of services, each with a list of ports. What is
//! not understood is left out.

use crate::commands::init::folder::Folder;
use crate::commands::init::proposal::{Health, Proposal, Run};

const FILES: [&str; 4] =
    ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];

/// What is seldom meant to be balanced over by HTTP.
const STORES: [&str; 10] = [
    "postgres",
    "mysql",
    "mariadb",
    "redis",
    "mongo",
    "rabbitmq",
    "kafka",
    "elasticsearch",
    "memcached",
    "minio",
];

/// A service of the file.
#[derive(Debug, Default, PartialEq)]
struct Service {
    name: String,
    image: String,
    /// Ports of this machine.
    ports: Vec<u16>,
    /// The path that its own check requests.
    health: Option<String>,
}

pub(super) fn find(folder: &dyn Folder) -> Option<Proposal> {
    let file = folder.first(&FILES)?;
    let services = services(&folder.text(file)?);
    let is_store =
        |it: &&Service| STORES.iter().any(|store| it.image.contains(store) || it.name == *store);
    let mut usable = services.iter().filter(|it| !is_store(it) && !it.ports.is_empty());
    let service = usable.next()?;
    let others: Vec<&str> = usable.map(|it| it.name.as_str()).collect();
    let targets = service.ports.iter().take(1).map(|port| format!("127.0.0.1:{port}")).collect();
    let why = format!(
        "The port of `{}` that {file} publishes: Docker Compose runs it, Plimsoll stands in front and replaces nothing.",
        service.name
    );
    let name = service.name.clone();
    let proposal = Proposal {
        run: Run::Targets { targets, why },
        health: match &service.health {
            Some(path) => Health::path(path, "The path that its `healthcheck` requests."),
            None => Health::connection(),
        },
        ..Proposal::command(format!("Docker Compose, `{name}`"), "", "")
    };
    let proposal =
        proposal.seen(file).caution(format!("start it before: docker compose up -d {name}"));
    Some(match others.as_slice() {
        [] => proposal,
        others => proposal.caution(format!(
            "{file} also publishes ports of {}: `{name}` comes first, --target names another",
            others.join(", ")
        )),
    })
}

/// Why a compose file that is there says nothing.
pub(super) fn passed_over(folder: &dyn Folder) -> Option<String> {
    let file = folder.first(&FILES)?;
    Some(format!(
        "{file} publishes no port of a service that takes requests: give it one, as in ports: [\"127.0.0.1:3000:3000\"]"
    ))
}

fn services(text: &str) -> Vec<Service> {
    let mut services: Vec<Service> = Vec::new();
    let mut is_inside = false;
    // How far services, their keys and the items of their ports are indented; found as they come.
    let (mut name_at, mut key_at, mut in_ports) = (None, None, false);
    for line in text.lines() {
        let content = line.split(" #").next().unwrap_or_default().trim_end();
        let trimmed = content.trim_start();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let indent = content.len() - trimmed.len();
        if indent == 0 && !trimmed.starts_with('-') {
            is_inside = trimmed == "services:";
            (name_at, key_at) = (None, None);
            continue;
        }
        if !is_inside {
            continue;
        }
        let at = *name_at.get_or_insert(indent);
        if indent == at
            && let Some(name) = trimmed.strip_suffix(':')
        {
            services.push(Service {
                name: name.trim_matches(['"', '\'']).to_owned(),
                ..Service::default()
            });
            (key_at, in_ports) = (None, false);
            continue;
        }
        let Some(service) = services.last_mut() else { continue };
        if service.health.is_none() {
            service.health = requested(trimmed);
        }
        let key_indent = *key_at.get_or_insert(indent);
        if indent == key_indent && !trimmed.starts_with('-') {
            in_ports = trimmed == "ports:";
            if let Some(image) = trimmed.strip_prefix("image:") {
                service.image = image.trim().trim_matches(['"', '\'']).to_owned();
            }
        } else if in_ports {
            service.ports.extend(published(trimmed.trim_start_matches("- ").trim()));
        }
    }
    services
}

/// The path in a check that requests the container itself, as in `curl -f http://localhost:3000/health`.
fn requested(line: &str) -> Option<String> {
    let places = ["http://localhost", "http://127.0.0.1"];
    let (_, rest) = places.iter().find_map(|place| line.split_once(place))?;
    if !line.starts_with("test:") && !line.starts_with('-') {
        return None;
    }
    let rest = rest.trim_start_matches(|it: char| it == ':' || it.is_ascii_digit());
    let path: String =
        rest.chars().take_while(|it| !it.is_whitespace() && !"\"'],|?;".contains(*it)).collect();
    path.starts_with('/').then_some(path)
}

/// The port of this machine in an item: `8080:80`, `127.0.0.1:8080:80`, `published: 8080`.
fn published(item: &str) -> Option<u16> {
    if let Some(port) = item.strip_prefix("published:") {
        return port.trim().trim_matches(['"', '\'']).parse().ok();
    }
    let item = item.trim_matches(['"', '\'']).split('/').next()?;
    let (host, _) = item.rsplit_once(':')?;
    let port = host.rsplit(':').next()?;
    // With a default: ${PORT:-8080} begins with what is no number.
    port.trim_start_matches('-').trim_end_matches('}').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_its_own_check_is_found() {
        for (line, path) in [
            (
                "test: [\"CMD\", \"curl\", \"-f\", \"http://localhost:3000/health\"]",
                Some("/health"),
            ),
            ("test: curl -f http://127.0.0.1/up || exit 1", Some("/up")),
            ("test: [\"CMD\", \"pg_isready\"]", None),
            ("URL: http://localhost:3000/api", None),
        ] {
            assert_eq!(requested(line).as_deref(), path, "{line}");
        }
    }

    #[test]
    fn published_ports_are_those_of_this_machine() {
        for (item, port) in [
            ("8080:80", Some(8080)),
            ("\"127.0.0.1:8081:80/tcp\"", Some(8081)),
            ("published: \"8082\"", Some(8082)),
            ("${PORT:-8083}:80", Some(8083)),
            ("80", None),
            ("3000-3005:3000", None),
        ] {
            assert_eq!(published(item), port, "{item}");
        }
    }

    #[test]
    fn services_are_found_with_their_images_and_ports_however_they_are_indented() {
        let text = "name: x\nservices:\n    db:\n        image: postgres:17\n        ports:\n            - \"5432:5432\"\n    \
                    web:   # ours\n        build: .\n        environment:\n            - A=1:2\n        ports:\n        - 8080:80\nvolumes:\n  a:\n";
        let found = services(text);
        let expected = [("db", "postgres:17", 5432)];
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(
            (found[0].name.as_str(), found[0].image.as_str(), found[0].ports[0]),
            expected[0]
        );
        assert_eq!((found[1].name.as_str(), found[1].ports.as_slice()), ("web", &[8080][..]));
    }
}
