//! The way back of a rewrite: what a response says of places that its instance knows under another host or
//! path than the client.
//!
//! Only what certainly means the instance's own space is mapped: a URL with the host that a rewrite gave to
//! the instance, and paths below the prefix that a rewrite put before them. An instance whose prefix is only
//! taken away may well mean the client's space by `Location: /login`; that stays as it is, as with nginx.

use std::net::SocketAddr;

use model::{HeaderEdits, Rewrite};
use wire::head::Fields;

use crate::fields::FieldSink;
use crate::policy::headers::is_edited;
use crate::policy::rewrite::Rewriting;

/// The fields that name places.
const NAMES: [&str; 4] = ["location", "content-location", "refresh", "set-cookie"];

/// Maps places of one exchange's instance to those of its client.
pub(crate) struct Mapping<'a> {
    /// What was taken away from the path.
    stripped: &'a [u8],
    /// What was put before it, without a slash at its end.
    added: &'a [u8],
    /// The host that the instance was given, where that is not the client's.
    host: Option<Vec<u8>>,
    /// The host that the client named.
    authority: &'a [u8],
}

impl<'a> Mapping<'a> {
    /// That of a request that was sent to `instance` by `rewriting`; `None` where nothing was rewritten.
    #[inline]
    pub(crate) fn of(rewriting: &Rewriting<'a>, instance: SocketAddr) -> Option<Self> {
        let Rewrite { strip_prefix, add_prefix, host } = rewriting.rewrite();
        if strip_prefix.is_none() && add_prefix.is_none() && host.is_none() {
            return None;
        }
        let authority = rewriting.authority();
        let told = rewriting.host(instance);
        Some(Self {
            stripped: strip_prefix.as_deref().unwrap_or_default().as_bytes(),
            added: add_prefix.as_deref().unwrap_or_default().trim_end_matches('/').as_bytes(),
            host: (!told.eq_ignore_ascii_case(authority)).then(|| told.into_owned()),
            authority,
        })
    }

    /// Whether fields of this name are written by [`Mapping::write`].
    pub(crate) fn writes(name: &[u8]) -> bool {
        NAMES.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
    }

    /// Writes those of `fields` that name places, mapped, but for those that `edits` has a say in.
    pub(crate) fn write(&self, fields: &Fields, edits: &HeaderEdits, out: &mut impl FieldSink) {
        for (_, name, value) in fields.iter() {
            if !Self::writes(name) || is_edited(edits, name) {
                continue;
            }
            let mapped = match name.to_ascii_lowercase().as_slice() {
                b"set-cookie" => self.cookie(value),
                b"refresh" => self.refresh(value),
                _ => self.place(value),
            };
            out.put(name, mapped.as_deref().unwrap_or(value));
        }
    }

    /// A URL or a path; `None` where it stays as it is.
    fn place(&self, value: &[u8]) -> Option<Vec<u8>> {
        if value.starts_with(b"/") && !value.starts_with(b"//") {
            return self.below_added(value);
        }
        let scheme = [&b"http://"[..], b"https://"].into_iter().find(|scheme| {
            value.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme))
        })?;
        let rest = &value[scheme.len()..];
        let end = rest.iter().position(|byte| b"/?#".contains(byte)).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if self.host.as_ref().is_some_and(|host| is_same_host(host, authority)) {
            // Without scheme and host: what the client calls us is known best by the client.
            return after(path, self.added).map(|rest| self.outside(rest));
        }
        if !is_same_host(self.authority, authority) {
            return None;
        }
        let path = self.below_added(path)?;
        Some([&value[..scheme.len() + end], &path[..]].concat())
    }

    /// `path` as the client knows it, if it lies below the prefix that was put before.
    fn below_added(&self, path: &[u8]) -> Option<Vec<u8>> {
        if self.added.is_empty() {
            return None;
        }
        after(path, self.added).map(|rest| self.outside(rest))
    }

    /// The client's path for what follows the instance's prefix.
    fn outside(&self, rest: &[u8]) -> Vec<u8> {
        let slash: &[u8] = match (self.stripped, rest) {
            (_, [b'/', ..]) => b"",
            ([], _) => b"/",
            _ => b"",
        };
        [self.stripped, slash, rest].concat()
    }

    fn refresh(&self, value: &[u8]) -> Option<Vec<u8>> {
        let at = value.to_ascii_lowercase().windows(4).position(|part| part == b"url=")? + 4;
        let (before, url) = value.split_at(at);
        Some([before, &self.place(url.trim_ascii())?].concat())
    }

    /// A cookie whose path lies in the instance's space; one for `/` stays one for all.
    fn cookie(&self, value: &[u8]) -> Option<Vec<u8>> {
        let mut has_changed = false;
        let attributes = value.split(|byte| *byte == b';').enumerate().map(|(place, attribute)| {
            let mapped = if place == 0 { None } else { self.cookie_path(attribute) };
            has_changed |= mapped.is_some();
            mapped.unwrap_or_else(|| attribute.to_vec())
        });
        let mapped = attributes.collect::<Vec<_>>().join(&b';');
        has_changed.then_some(mapped)
    }

    fn cookie_path(&self, attribute: &[u8]) -> Option<Vec<u8>> {
        let equals = attribute.iter().position(|byte| *byte == b'=')?;
        let (name, path) = (&attribute[..equals], attribute[equals + 1..].trim_ascii());
        if !name.trim_ascii().eq_ignore_ascii_case(b"path") {
            return None;
        }
        let mapped = match self.added {
            [] if path == b"/" || !path.starts_with(b"/") => None,
            [] if self.stripped.is_empty() || after(path, self.stripped).is_some() => None,
            _ => after(path, self.added).map(|rest| self.outside(rest)),
        };
        mapped.map(|path| [name, b"=", &path[..]].concat())
    }
}

