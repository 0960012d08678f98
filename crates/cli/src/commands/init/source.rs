//! What sources tell of a service without being run: by words that stand in them, never by understanding them. What is
//! found is a proposal, and the file says where it comes from.

use super::folder::Source;
use super::proposal::Health;

/// Paths by which services are asked whether they are well, the most telling first.
const HEALTH_PATHS: [&str; 10] = [
    "/healthz",
    "/health",
    "/readyz",
    "/ready",
    "/livez",
    "/up",
    "/ping",
    "/api/health",
    "/status",
    "/_health",
];

/// How a service is checked whose sources are these.
pub(super) fn health(sources: &[Source]) -> Health {
    for path in HEALTH_PATHS {
        if let Some(source) = sources.iter().find(|source| quotes(&source.text, path)) {
            return Health::path(path, format!("In {}.", source.path));
        }
    }
    match sources.iter().find(|source| has_front_page(&source.text)) {
        Some(source) => Health::path(
            "/",
            format!(
                "The front page, which {} serves. A path that also looks at what the service needs says more.",
                source.path
            ),
        ),
        None => Health::connection(),
    }
}

/// What sources say of the port.
#[derive(Debug, PartialEq)]
pub(super) enum Port {
    /// It is read from the environment.
    Read {
        /// Where.
        path: String,
    },
    /// It is always this one.
    Fixed {
        /// Where.
        path: String,
        /// The port.
        port: u16,
    },
    /// They say nothing that is understood.
    Unknown,
}

/// Where the port comes from, if the words for reading it or for listening stand in the sources.
pub(super) fn port(sources: &[Source], reads: &[&str], listens: &[&str]) -> Port {
    for source in sources {
        if reads.iter().any(|word| source.text.contains(word)) {
            return Port::Read { path: source.path.clone() };
        }
    }
    for source in sources {
        if let Some(port) = listens.iter().find_map(|word| number_after(&source.text, word)) {
            return Port::Fixed { path: source.path.clone(), port };
        }
    }
    Port::Unknown
}

/// What is to be minded of the port, if something is; `cure` says how it is read.
pub(super) fn caution(port: &Port, cure: &str) -> Option<String> {
    match port {
        Port::Read { .. } => None,
        Port::Fixed { path, port } => Some(format!(
            "{path} always listens on {port}, so no instance becomes ready: let it listen on {cure}"
        )),
        Port::Unknown => Some(format!(
            "no source was found that reads $PORT: the service has to listen on {cure}"
        )),
    }
}

/// The number that follows one of the places where `word` stands.
pub(super) fn number_after(text: &str, word: &str) -> Option<u16> {
    text.match_indices(word).find_map(|(at, _)| {
        let rest = text[at + word.len()..].trim_start_matches([' ', '(', '"', '\'', ':', '=']);
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        rest[..digits].parse().ok().filter(|port| *port > 0)
    })
}

/// Whether `path` stands in quotes, as routes do.
fn quotes(text: &str, path: &str) -> bool {
    let is_quote = |char: Option<char>| char.is_some_and(|char| "\"'`".contains(char));
    text.match_indices(path).any(|(at, _)| {
        is_quote(text[..at].chars().next_back()) && is_quote(text[at + path.len()..].chars().next())
    })
}

/// Whether something is served at `/`, as most frameworks write it.
fn has_front_page(text: &str) -> bool {
    ["'/'", "\"/\"", "get '/'", "express.static(", "serveStatic("]
        .iter()
        .any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> [Source; 1] {
        [Source { path: "app".to_owned(), text: text.to_owned() }]
    }

    #[test]
    fn a_path_for_checks_is_found_where_it_is_a_route() {
        for (text, path) in [
            ("app.get('/health', x); app.get(\"/\", y)", Some("/health")),
            ("// see /health\napp.get('/', x)", Some("/")),
            ("fetch('http://other/healthz')", None),
            ("@app.route(\"/up\")", Some("/up")),
            ("app.get('/healthy', x)", None),
        ] {
            assert_eq!(health(&source(text)).path.as_deref(), path, "{text}");
        }
    }

    #[test]
    fn a_port_that_is_read_is_told_from_one_that_is_fixed() {
        let (reads, listens) = (["process.env.PORT"], ["listen(", "port = "]);
        let path = || "app".to_owned();
        for (text, expected) in [
            ("listen(process.env.PORT || 3000)", Port::Read { path: path() }),
            ("app.listen(3000, x)", Port::Fixed { path: path(), port: 3000 }),
            ("const port = 8081; app.listen(port)", Port::Fixed { path: path(), port: 8081 }),
            ("listen(port)", Port::Unknown),
            ("listen(99999)", Port::Unknown),
        ] {
            assert_eq!(port(&source(text), &reads, &listens), expected, "{text}");
        }
    }
}
