//! Addresses with ports: where a listener listens, where a target is.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use model::Host;

use super::shown;
use crate::faults::Flaw;
use crate::value::host;

/// Reads where to listen: an IP address with a port, which may be 0.
pub(crate) fn parse_bind(text: &str) -> Result<SocketAddr, Flaw> {
    text.parse().map_err(|_| misread_bind(text))
}

/// Reads where a target is: an IP address or a name, with a port.
pub(crate) fn parse_target(text: &str) -> Result<(Host, u16), Flaw> {
    if text.starts_with("unix:") || text.starts_with('/') {
        let why = "targets are spoken to over TCP, not over Unix sockets";
        return Err(flaw(text, why, "let the target listen on a port of 127.0.0.1"));
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        return Err(misread_url(text, scheme, rest));
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        let host = Host::Address(address.ip());
        return Ok((target_host(text, host)?, target_port(text, address.port())?));
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return Err(without_port(text));
    };
    if let Some(flaw) = without_brackets(text, host, port) {
        return Err(flaw);
    }
    if text.contains('/') {
        return Err(flaw(text, "a target has no path", "`rewrite.add_prefix` of a route adds one"));
    }
    let port = match port.parse() {
        Ok(port) => target_port(text, port)?,
        Err(_) => return Err(flaw(text, "the port is a number from 1 to 65535", example(host))),
    };
    Ok((Host::Name(host::parse_name(host).map_err(|why| name_flaw(text, &why))?), port))
}

/// An IPv6 address whose port, if it has one, cannot be told from its last group.
fn without_brackets(text: &str, host: &str, port: &str) -> Option<Flaw> {
    if host.parse::<Ipv6Addr>().is_ok() && port.parse::<u16>().is_ok() {
        let hint = format!("write \"[{host}]:{port}\"");
        return Some(flaw(text, "an IPv6 address with a port is written in brackets", hint));
    }
    let is_address = text.parse::<Ipv6Addr>().is_ok();
    is_address.then(|| flaw(text, "the port is missing", format!("write \"[{text}]:8080\"")))
}

fn target_host(text: &str, host: Host) -> Result<Host, Flaw> {
    match host {
        Host::Address(address) if address.is_unspecified() => Err(flaw(
            text,
            "this is every address and no address in particular",
            "write \"127.0.0.1\" for this machine",
        )),
        _ => Ok(host),
    }
}

fn target_port(text: &str, port: u16) -> Result<u16, Flaw> {
    match port {
        0 => Err(flaw(text, "nothing listens on port 0", "the port is from 1 to 65535")),
        _ => Ok(port),
    }
}

fn example(host: &str) -> String {
    let host = if host.is_empty() { "10.0.0.11" } else { host };
    format!("write it as \"{}:8080\"", shown(host))
}

fn without_port(text: &str) -> Flaw {
    match text.parse::<u16>() {
        Ok(port) => flaw(text, "the address is missing", format!("write \"127.0.0.1:{port}\"")),
        Err(_) => flaw(text, "the port is missing", example(text)),
    }
}

fn misread_url(text: &str, scheme: &str, rest: &str) -> Flaw {
    let authority = rest.split('/').next().unwrap_or(rest);
    let usual_port = if scheme == "https" { 443 } else { 80 };
    let with_port = match authority.contains(':') {
        true => authority.to_owned(),
        false => format!("{authority}:{usual_port}"),
    };
    match scheme {
        "http" | "h2c" | "https" => {
            flaw(text, "a target is no URL", format!("write \"{with_port}\""))
        }
        _ => flaw(text, "targets are spoken to over TCP only", "write an address with a port"),
    }
}

fn name_flaw(text: &str, why: &str) -> Flaw {
    flaw(text, why, "write it as \"10.0.0.11:8080\" or \"api.internal:8080\"")
}

fn flaw(text: &str, why: &str, hint: impl Into<String>) -> Flaw {
    Flaw::invalid(format!("\"{}\" is no address with a port", shown(text)), why, hint)
}

