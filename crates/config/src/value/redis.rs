//! URLs of Redis and Valkey: where a server is, and what it is told of its client.

use std::net::{IpAddr, Ipv6Addr};

use model::{Login, RedisNode, Secret, Transport};

use super::shown;
use crate::faults::Flaw;
use crate::value::{host, url};

/// A sentinel's port, where its URL names none.
pub(crate) const PORT_OF_SENTINELS: u16 = 26_379;
/// A server's.
pub(crate) const PORT: u16 = 6_379;

/// What a URL of a server begins with, and how it is spoken to then.
const SCHEMES: [(&str, Transport); 4] = [
    ("redis", Transport::Plain),
    ("rediss", Transport::Tls),
    ("valkey", Transport::Plain),
    ("valkeys", Transport::Tls),
];

/// Reads `redis://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE]`, or `rediss://` for TLS. `port` is what stands for none.
pub(crate) fn parse(text: &str, port: u16) -> Result<RedisNode, Flaw> {
    let Some((scheme, rest)) = text.split_once("://") else {
        let hint = "write it as in \"redis://127.0.0.1:6379\", or \"rediss://\" for TLS";
        return Err(flaw(text, "it has no scheme", hint));
    };
    let known = SCHEMES.into_iter().find(|(name, _)| scheme.eq_ignore_ascii_case(name));
    let Some((_, transport)) = known else {
        let why = match scheme {
            "unix" | "redis+unix" => "the store is spoken to over TCP, not over Unix sockets",
            _ => "it begins with neither `redis://` nor `rediss://`",
        };
        return Err(flaw(text, why, "write it as in \"redis://127.0.0.1:6379\""));
    };
    if rest.contains(['?', '#']) {
        return Err(flaw(
            text,
            "it has parameters",
            "they are keys of `[store]`: leave them out here",
        ));
    }
    // A password may have an `@` that should have been escaped; a host has none.
    let (account, rest) = match rest.rsplit_once('@') {
        Some((account, rest)) => (Some(account), rest),
        None => (None, rest),
    };
    let (place, database) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = place_of(place, port).map_err(|why| {
        flaw(text, &why, "write a name or an address with a port, as in \"redis://10.0.0.5:6379\"")
    })?;
    let database = match database {
        "" => 0,
        number => number.parse().map_err(|_| {
            flaw(text, "what stands behind the `/` is the number of a database", "leave it out")
        })?,
    };
    let (username, password) = account_of(account)
        .ok_or_else(|| flaw(text, "`%` begins no two hexadecimal digits", "write %25 for a `%`"))?;
    let login = Login { username, password, database };
    Ok(RedisNode { host, port, transport, login })
}

/// Where it is, as `10.0.0.5:6379`.
fn place_of(text: &str, port: u16) -> Result<(String, u16), String> {
    let (host, number) = match text.rsplit_once(':') {
        Some((host, number)) if !number.contains(']') => (host, Some(number)),
        _ => (text, None),
    };
    let port = match number.map(str::parse::<u16>) {
        None => port,
        Some(Ok(number @ 1..)) => number,
        Some(_) => return Err("the port is a number from 1 to 65535".to_owned()),
    };
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    if let Some(address) = inner {
        let parsed = address.parse::<Ipv6Addr>();
        return match parsed {
            Ok(address) => Ok((address.to_string(), port)),
            Err(_) => Err("in brackets stands an IPv6 address".to_owned()),
        };
    }
    if host.contains(':') {
        return Err("an IPv6 address is written in brackets".to_owned());
    }
    match host.parse::<IpAddr>() {
        Ok(address) => Ok((address.to_string(), port)),
        Err(_) => Ok((host::parse_name(host)?, port)),
    }
}

/// The user and the password that stand before the `@`; `None` where they cannot be read.
fn account_of(account: Option<&str>) -> Option<(Option<String>, Option<Secret>)> {
    let (user, password) = account.map_or(("", None), |account| match account.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (account, None),
    });
    let user = String::from_utf8(unescaped(user)?).ok()?;
    let password = match password.filter(|password| !password.is_empty()) {
        Some(password) => Some(String::from_utf8(unescaped(password)?).ok()?),
        None => None,
    };
    let password = password.map(|password| Secret::new(password.into_bytes()));
    Some((Some(user).filter(|user| !user.is_empty()), password))
}

/// `text` with what `%` and two digits stand for.
fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            let is_number = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            bytes.push(u8::from_str_radix(digits, 16).ok().filter(|_| is_number)?);
            rest = &after[2..];
        } else {
            bytes.push(byte);
        }
    }
    Some(bytes)
}

fn flaw(text: &str, why: &str, hint: &str) -> Flaw {
    let hidden = url::without_password(text);
    let shown = shown(hidden.as_deref().unwrap_or(text));
    Flaw::invalid(format!("\"{shown}\" is not the URL of a Redis or Valkey"), why, hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> RedisNode {
        parse(text, PORT).unwrap_or_else(|flaw| panic!("{text}: {}", flaw.why))
    }

    #[test]
    fn a_url_says_where_a_server_is_and_what_it_is_told() {
        let whole = parsed("rediss://app:hunt%2fer2@Cache.internal:7000/3");
        assert_eq!((whole.host.as_str(), whole.port), ("cache.internal", 7000));
        assert_eq!((whole.transport, whole.login.database), (Transport::Tls, 3));
        assert_eq!(whole.login.username.as_deref(), Some("app"));
        assert_eq!(whole.login.password.unwrap().expose(), b"hunt/er2");
        for (text, host, port) in [
            ("redis://10.0.0.5", "10.0.0.5", 6379),
            ("valkey://[::1]:7000", "::1", 7000),
            ("REDIS://[::1]/", "::1", 6379),
        ] {
            let node = parsed(text);
            assert_eq!((node.host.as_str(), node.port), (host, port), "{text}");
            assert_eq!(node.login, Login::default(), "{text}");
        }
        assert_eq!(parsed("redis://:p@h").login.username, None);
        assert_eq!(parsed("redis://:a@b@h").login.password.unwrap().expose(), b"a@b");
        assert_eq!(parse("redis://h", PORT_OF_SENTINELS).unwrap().port, 26_379);
    }

    #[test]
    fn what_is_no_url_of_a_server_is_refused_and_no_password_is_said() {
        for text in [
            "",
            "10.0.0.5:6379",
            "http://10.0.0.5",
            "unix:///run/redis.sock",
            "redis://",
            "redis://h:0",
            "redis://h:65536",
            "redis://h:x",
            "redis://::1:6379",
            "redis://[10.0.0.1]",
            "redis://h/x",
            "redis://h?timeout=1",
            "redis://u:hunter2@",
            "redis://u:hunter2%zz@h",
            "redis://u:hunter2%@h",
            "redis://u:hunter2@h/-1",
        ] {
            let flaw = parse(text, PORT).expect_err(text);
            for said in [&flaw.what, &flaw.why, &flaw.hint] {
                assert!(!said.contains("hunter2"), "{text}: {said}");
            }
        }
    }
}
