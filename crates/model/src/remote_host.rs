//! Another machine on which instances run, as ssh is told of it: `deploy@10.0.0.11`, `web1`, `ssh://deploy@web1:2222`.

use std::fmt;
use std::str::FromStr;

/// How a host's URL begins, which alone has a port.
const SCHEME: &str = "ssh://";

/// Another machine on which instances run. What it means beyond its name, the user's configuration of ssh says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RemoteHost(String);

/// A text that is no such host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRemoteHost;

impl RemoteHost {
    /// As ssh takes it. It begins with a letter, a digit or `_`, so it is none of its options.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As a URL: `ssh://deploy@10.0.0.11`.
    pub fn url(&self) -> String {
        if self.0.starts_with(SCHEME) {
            return self.0.clone();
        }
        let (user, host) = match self.0.rsplit_once('@') {
            Some((user, host)) => (format!("{user}@"), host),
            None => (String::new(), self.0.as_str()),
        };
        match host.contains(':') {
            true => format!("{SCHEME}{user}[{host}]"),
            false => format!("{SCHEME}{user}{host}"),
        }
    }
}

impl fmt::Display for RemoteHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RemoteHost {
    type Err = NoRemoteHost;

    fn from_str(text: &str) -> Result<Self, NoRemoteHost> {
        let (rest, has_scheme) = match text.strip_prefix(SCHEME) {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        let (user, place) = match rest.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, rest),
        };
        let (host, port) = match has_scheme {
            true => with_port(place),
            false => (place, None),
        };
        // One of version 6 stands in brackets in a URL, and alone elsewhere.
        let address = match has_scheme {
            true => host.strip_prefix('[').and_then(|host| host.strip_suffix(']')),
            false => Some(host),
        };
        let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
        let is_fine =
            user.is_none_or(is_name) && is_place(host, address) && port.is_none_or(is_port);
        is_fine.then(|| Self(text.to_owned())).ok_or(NoRemoteHost)
    }
}

/// The host of a URL and its port.
fn with_port(place: &str) -> (&str, Option<&str>) {
    match place.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (place, None),
    }
}

/// Whether `host` is a name, or what `address` is of it an address.
fn is_place(host: &str, address: Option<&str>) -> bool {
    let is_v6 = |text: &str| text.parse::<std::net::Ipv6Addr>().is_ok();
    is_name(host) || address.is_some_and(is_v6)
}

fn is_name(text: &str) -> bool {
    let is_first = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.starts_with(is_first) && text.chars().all(|c| is_first(c) || ".-".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_url_where_one_is_needed() {
        for (text, url) in [
            ("deploy@10.0.0.11", "ssh://deploy@10.0.0.11"),
            ("web1", "ssh://web1"),
            ("deploy@2001:db8::1", "ssh://deploy@[2001:db8::1]"),
            ("ssh://web1:2222", "ssh://web1:2222"),
        ] {
            assert_eq!(text.parse::<RemoteHost>().unwrap().url(), url);
        }
    }

    #[test]
    fn a_host_is_what_ssh_takes_for_one_and_none_of_its_options() {
        for text in [
            "10.0.0.11",
            "deploy@10.0.0.11",
            "web1",
            "de-ploy_2@web1.example.com",
            "deploy@2001:db8::1",
            "ssh://web1",
            "ssh://deploy@web1:2222",
            "ssh://[2001:db8::1]:2222",
        ] {
            assert_eq!(text.parse::<RemoteHost>().unwrap().as_str(), text);
        }
        for text in [
            "",
            "-oProxyCommand=x",
            "a@-x",
            "@web1",
            "web1:2222",
            "web1 x",
            "ssh://",
            "ssh://web1:0",
            "ssh://web1:",
            "http://web1",
            "web1/x",
            "$(x)",
        ] {
            assert_eq!(text.parse::<RemoteHost>(), Err(NoRemoteHost), "{text:?}");
        }
    }
}
