//! Files of other programs, given for ours: what they look like, and where to read on.
//!
//! Only asked of a text that is not TOML. One sign alone decides nothing where TOML with a slip could
//! have it, too.

use std::ops::Range;

/// Another program's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Nginx,
    HaProxy,
    Apache,
    Html,
    Caddy,
    Compose,
    Yaml,
    Json,
}

/// A line that says something.
struct Line<'a> {
    text: &'a str,
    is_indented: bool,
}

/// What nginx opens a block with.
const NGINX_BLOCKS: [&str; 8] =
    ["http", "server", "events", "stream", "upstream", "location", "map", "mail"];
/// What HAProxy begins a section with, alone or with a name.
const HAPROXY_SECTIONS: [&str; 6] =
    ["global", "defaults", "frontend", "backend", "listen", "resolvers"];
/// What stands within a site of Caddy's.
const CADDY_DIRECTIVES: [&str; 14] = [
    "reverse_proxy",
    "respond",
    "file_server",
    "handle",
    "handle_path",
    "route",
    "encode",
    "root",
    "redir",
    "php_fastcgi",
    "rewrite",
    "tls",
    "basic_auth",
    "forward_auth",
];

impl Dialect {
    /// What `text` is written in, where it is another program's, and its first line that says something.
    pub(crate) fn of(text: &str) -> Option<(Self, Range<usize>)> {
        let lines: Vec<Line<'_>> = text.lines().filter_map(Line::of).collect();
        let first = lines.first()?;
        let found = [
            (Self::Json, is_json(text, first)),
            (Self::Html, first.is_html()),
            (Self::Apache, lines.iter().any(Line::opens_apache)),
            (Self::Nginx, is_nginx(&lines)),
            (Self::HaProxy, is_haproxy(&lines)),
            (Self::Caddy, is_caddy(&lines)),
            (Self::Compose, is_yaml(&lines) && is_compose(&lines)),
            (Self::Yaml, is_yaml(&lines)),
        ];
        let (dialect, _) = found.into_iter().find(|(_, is_it)| *is_it)?;
        let start = text.find(first.text).unwrap_or_default();
        Some((dialect, start..start + first.text.len()))
    }

    /// What it is called.
    pub(crate) fn called(self) -> &'static str {
        match self {
            Self::Nginx => "nginx's configuration",
            Self::HaProxy => "HAProxy's configuration",
            Self::Apache => "Apache's configuration",
            Self::Html => "a web page",
            Self::Caddy => "a Caddyfile",
            Self::Compose => "a Compose file",
            Self::Yaml => "YAML",
            Self::Json => "JSON",
        }
    }

    /// Where to read on.
    pub(crate) fn hint(self) -> &'static str {
        match self {
            Self::Nginx => {
                "docs/guide/replacing-nginx.md has what each directive becomes; `plimsoll init` \
                 writes a first plimsoll.toml"
            }
            Self::HaProxy | Self::Apache | Self::Caddy => {
                "a frontend or site is a listener and its routes, a backend or upstream a service: \
                 docs/guide/routing.md; `plimsoll init` writes a first plimsoll.toml"
            }
            Self::Html => {
                "perhaps it was saved from a site that shows the file, or is an error that a download \
                 got in its place"
            }
            Self::Compose => {
                "a service is a `command` here: docs/guide/deploying.md; `plimsoll init` writes a \
                 first plimsoll.toml"
            }
            Self::Yaml | Self::Json => {
                "write `[listeners.web]`, and below it `bind = \"0.0.0.0:8080\"`; \
                 docs/guide/getting-started.md begins with a whole file"
            }
        }
    }
}

impl<'a> Line<'a> {
    fn of(line: &'a str) -> Option<Self> {
        let line = line.strip_prefix('\u{feff}').unwrap_or(line);
        let text = line.trim();
        let says = !text.is_empty() && !text.starts_with('#');
        says.then(|| Self { text, is_indented: line.starts_with([' ', '\t']) })
    }

    fn word(&self) -> &'a str {
        self.text.split([' ', '\t', '{']).next().unwrap_or_default()
    }

    /// Whether it gives a key its value, as a line of TOML does.
    fn is_toml(&self) -> bool {
        let mut words = self.text.split_whitespace().skip(1);
        words.next() == Some("=") || self.text.starts_with('[')
    }

    /// `key: value`, `key:` or `- item`.
    fn is_yaml(&self) -> bool {
        let text = self.text.strip_prefix("- ").unwrap_or(self.text);
        let key = text.split(':').next().unwrap_or_default();
        let is_key = |c: char| c.is_ascii_alphanumeric() || "_-./\"'$".contains(c);
        let has_colon = text.ends_with(':') || text.contains(": ");
        text.len() < self.text.len() || (has_colon && !key.is_empty() && key.chars().all(is_key))
    }

    fn is_html(&self) -> bool {
        let text = self.text.to_ascii_lowercase();
        text.starts_with("<!doctype") || text.starts_with("<html")
    }

    fn opens_apache(&self) -> bool {
        ["<VirtualHost", "<Location", "<Directory", "<IfModule"]
            .iter()
            .any(|tag| self.text.starts_with(tag))
    }
}

