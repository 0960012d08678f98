//! Which requests go where: `[[routes]]`.

use std::fmt;

use ipnet::IpNet;
use regex::Regex;

use crate::id::ServiceName;
use crate::policy::Policies;
use crate::route_id::RouteId;

/// What a request must be like, and what happens to it then.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// What a request must be like.
    pub matcher: Matcher,
    /// What happens to it.
    pub action: Action,
    /// What is decided and changed on the way.
    pub policies: Policies,
}

impl fmt::Display for Route {
    /// The route as people know it: methods, hosts, path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let matcher = &self.matcher;
        if !matcher.methods.is_empty() {
            write!(f, "{} ", matcher.methods.join(","))?;
        }
        for (index, host) in matcher.hosts.iter().enumerate() {
            write!(f, "{}{host}", if index == 0 { "" } else { "," })?;
        }
        write!(f, "{}", matcher.path)
    }
}

impl Route {
    /// By what it is known over reloads.
    pub fn id(&self) -> RouteId {
        RouteId::of(&self.matcher)
    }

    /// The route with what else it asks of a request, so that routes with one path can be told apart:
    /// `/api/* with header authorization, from 10.0.0.0/8`. Values are left out: they may be secrets.
    pub fn in_full(&self) -> String {
        let Matcher { headers, query, cookies, from, .. } = &self.matcher;
        let named = |kind: &str, list: &[(String, ValueMatch)]| {
            list.iter().map(|(name, _)| format!("{kind} {name}")).collect::<Vec<_>>()
        };
        let networks: Vec<String> = from.iter().map(|network| format!("from {network}")).collect();
        let conditions =
            [named("header", headers), named("query", query), named("cookie", cookies), networks]
                .concat();
        match conditions.is_empty() {
            true => self.to_string(),
            false => format!("{self} with {}", conditions.join(", ")),
        }
    }
}

/// What a request must be like: all of this at once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matcher {
    /// One of these hosts; any host when empty.
    pub hosts: Vec<HostMatch>,
    /// The path.
    pub path: PathMatch,
    /// One of these methods; any when empty.
    pub methods: Vec<String>,
    /// These headers, names in lower case.
    pub headers: Vec<(String, ValueMatch)>,
    /// These query parameters.
    pub query: Vec<(String, ValueMatch)>,
    /// These cookies.
    pub cookies: Vec<(String, ValueMatch)>,
    /// A client from one of these networks; any when empty.
    pub from: Vec<IpNet>,
}

/// A host name, in lower case, without port.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostMatch {
    /// This name.
    Exact(String),
    /// Every name that ends with a dot and this one, as `*.example.com` does.
    Wildcard(String),
}

impl fmt::Display for HostMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Wildcard(name) => write!(f, "*.{name}"),
        }
    }
}

/// A path, as it is compared: escapes undone, dot segments resolved, empty segments dropped.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum PathMatch {
    /// Any path.
    #[default]
    Any,
    /// This path.
    Exact(String),
    /// This path and everything below it: `/chat` for `/chat/*`, never `/chatter`.
    Prefix(String),
    /// What this expression finds.
    Expression(Expression),
}

impl fmt::Display for PathMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("/*"),
            Self::Exact(path) => f.write_str(path),
            Self::Prefix(path) => write!(f, "{path}/*"),
            Self::Expression(expression) => write!(f, "~{expression}"),
        }
    }
}

/// What a header, query parameter or cookie must be like.
#[derive(Clone, Debug, PartialEq)]
pub enum ValueMatch {
    /// This value.
    Exact(String),
    /// A value in which this expression is found (written with a leading `~`).
    Expression(Expression),
}

impl ValueMatch {
    /// Whether `value` is what is wanted.
    pub fn matches(&self, value: &str) -> bool {
        match self {
            Self::Exact(wanted) => wanted == value,
            Self::Expression(expression) => expression.regex().is_match(value),
        }
    }
}

impl fmt::Display for ValueMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(value) => f.write_str(value),
            Self::Expression(expression) => write!(f, "~{expression}"),
        }
    }
}

/// A regular expression, compared by its text.
#[derive(Clone, Debug)]
pub struct Expression(Regex);

impl Expression {
    /// Compiles `text`, which uses the syntax of the `regex` crate.
    ///
    /// # Errors
    /// When `text` is not such an expression or compiles to more than that crate's size limit.
    pub fn new(text: &str) -> Result<Self, regex::Error> {
        Regex::new(text).map(Self)
    }

    /// The compiled expression.
    pub fn regex(&self) -> &Regex {
        &self.0
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

/// What happens to a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// It goes to a service.
    Forward(Destination),
    /// The client is sent elsewhere.
    Redirect(Redirect),
    /// It is answered here.
    Respond(Respond),
}

/// The services that share a route's requests; never empty, at least one weight above 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Each with its weight.
    pub shares: Vec<Share>,
}

/// A service's share of a route's requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The service.
    pub service: ServiceName,
    /// Relative to the other shares of the route.
    pub weight: u32,
}

/// Sends the client elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// An absolute URL, or a path. The path and query of the request are appended to a URL that
    /// has no path of its own.
    pub to: String,
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
}

/// Answers without asking anyone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Respond {
    /// From 200 to 599.
    pub status: u16,
    /// The body, as text.
    pub body: String,
    /// Its type.
    pub content_type: String,
}
