//! Hosts: the names of machines, what a route matches, what is sent as `Host`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use model::HostMatch;

use super::shown;
use crate::faults::Flaw;

/// Reads what a route matches: `api.example.com`, `*.example.com`, `10.0.0.1`, `[::1]`.
pub(crate) fn parse_match(text: &str) -> Result<HostMatch, Flaw> {
    if let Some(address) = in_brackets(text).and_then(|address| address.parse::<Ipv6Addr>().ok()) {
        return Ok(HostMatch::Exact(format!("[{address}]")));
    }
    if text.parse::<Ipv4Addr>().is_ok() {
        return Ok(HostMatch::Exact(text.to_owned()));
    }
    let (name, make): (_, fn(String) -> HostMatch) = match text.strip_prefix("*.") {
        Some(name) => (name, HostMatch::Wildcard),
        None => (text, HostMatch::Exact),
    };
    match parse_name(name) {
        Ok(name) if !name.ends_with('.') => Ok(make(name)),
        Ok(_) => Err(misread_match(text, "the dot at the end is not matched")),
        Err(why) => Err(misread_match(text, &why)),
    }
}

/// What is wrong with `text`, which for `why` is no host that is matched, and how it was probably
/// meant.
fn misread_match(text: &str, why: &str) -> Flaw {
    let flaw = |why: &str, hint: String| {
        Flaw::invalid(format!("\"{}\" is not a host", shown(text)), why, hint)
    };
    let write = |text: &str| format!("write \"{}\"", shown(text));
    let example = || "write a host such as \"api.example.com\" or \"*.example.com\"".to_owned();
    if text == "*" {
        return flaw("this would be any host", "leave `host` out for any host".to_owned());
    }
    if text.starts_with('~') {
        return flaw("hosts are not matched by expressions", example());
    }
    if let Some((_, rest)) = text.split_once("://") {
        return flaw("a host is no URL", write(rest.split('/').next().unwrap_or(rest)));
    }
    if let Some((_, path)) = text.split_once('/') {
        return flaw("a host has no path", format!("write `path = \"/{}\"` too", shown(path)));
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return flaw("an IPv6 address is written in brackets", write(&format!("[{text}]")));
    }
    if let Some((name, _)) = text.rsplit_once(':').filter(|_| in_brackets(text).is_none()) {
        return flaw("ports are not matched", write(name));
    }
    if text.contains('*') && !text.starts_with("*.") || text.matches('*').count() > 1 {
        let hint = "write it like \"*.example.com\"".to_owned();
        return flaw("a star is allowed only at the front, for whole labels", hint);
    }
    match text.strip_suffix('.') {
        Some(name) if parse_name(name).is_ok() => flaw(why, write(name)),
        _ => flaw(why, example()),
    }
}

fn in_brackets(text: &str) -> Option<&str> {
    text.strip_prefix('[').and_then(|text| text.strip_suffix(']'))
}

/// Reads what is sent as `Host`: a name or an address, with a port if need be.
pub(crate) fn parse_authority(text: &str) -> Result<String, Flaw> {
    if let Some((_, rest)) = text.split_once("://") {
        let host = rest.split('/').next().unwrap_or(rest);
        let what = format!("\"{}\" is not a host", shown(text));
        return Err(Flaw::invalid(what, "a host is no URL", format!("write \"{}\"", shown(host))));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    };
    let checked = match in_brackets(host) {
        Some(address) if address.parse::<Ipv6Addr>().is_ok() => Ok(()),
        Some(_) => Err("there is no IPv6 address in the brackets".to_owned()),
        None if host.parse::<IpAddr>().is_ok() => Ok(()),
        None => parse_name(host).map(drop),
    };
    // A number as Rust reads it may have a sign.
    let is_port =
        |port: &str| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok();
    let port_is_wrong = port.is_some_and(|port| !is_port(port));
    let checked = match checked {
        Ok(()) if port_is_wrong => Err("the port is a number from 0 to 65535".to_owned()),
        checked => checked,
    };
    let what = || format!("\"{}\" is not a host", shown(text));
    let hint = "write a host such as \"api.internal\" or \"api.internal:8080\"";
    checked.map(|()| text.to_owned()).map_err(|why| Flaw::invalid(what(), why, hint))
}

