//! The name of an image, as the distribution of images has it: `registry.example.com:5000/shop/api:1.4.2`.
//! <https://github.com/distribution/reference>, in its normal form by Docker's rules.

use std::fmt;
use std::str::FromStr;

/// Where images are that name no registry.
pub const DEFAULT_REGISTRY: &str = "docker.io";
/// What a name without a tag means.
const DEFAULT_TAG: &str = "latest";

/// The name of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageName {
    /// The registry's host, with its port where one is said.
    pub registry: String,
    /// What it is called there: `shop/api`.
    pub repository: String,
    /// Which of that name; `None` where a digest alone says so.
    pub tag: Option<String>,
    /// Exactly which: `sha256:` and 64 hexadecimal digits.
    pub digest: Option<String>,
}

/// Why a text is no name of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoImageName {
    /// Nothing stands where a name should.
    Empty,
    /// It begins as a URL does.
    Scheme,
    /// A part of the path is none.
    Path,
    /// The registry is none.
    Registry,
    /// The tag is none.
    Tag,
    /// The digest is none.
    Digest,
    /// It is longer than any registry takes.
    Length,
}

impl NoImageName {
    /// In words.
    pub fn why(self) -> &'static str {
        match self {
            Self::Empty => "it is empty",
            Self::Scheme => "an image's name has no `https://`",
            Self::Path => {
                "each part of its path is of lower-case letters and digits, with a single `.` or `_`, with `__` or with \
                 `-` between them"
            }
            Self::Registry => "before the first `/` stands a host, perhaps with a port",
            Self::Tag => {
                "a tag begins with a letter, a digit or `_` and continues with at most 127 of those and `.-`"
            }
            Self::Digest => "a digest is `sha256:` and 64 hexadecimal digits in lower case",
            Self::Length => "a registry and a path together have at most 254 characters",
        }
    }
}

impl ImageName {
    /// Its name without tag and digest, as the engine takes it.
    pub fn repository(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// This very image of that name, whatever its tags.
    pub fn by_digest(&self, digest: &str) -> String {
        format!("{}@{digest}", self.repository())
    }
}

impl fmt::Display for ImageName {
    /// With the registry, so that nothing is left to guess.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repository())?;
        match (&self.tag, &self.digest) {
            (_, Some(digest)) => write!(f, "@{digest}"),
            (Some(tag), None) => write!(f, ":{tag}"),
            (None, None) => Ok(()),
        }
    }
}

impl FromStr for ImageName {
    type Err = NoImageName;

    fn from_str(text: &str) -> Result<Self, NoImageName> {
        if text.is_empty() {
            return Err(NoImageName::Empty);
        }
        if text.contains("://") {
            return Err(NoImageName::Scheme);
        }
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest_of(digest)?)),
            None => (text, None),
        };
        // A colon before the last slash is a port's.
        let path_at = name.rfind('/').map_or(0, |at| at + 1);
        let (name, tag) = match name[path_at..].split_once(':') {
            Some((last, tag)) => (&name[..path_at + last.len()], Some(tag_of(tag)?)),
            None => (name, None),
        };
        let is_host = |first: &str| first.contains(['.', ':']) || first == "localhost";
        let (registry, repository) = match name.split_once('/') {
            Some((first, rest)) if is_host(first) => (host_of(first)?, rest.to_owned()),
            _ => (DEFAULT_REGISTRY.to_owned(), name.to_owned()),
        };
        if !repository.split('/').all(is_component) {
            return Err(NoImageName::Path);
        }
        let repository = match registry == DEFAULT_REGISTRY && !repository.contains('/') {
            true => format!("library/{repository}"),
            false => repository,
        };
        if registry.len() + repository.len() >= 255 {
            return Err(NoImageName::Length);
        }
        let tag = tag.or_else(|| digest.is_none().then(|| DEFAULT_TAG.to_owned()));
        Ok(Self { registry, repository, tag, digest })
    }
}

fn digest_of(text: &str) -> Result<String, NoImageName> {
    let digits = text.strip_prefix("sha256:").ok_or(NoImageName::Digest)?;
    let is_digit = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
    match digits.len() == 64 && digits.bytes().all(is_digit) {
        true => Ok(text.to_owned()),
        false => Err(NoImageName::Digest),
    }
}

fn tag_of(text: &str) -> Result<String, NoImageName> {
    let is_first = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_rest = |c: char| is_first(c) || c == '.' || c == '-';
    match text.starts_with(is_first) && text.len() <= 128 && text.chars().all(is_rest) {
        true => Ok(text.to_owned()),
        false => Err(NoImageName::Tag),
    }
}

fn host_of(text: &str) -> Result<String, NoImageName> {
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    let is_label = |label: &str| {
        let is_inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
        !label.is_empty()
            && label.chars().all(is_inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
    match host.split('.').all(is_label) && port.is_none_or(is_port) {
        true => Ok(text.to_owned()),
        false => Err(NoImageName::Registry),
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_separator =
        |run: &str| matches!(run, "" | "." | "_" | "__") || run.bytes().all(|byte| byte == b'-');
    text.starts_with(is_plain) && text.ends_with(is_plain) && text.split(is_plain).all(is_separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_docker_reads_it() {
        for (text, whole) in [
            ("nginx", "docker.io/library/nginx:latest"),
            ("shop/api:1.4.2", "docker.io/shop/api:1.4.2"),
            ("localhost/api", "localhost/api:latest"),
            ("localhost:5000/api:1", "localhost:5000/api:1"),
            ("registry.example.com/shop/api:1.4.2", "registry.example.com/shop/api:1.4.2"),
            ("a__b/c-d--e.f_g", "docker.io/a__b/c-d--e.f_g:latest"),
        ] {
            assert_eq!(text.parse::<ImageName>().unwrap().to_string(), whole, "{text}");
        }
        let digest = format!("sha256:{}", "0a".repeat(32));
        let name: ImageName = format!("r.io/api:1@{digest}").parse().unwrap();
        assert_eq!(name.to_string(), format!("r.io/api@{digest}"));
        assert_eq!(name.by_digest("sha256:x"), "r.io/api@sha256:x");
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for (text, error) in [
            ("", NoImageName::Empty),
            ("https://r.io/api", NoImageName::Scheme),
            ("Shop/api", NoImageName::Path),
            ("shop//api", NoImageName::Path),
            ("a___b", NoImageName::Path),
            ("api-", NoImageName::Path),
            ("r.io/", NoImageName::Path),
            ("-r.io/api", NoImageName::Registry),
            ("r.io:0/api", NoImageName::Registry),
            ("r.io:99999/api", NoImageName::Registry),
            ("api:", NoImageName::Tag),
            ("api:-1", NoImageName::Tag),
            ("api:{version}", NoImageName::Tag),
            ("api@sha256:abc", NoImageName::Digest),
            ("api@md5:abc", NoImageName::Digest),
        ] {
            assert_eq!(text.parse::<ImageName>(), Err(error), "{text:?}");
        }
        assert_eq!("a".repeat(300).parse::<ImageName>(), Err(NoImageName::Length));
    }
}