fn misread_bind(text: &str) -> Flaw {
    let stripped = text.split_once("://").map_or(text, |(_, rest)| rest.trim_end_matches('/'));
    if stripped != text {
        let hint = match stripped.parse::<SocketAddr>() {
            Ok(address) => format!("write \"{address}\""),
            Err(_) => "write it as \"0.0.0.0:8080\"".to_owned(),
        };
        return flaw(text, "an address is no URL", hint);
    }
    if let Ok(port) = text.parse::<u16>() {
        return flaw(text, "the address is missing", every_address(port));
    }
    if text.parse::<Ipv4Addr>().is_ok() {
        return flaw(text, "the port is missing", format!("write \"{text}:8080\""));
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return flaw(text, "the port is missing", "write it as \"0.0.0.0:8080\"");
    };
    if let Some(flaw) = without_brackets(text, host, port) {
        return flaw;
    }
    match (host, port.parse::<u16>()) {
        (_, Err(_)) => {
            flaw(text, "the port is a number from 0 to 65535", "write it as \"0.0.0.0:8080\"")
        }
        ("" | "*", Ok(port)) => flaw(text, "the address is missing", every_address(port)),
        ("localhost", Ok(port)) => {
            let hint = format!("write \"127.0.0.1:{port}\", or a list with \"[::1]:{port}\" too");
            flaw(text, "listeners take addresses, not names", hint)
        }
        (_, Ok(port)) => flaw(
            text,
            "listeners take addresses, not names",
            format!("write an address of this machine, such as \"127.0.0.1:{port}\""),
        ),
    }
}

fn every_address(port: u16) -> String {
    format!(
        "write \"0.0.0.0:{port}\" for every IPv4 address, [\"0.0.0.0:{port}\", \"[::]:{port}\"] for \
         every address"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_addresses_or_names_with_a_port() {
        let address = |text: &str| Host::Address(text.parse().unwrap());
        let name = |text: &str| Host::Name(text.to_owned());
        for (text, host, port) in [
            ("10.0.0.11:8080", address("10.0.0.11"), 8080),
            ("[::1]:80", address("::1"), 80),
            ("api.internal:80", name("api.internal"), 80),
            ("My_Service:1", name("my_service"), 1),
            ("db.example.:5432", name("db.example."), 5432),
        ] {
            assert_eq!(parse_target(text).unwrap(), (host, port), "{text}");
        }
    }

    #[test]
    fn a_near_miss_is_answered_with_what_was_meant() {
        for (text, hint) in [
            ("http://10.0.0.1:80/", "write \"10.0.0.1:80\""),
            ("http://api", "write \"api:80\""),
            ("https://api.example.com:8443/v1", "write \"api.example.com:8443\""),
            ("https://api.example.com", "write \"api.example.com:443\""),
            ("::1", "write \"[::1]:8080\""),
            ("8080", "write \"127.0.0.1:8080\""),
            ("api", "write it as \"api:8080\""),
            ("0.0.0.0:80", "write \"127.0.0.1\" for this machine"),
        ] {
            assert_eq!(parse_target(text).unwrap_err().hint, hint, "{text}");
        }
        for (text, hint) in [
            ("::1:8080", "write \"[::1]:8080\""),
            ("10.0.0.256:80", "write it as \"10.0.0.11:8080\" or \"api.internal:8080\""),
        ] {
            assert_eq!(parse_target(text).unwrap_err().hint, hint, "{text}");
        }
        for text in ["", ":80", "a:", "a:0", "a:99999", "a b:80", "a:80/x", "-a:80", "unix:/x.sock"]
        {
            assert!(parse_target(text).is_err(), "{text}");
        }
    }

    #[test]
    fn listeners_take_addresses_only() {
        assert_eq!(parse_bind("[::]:0").unwrap().port(), 0);
        for (text, hint) in [
            (
                "8080",
                "write \"0.0.0.0:8080\" for every IPv4 address, [\"0.0.0.0:8080\", \"[::]:8080\"] \
                 for every address",
            ),
            (
                "*:80",
                "write \"0.0.0.0:80\" for every IPv4 address, [\"0.0.0.0:80\", \"[::]:80\"] for \
                 every address",
            ),
            ("localhost:80", "write \"127.0.0.1:80\", or a list with \"[::1]:80\" too"),
            ("10.0.0.1", "write \"10.0.0.1:8080\""),
            ("http://1.2.3.4:5/", "write \"1.2.3.4:5\""),
            ("fe80::1:80:x", "write it as \"0.0.0.0:8080\""),
        ] {
            assert_eq!(parse_bind(text).unwrap_err().hint, hint, "{text}");
        }
        for text in ["", "a", "a:b", "1.2.3.4:99999", "example.com:80"] {
            assert!(parse_bind(text).is_err(), "{text}");
        }
    }
}