/// What follows `prefix`, which ends at the end of a segment.
fn after<'a>(path: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    path.strip_prefix(prefix).filter(|rest| matches!(rest, [] | [b'/' | b'?' | b'#', ..]))
}

/// Whether both name the same host, whatever their ports are of `http` and `https` itself.
fn is_same_host(one: &[u8], other: &[u8]) -> bool {
    let bare = |host: &[u8]| {
        let bare = host.strip_suffix(b":80").or_else(|| host.strip_suffix(b":443"));
        bare.unwrap_or(host).to_ascii_lowercase()
    };
    !one.is_empty() && bare(one) == bare(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(
        stripped: &'static str,
        added: &'static str,
        host: Option<&str>,
    ) -> Mapping<'static> {
        Mapping {
            stripped: stripped.as_bytes(),
            added: added.as_bytes(),
            host: host.map(|host| host.as_bytes().to_vec()),
            authority: b"shop.example:8080",
        }
    }

    fn text(mapped: Option<Vec<u8>>) -> Option<String> {
        mapped.map(|mapped| String::from_utf8(mapped).unwrap())
    }

    #[test]
    fn a_prefix_that_was_added_is_taken_off_and_what_was_stripped_put_back() {
        let both = mapping("/v", "/w", None);
        for (value, wanted) in [
            ("/w/login?x=/w/", Some("/v/login?x=/w/")),
            ("/w", Some("/v")),
            ("/w#a", Some("/v#a")),
            ("http://shop.example:8080/w/a", Some("http://shop.example:8080/v/a")),
            ("HTTPS://SHOP.example:8080/w", Some("HTTPS://SHOP.example:8080/v")),
            ("/wide", None),
            ("/login", None),
            ("//shop.example/w/a", None),
            ("http://other.example/w/a", None),
            ("w/a", None),
            ("", None),
        ] {
            assert_eq!(text(both.place(value.as_bytes())).as_deref(), wanted, "{value}");
        }
        let added = mapping("", "/w", None);
        assert_eq!(text(added.place(b"/w/a")).as_deref(), Some("/a"));
        assert_eq!(text(added.place(b"/w")).as_deref(), Some("/"));
        assert_eq!(text(added.place(b"/w?a")).as_deref(), Some("/?a"));
    }

    #[test]
    fn what_is_only_stripped_may_mean_the_clients_space() {
        let stripped = mapping("/api", "", None);
        for value in ["/login", "/api/x", "http://shop.example:8080/dashboard"] {
            assert_eq!(stripped.place(value.as_bytes()), None, "{value}");
        }
    }

    #[test]
    fn a_host_that_only_the_instance_knows_is_taken_off() {
        let host = mapping("/api", "", Some("internal:80"));
        for (value, wanted) in [
            ("http://internal/x?y#z", Some("/api/x?y#z")),
            ("http://INTERNAL:80", Some("/api")),
            ("https://internal:443/", Some("/api/")),
            ("http://internal:81/x", None),
            ("http://internal.example/x", None),
            ("/x", None),
        ] {
            assert_eq!(text(host.place(value.as_bytes())).as_deref(), wanted, "{value}");
        }
        let deep = mapping("", "/w", Some("internal"));
        assert_eq!(text(deep.place(b"http://internal/w/a")).as_deref(), Some("/a"));
        assert_eq!(deep.place(b"http://internal/a"), None, "no place of the client's");
    }

    #[test]
    fn refreshes_and_cookies_follow() {
        let both = mapping("/v", "/w", None);
        let refresh = text(both.refresh(b"5; URL= /w/a")).unwrap();
        assert_eq!(refresh, "5; URL=/v/a");
        assert_eq!(both.refresh(b"5"), None);
        let cookie = |mapping: &Mapping<'_>, path: &str| {
            text(mapping.cookie(format!("path=1; Path={path}; Secure").as_bytes()))
        };
        assert_eq!(cookie(&both, "/w/a").as_deref(), Some("path=1; Path=/v/a; Secure"));
        assert_eq!(cookie(&both, "/w").as_deref(), Some("path=1; Path=/v; Secure"));
        assert_eq!(cookie(&both, "/"), None);
        let stripped = mapping("/api", "", None);
        assert_eq!(cookie(&stripped, "/auth").as_deref(), Some("path=1; Path=/api/auth; Secure"));
        assert_eq!(cookie(&stripped, "/api/auth"), None, "it knows its place");
        assert_eq!(cookie(&stripped, "/"), None);
        assert_eq!(both.cookie(b"a=b"), None);
    }
}
