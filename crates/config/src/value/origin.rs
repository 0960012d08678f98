//! Origins of pages, as browsers write them: a scheme, a host, and a port that is not the scheme's own.

use model::OriginMatch;

use super::{host, shown};
use crate::faults::Flaw;

/// Reads an origin, `*` for any, or `https://*.example.com` for all below a domain.
pub(crate) fn parse(text: &str) -> Result<OriginMatch, Flaw> {
    let flaw = |why: &str, hint: String| {
        Flaw::invalid(format!("\"{}\" is not an origin", shown(text)), why, hint)
    };
    let example = || "write it like \"https://shop.example.com\"".to_owned();
    if text == "*" {
        return Ok(OriginMatch::Any);
    }
    if text == "null" {
        let why = "many pages have this one: those of files, of sandboxes and behind redirects";
        return Err(flaw(why, "name the origin that is meant, or \"*\" for any".to_owned()));
    }
    let Some((scheme, authority)) = text.split_once("://") else {
        let hint = format!("write \"https://{}\"", shown(text));
        return Err(flaw("it has no scheme", if text.is_empty() { example() } else { hint }));
    };
    let is_scheme = |text: &str| {
        let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
        text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.bytes().all(is_allowed)
    };
    if !is_scheme(scheme) {
        return Err(flaw("this is no scheme", example()));
    }
    if let Some((authority, _)) = authority.split_once(['/', '?', '#']) {
        let hint = format!("write \"{scheme}://{}\"", shown(authority));
        return Err(flaw("an origin has no path", hint));
    }
    let (scheme, authority) = (scheme.to_ascii_lowercase(), authority.to_ascii_lowercase());
    let own_port = match &*scheme {
        "http" => ":80",
        "https" => ":443",
        _ => "",
    };
    if let Some(host) = authority.strip_suffix(own_port).filter(|_| !own_port.is_empty()) {
        let hint = format!("write \"{scheme}://{}\"", shown(host));
        return Err(flaw("browsers leave the port out that the scheme means", hint));
    }
    let (host, is_below) = match authority.strip_prefix("*.") {
        Some(host) => (host, true),
        None => (&*authority, false),
    };
    host::parse_authority(host).map_err(|error| flaw(&error.why, example()))?;
    if let Some(plain) = port_in_full(&authority) {
        let plain = plain.strip_suffix(own_port).unwrap_or(&plain);
        let hint = format!("write \"{scheme}://{}\"", shown(plain));
        return Err(flaw("browsers write the port without zeros before it", hint));
    }
    if is_below && host::is_address(host) {
        let hint = format!("write \"{scheme}://{}\"", shown(host));
        return Err(flaw("there is nothing below an address", hint));
    }
    Ok(match is_below {
        true => OriginMatch::Below { scheme, authority: host.to_owned() },
        false => OriginMatch::Exact(format!("{scheme}://{authority}")),
    })
}

/// The authority as browsers write it, where its port has zeros before it.
fn port_in_full(authority: &str) -> Option<String> {
    let (host, port) = authority.rsplit_once(':').filter(|(_, port)| !port.contains(']'))?;
    let plain = port.trim_start_matches('0');
    (plain.len() < port.len() && !plain.is_empty()).then(|| format!("{host}:{plain}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_read_as_browsers_write_them() {
        for (text, read) in [
            ("*", "*"),
            ("HTTPS://Shop.example", "https://shop.example"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("https://*.example.com:8443", "https://*.example.com:8443"),
            ("http://[::1]:80a", ""),
            ("capacitor://localhost", "capacitor://localhost"),
            ("https://a.example:443", ""),
            ("http://a.example:80", ""),
            ("https://a.example:80", "https://a.example:80"),
            ("https://a.example/", ""),
            ("https://a:0443", ""),
            ("https://a:+443", ""),
            ("https://*.1.2.3.4", ""),
            ("https://*.[::1]:8080", ""),
            ("https://1.2.3.4:8080", "https://1.2.3.4:8080"),
            ("https://", ""),
            ("https://*", ""),
            ("https://a.*.example", ""),
            ("shop.example", ""),
            ("null", ""),
            ("", ""),
            ("1a://b", ""),
        ] {
            let origin = parse(text).map(|it| it.to_string()).unwrap_or_default();
            assert_eq!(origin, read, "{text}");
        }
        assert_eq!(parse("https://a.example/x").unwrap_err().hint, "write \"https://a.example\"");
        assert_eq!(parse("http://a:80").unwrap_err().hint, "write \"http://a\"");
    }
}
