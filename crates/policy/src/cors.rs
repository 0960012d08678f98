//! `cors`: which pages of other origins may use a route, by the protocol of the Fetch standard. Only browsers hold
//! themselves to it: what is decided here is what they are told, never whether a request may pass.

use std::time::Duration;

use model::OriginMatch;

/// What browsers are told of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    is_any: bool,
    /// In order.
    exact: Box<[Box<[u8]>]>,
    below: Box<[Below]>,
    /// Each list as it is told; `None` for what is asked for.
    methods: Option<Box<str>>,
    headers: Option<Box<str>>,
    expose: Option<Box<str>>,
    credentials: bool,
    max_age: Option<Box<str>>,
}

/// `https://*.example.com`, in two parts: `https://` and `.example.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Below {
    begin: Box<[u8]>,
    end: Box<[u8]>,
}

/// What a request says of the page that it is from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked<'a> {
    /// Its `Origin`, where it has one and no more than one.
    pub origin: Option<&'a [u8]>,
    /// There where a browser asks beforehand.
    pub preflight: Option<Preflight<'a>>,
}

/// What a browser asks before it sends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preflight<'a> {
    /// The method that the request would have.
    pub method: &'a [u8],
    /// The headers that it would have, as a list, beside those that every page may send.
    pub headers: &'a [u8],
}

/// Who may use a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// No page of another origin.
    Nobody,
    /// Every page.
    Anybody,
    /// The pages of the origin that asks.
    Asker,
}

impl Cors {
    /// What `cors` says.
    pub fn new(cors: &model::Cors) -> Self {
        let mut exact: Vec<Box<[u8]>> = Vec::new();
        let mut below = Vec::new();
        for origin in &cors.origins {
            match origin {
                OriginMatch::Any => {}
                OriginMatch::Exact(origin) => exact.push(origin.as_bytes().into()),
                OriginMatch::Below { scheme, authority } => below.push(Below {
                    begin: format!("{scheme}://").into_bytes().into(),
                    end: format!(".{authority}").into_bytes().into(),
                }),
            }
        }
        exact.sort_unstable();
        Self {
            is_any: cors.origins.contains(&OriginMatch::Any),
            exact: exact.into(),
            below: below.into(),
            methods: list(&cors.methods),
            headers: list(&cors.headers),
            expose: list(&cors.expose),
            credentials: cors.credentials,
            max_age: cors.max_age.as_ref().map(Duration::as_secs).map(|it| it.to_string().into()),
        }
    }

    /// Who may use a response to a request that is from a page of `origin`, or from none.
    pub fn grant(&self, origin: Option<&[u8]>) -> Grant {
        if self.is_any {
            return Grant::Anybody;
        }
        match origin {
            Some(origin) if self.knows(origin) => Grant::Asker,
            _ => Grant::Nobody,
        }
    }

    fn knows(&self, origin: &[u8]) -> bool {
        let is_exact = self.exact.binary_search_by(|known| (**known).cmp(origin)).is_ok();
        is_exact || self.below.iter().any(|below| below.has(origin))
    }

    /// Says by `put` what a response tells beside [`Cors::vary`]: each a header's name and its value.
    pub fn tell(&self, grant: Grant, asked: Asked<'_>, put: &mut dyn FnMut(&str, &[u8])) {
        match (grant, asked.origin) {
            (Grant::Anybody, _) => put("Access-Control-Allow-Origin", b"*"),
            (Grant::Asker, Some(origin)) => put("Access-Control-Allow-Origin", origin),
            (Grant::Nobody, _) | (Grant::Asker, None) => return,
        }
        if self.credentials {
            put("Access-Control-Allow-Credentials", b"true");
        }
        let Some(preflight) = asked.preflight else {
            if let Some(expose) = &self.expose {
                put("Access-Control-Expose-Headers", expose.as_bytes());
            }
            return;
        };
        let methods = told(self.methods.as_deref(), preflight.method);
        let headers = told(self.headers.as_deref(), preflight.headers);
        for (name, value) in
            [("Access-Control-Allow-Methods", methods), ("Access-Control-Allow-Headers", headers)]
        {
            if let Some(value) = value {
                put(name, value);
            }
        }
        if let Some(max_age) = &self.max_age {
            put("Access-Control-Max-Age", max_age.as_bytes());
        }
    }