/// Whether `authority`, which [`parse_authority`] reads, is an address and no name.
pub(crate) fn is_address(authority: &str) -> bool {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => host,
        _ => authority,
    };
    in_brackets(host).is_some() || host.parse::<IpAddr>().is_ok()
}

/// Reads the domain of a cookie; a dot before it means nothing (RFC 6265 §5.2.3).
pub(crate) fn parse_domain(text: &str) -> Result<String, Flaw> {
    parse_name(text.strip_prefix('.').unwrap_or(text)).map_err(|why| {
        let what = format!("\"{}\" is not a domain", shown(text));
        Flaw::invalid(what, why, "write it like \"example.com\"")
    })
}

/// Checks the name of a machine, and puts it in lower case. Underscores are allowed, as names
/// inside clusters have them. The error says why it is none.
pub(crate) fn parse_name(name: &str) -> Result<String, String> {
    let labels = name.strip_suffix('.').unwrap_or(name);
    if labels.is_empty() {
        return Err("the name is missing".to_owned());
    }
    if !name.is_ascii() {
        return Err("names with other letters are written in their ASCII form (xn--...)".to_owned());
    }
    if labels.len() > 253 {
        return Err("a name has 253 characters at the most".to_owned());
    }
    for label in labels.split('.') {
        check_label(label)?;
    }
    let last = labels.rsplit('.').next().unwrap_or(labels);
    if last.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("it looks like an IPv4 address, but is none".to_owned());
    }
    Ok(name.to_ascii_lowercase())
}

fn check_label(label: &str) -> Result<(), String> {
    let is_allowed = |b: char| b.is_ascii_alphanumeric() || matches!(b, '-' | '_');
    if label.is_empty() {
        return Err("there is nothing between two dots".to_owned());
    }
    if let Some(other) = label.chars().find(|c| !is_allowed(*c)) {
        return Err(format!("a name has no {}", described(other)));
    }
    if label.len() > 63 {
        return Err("a label has 63 characters at the most".to_owned());
    }
    if label.starts_with('-') || label.ends_with('-') {
        return Err("a label does not begin or end with `-`".to_owned());
    }
    Ok(())
}

fn described(char: char) -> String {
    match char {
        ' ' => "space".to_owned(),
        other => format!("`{}`", other.escape_debug()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_wildcards_or_addresses() {
        let exact = |text: &str| HostMatch::Exact(text.to_owned());
        for (text, host) in [
            ("api.example.com", exact("api.example.com")),
            ("API.Example.COM", exact("api.example.com")),
            ("*.example.com", HostMatch::Wildcard("example.com".to_owned())),
            ("localhost", exact("localhost")),
            ("10.0.0.1", exact("10.0.0.1")),
            ("[::1]", exact("[::1]")),
            ("[0:0::1]", exact("[::1]")),
        ] {
            assert_eq!(parse_match(text).unwrap(), host, "{text}");
        }
    }

    #[test]
    fn a_near_miss_is_answered_with_what_was_meant() {
        for (text, hint) in [
            ("*", "leave `host` out for any host"),
            ("https://a.b/c", "write \"a.b\""),
            ("a.b/c", "write `path = \"/c\"` too"),
            ("a.b:8080", "write \"a.b\""),
            ("a.b.", "write \"a.b\""),
            ("::1", "write \"[::1]\""),
            ("api.*", "write it like \"*.example.com\""),
            ("api*.a.b", "write it like \"*.example.com\""),
        ] {
            assert_eq!(parse_match(text).unwrap_err().hint, hint, "{text}");
        }
        for text in ["", ".", "a..b", "a b", "ä.de", "-a", "a-.b", "1.2.3.400", "~a", "[x]", "*."]
        {
            assert!(parse_match(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_sent_as_host_may_have_a_port() {
        for text in ["api.internal", "api.internal:8080", "10.0.0.1:80", "[::1]", "[::1]:80"] {
            assert_eq!(parse_authority(text).unwrap(), text);
        }
        for text in ["", ":80", "a:b", "a/b", "a b", "[x]:1", "a\r\nb", "a:99999"] {
            assert!(parse_authority(text).is_err(), "{text}");
        }
    }
}