fn is_json(text: &str, first: &Line<'_>) -> bool {
    let rest = text.trim_start_matches('\u{feff}').trim_start();
    let inner = rest.strip_prefix('{').or_else(|| rest.strip_prefix('['));
    let begins = inner.is_some_and(|inner| inner.trim_start().starts_with(['"', '{', '}']));
    begins
        && !first.is_toml_header()
        && (text.contains("\":") || text.contains("\" :") || rest == "{}")
}

impl Line<'_> {
    /// A table's header, which JSON never begins with: it holds no quote, brace or colon.
    fn is_toml_header(&self) -> bool {
        self.text.starts_with('[') && self.text.ends_with(']') && !self.text.contains(['{', ':'])
    }
}

fn is_nginx(lines: &[Line<'_>]) -> bool {
    let is_directive = |line: &&Line<'_>| {
        let text = line.text.split(" #").next().unwrap_or_default().trim_end();
        text.ends_with(';')
            && !line.is_toml()
            && line.word().chars().all(|c| c.is_ascii_lowercase() || c == '_')
    };
    let directives = lines.iter().filter(is_directive).count();
    let opens = |line: &Line<'_>| line.text.ends_with('{') && NGINX_BLOCKS.contains(&line.word());
    directives > 1 || (directives > 0 && lines.iter().any(opens))
}

fn is_haproxy(lines: &[Line<'_>]) -> bool {
    let is_section = |line: &Line<'_>| {
        !line.is_indented
            && HAPROXY_SECTIONS.contains(&line.word())
            && !line.text.contains(['=', '{', ':'])
    };
    let has_settings = lines.iter().any(|line| !is_section(line) && !line.is_toml());
    has_settings && lines.iter().any(is_section)
}

fn is_caddy(lines: &[Line<'_>]) -> bool {
    let is_directive =
        |line: &&Line<'_>| CADDY_DIRECTIVES.contains(&line.word()) && !line.is_toml();
    let opens = |line: &Line<'_>| line.text.ends_with('{') && !line.is_toml();
    let directives = lines.iter().filter(is_directive).count();
    directives > 1 || (directives > 0 && (lines.iter().any(opens) || lines.len() == 2))
}

fn is_yaml(lines: &[Line<'_>]) -> bool {
    let yaml = lines.iter().filter(|line| line.is_yaml()).count();
    let begins = lines.first().is_some_and(|line| line.text == "---" || line.text.ends_with(':'));
    !lines.iter().any(Line::is_toml) && (begins || yaml > 1) && yaml > 0
}

fn is_compose(lines: &[Line<'_>]) -> bool {
    let has = |key: &str| lines.iter().any(|line| line.text.starts_with(key));
    has("services:") && (has("image:") || has("build:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<Dialect> {
        Dialect::of(text).map(|(dialect, _)| dialect)
    }

    #[test]
    fn files_of_others_are_known_by_their_looks() {
        for (text, dialect) in [
            ("server {\n  listen 80;\n}\n", Dialect::Nginx),
            ("# main\nuser www-data;\nworker_processes auto;\n", Dialect::Nginx),
            ("upstream api {\n  server 10.0.0.1:80 weight=3;\n}\n", Dialect::Nginx),
            ("global\n  maxconn 100\ndefaults\n  mode http\n", Dialect::HaProxy),
            ("frontend web\n  bind :80\n  default_backend a\n", Dialect::HaProxy),
            ("<VirtualHost *:80>\n  ProxyPass / http://a/\n</VirtualHost>\n", Dialect::Apache),
            ("<!DOCTYPE html>\n<html>404</html>\n", Dialect::Html),
            ("example.com {\n\treverse_proxy localhost:9000\n}\n", Dialect::Caddy),
            (":8080\nreverse_proxy 127.0.0.1:9000\n", Dialect::Caddy),
            ("{\n\temail a@b.c\n}\na.b {\n\troot * /srv\n\tfile_server\n}\n", Dialect::Caddy),
            ("services:\n  api:\n    image: a\n", Dialect::Compose),
            ("---\nlisteners:\n- a: 1\n", Dialect::Yaml),
            ("http:\n  routers: {}\n", Dialect::Yaml),
            ("{\n  \"listeners\": {}\n}\n", Dialect::Json),
            ("[{\"a\": 1}]", Dialect::Json),
        ] {
            assert_eq!(found(text), Some(dialect), "{text}");
        }
    }

    #[test]
    fn a_slip_in_a_file_of_ours_is_not_taken_for_another_language() {
        for text in [
            "",
            "# nothing\n",
            "[listeners.web]\nbind: \"0.0.0.0:8080\"\n",
            "[listeners.web]\nbind = \"0.0.0.0:8080\";\n",
            "[listeners.web\nbind = \"a\"\n",
            "[[routes]\nto = \"api\"\n",
            "bind = 127.0.0.1:8080\n",
            "[services.api]\ntargets = [\n  10.0.0.1:80,\n  10.0.0.2:80,\n]\n",
            "[services.api]\ncommand = \"a\"\nenv = {\n  A = \"1\"\n}\nroot\n",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }

    #[test]
    fn the_first_line_that_says_something_is_the_place() {
        let (_, place) = Dialect::of("# a\n\nserver {\n listen 80;\n}\n").unwrap();
        assert_eq!(place, 5..13);
    }
}