    /// By which headers of its request a response differs, for caches: also one that tells nothing, for another
    /// page would have been told something.
    pub fn vary(&self, asked: Asked<'_>) -> &'static [&'static str] {
        match (asked.preflight, self.is_any) {
            (Some(_), _) => {
                &["Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers"]
            }
            (None, false) => &["Origin"],
            (None, true) => &[],
        }
    }
}

impl Below {
    fn has(&self, origin: &[u8]) -> bool {
        let host = origin.strip_prefix(&*self.begin).and_then(|it| it.strip_suffix(&*self.end));
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
        let is_label = |label: &[u8]| !label.is_empty() && label.iter().all(is_plain);
        host.is_some_and(|host| host.split(|byte| *byte == b'.').all(is_label))
    }
}

fn list(names: &[String]) -> Option<Box<str>> {
    (!names.is_empty()).then(|| names.join(", ").into())
}

/// What is told of methods or headers: `known` if the route has a say, and what is `asked` for otherwise, as far as
/// that is a list of names.
fn told<'a>(known: Option<&'a str>, asked: &'a [u8]) -> Option<&'a [u8]> {
    let is_list = |text: &[u8]| {
        let is_allowed = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~, \t".contains(b);
        !text.is_empty() && text.iter().all(is_allowed)
    };
    known.map(str::as_bytes).or_else(|| Some(asked).filter(|asked| is_list(asked)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(origins: &[&str]) -> model::Cors {
        let origin = |text: &&str| match (*text, text.split_once("://*.")) {
            ("*", _) => OriginMatch::Any,
            (_, Some((scheme, authority))) => {
                OriginMatch::Below { scheme: scheme.into(), authority: authority.into() }
            }
            (text, None) => OriginMatch::Exact(text.into()),
        };
        model::Cors {
            origins: origins.iter().map(origin).collect(),
            methods: Vec::new(),
            headers: Vec::new(),
            expose: Vec::new(),
            credentials: false,
            max_age: None,
        }
    }

    fn told(cors: &model::Cors, asked: Asked<'_>) -> Vec<String> {
        let cors = Cors::new(cors);
        let mut told = Vec::new();
        cors.tell(cors.grant(asked.origin), asked, &mut |name, value| {
            told.push(format!("{name}: {}", String::from_utf8_lossy(value)));
        });
        told
    }

    fn from(origin: &str) -> Asked<'_> {
        Asked { origin: Some(origin.as_bytes()), preflight: None }
    }

    #[test]
    fn an_origin_is_known_as_a_whole_or_below_a_domain() {
        let cors = Cors::new(&cors(&["https://shop.example", "http://*.dev.example:8080"]));
        for known in
            ["https://shop.example", "http://a.dev.example:8080", "http://a.b.dev.example:8080"]
        {
            assert_eq!(cors.grant(Some(known.as_bytes())), Grant::Asker, "{known}");
        }
        for other in [
            "http://shop.example",
            "https://shop.example:444",
            "https://shop.example.evil.example",
            "https://evilshop.example",
            "http://dev.example:8080",
            "http://.dev.example:8080",
            "http://..dev.example:8080",
            "http://a..dev.example:8080",
            "http://.a.dev.example:8080",
            "http://evil.example/.dev.example:8080",
            "http://evil.example@a.dev.example:8080",
            "http://adev.example:8080",
            "https://a.dev.example:8080",
            "null",
            "",
        ] {
            assert_eq!(cors.grant(Some(other.as_bytes())), Grant::Nobody, "{other}");
        }
        assert_eq!(cors.grant(None), Grant::Nobody);
    }

    #[test]
    fn a_page_that_is_not_known_is_told_nothing_and_caches_are_told_that_it_depends() {
        let known = cors(&["https://shop.example"]);
        assert_eq!(told(&known, from("https://evil.example")), [""; 0]);
        assert_eq!(told(&known, Asked::default()), [""; 0]);
        assert_eq!(Cors::new(&known).vary(Asked::default()), ["Origin"]);
        let any = cors(&["*"]);
        assert_eq!(told(&any, from("null")), ["Access-Control-Allow-Origin: *"]);
        assert_eq!(told(&any, Asked::default()), ["Access-Control-Allow-Origin: *"]);
        assert_eq!(Cors::new(&any).vary(Asked::default()), [""; 0]);
    }

    #[test]
    fn a_preflight_is_told_what_the_route_allows_or_else_what_was_asked_for() {
        let mut known = cors(&["https://a.example"]);
        let preflight = Preflight { method: b"PUT", headers: b"x-one, x-two" };
        let asked = Asked { preflight: Some(preflight), ..from("https://a.example") };
        assert_eq!(
            told(&known, asked),
            [
                "Access-Control-Allow-Origin: https://a.example",
                "Access-Control-Allow-Methods: PUT",
                "Access-Control-Allow-Headers: x-one, x-two",
            ]
        );
        let forged = Preflight { method: b"", headers: b"x\"y" };
        let asked = Asked { preflight: Some(forged), ..asked };
        assert_eq!(told(&known, asked), ["Access-Control-Allow-Origin: https://a.example"]);
        known.methods = vec!["GET".into(), "PUT".into()];
        known.headers = vec!["x-one".into()];
        known.expose = vec!["x-total".into()];
        (known.credentials, known.max_age) = (true, Some(Duration::from_secs(3600)));
        assert_eq!(
            told(&known, asked),
            [
                "Access-Control-Allow-Origin: https://a.example",
                "Access-Control-Allow-Credentials: true",
                "Access-Control-Allow-Methods: GET, PUT",
                "Access-Control-Allow-Headers: x-one",
                "Access-Control-Max-Age: 3600",
            ]
        );
        assert_eq!(
            told(&known, from("https://a.example")),
            [
                "Access-Control-Allow-Origin: https://a.example",
                "Access-Control-Allow-Credentials: true",
                "Access-Control-Expose-Headers: x-total",
            ]
        );
    }
}
