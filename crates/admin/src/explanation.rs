//! What `POST /v1/explain` is asked and says: which route a request would take, and why.

mod who;

use std::net::IpAddr;

use balance::Eligibility;
use edge::explain::{AbuseStanding, Ambiguity, ChosenBy, Forward, LimitStanding, ReleaseBy};
use model::{
    Abuse, AbuseMode, AuthName, BanToken, BodyLimit, Bound, HeaderEdits, LimitUse, Policies,
    Requirement, Rewrite,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use telemetry::{Ending, LimitOutcome};

/// A hypothetical request: which way would it take?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Its method.
    pub method: String,
    /// Its URL, absolute; the host is the one that the client would name.
    pub url: String,
    /// Its other headers, each a name and a value.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// The other end of its connection: the client, or a proxy before it, which is believed where the
    /// listener trusts it; by default 127.0.0.1.
    #[serde(default)]
    pub from: Option<IpAddr>,
}

/// What would become of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Explanation {
    /// What it was worked out from.
    pub basis: Basis,
    /// The request as the routes see it.
    pub request: Asked,
    /// Each route, in the order of the file; empty where none is asked, as the listener redirects
    /// everything to https, or the method is one that is never served.
    pub routes: Vec<Candidate>,
    /// What is changed on the way.
    pub policies: Vec<String>,
    /// How each way of proving who asks fares with it, up to the first that believes it, and what bans it: each in words. No
    /// credential is told.
    #[serde(default)]
    pub who: Vec<String>,
    /// What becomes of it.
    pub outcome: Outcome,
}

/// What an explanation was worked out from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// What is served now.
    Running,
    /// The file, which need not be what is served.
    File,
}

/// A request as the routes see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Asked {
    /// Its method.
    pub method: String,
    /// The listener that it would come in at, where that can be told.
    pub listener: Option<String>,
    /// Its host, in lower case, without the port.
    pub host: String,
    /// Its path, in the form in which paths are compared.
    pub path: String,
    /// The client's address: the one that a trusted proxy names, if it comes by way of one.
    pub from: IpAddr,
}

/// A route that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Candidate {
    /// Its place among the file's `[[routes]]`; the first is 1.
    pub number: u32,
    /// The route as people know it: methods, hosts, path, and what else it asks of a request.
    pub route: String,
    /// Why it lost; absent for the one that won.
    pub lost: Option<String>,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Outcome {
    /// It is forwarded to a service.
    Forward {
        /// The services that share the route's requests.
        shares: Vec<Share>,
    },
    /// The client is sent elsewhere.
    Redirect {
        /// Where to.
        to: String,
        /// The response's status.
        status: u16,
    },
    /// Plimsoll responds itself.
    Respond {
        /// The response's status.
        status: u16,
    },
    /// It is refused.
    Refused {
        /// The response's status.
        status: u16,
        /// Why.
        why: String,
    },
    /// It depends on what an authentication makes of the request's credential, which takes a while to find out and is asked for real
    /// requests only.
    Depends {
        /// The authentication.
        auth: String,
    },
}

/// A service's share of a route's requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Share {
    /// The service.
    pub service: String,
    /// Relative to the other shares of the route.
    pub weight: u32,
    /// What gives it the request; absent where another service gets it for certain.
    pub by: Option<ShareBy>,
    /// The instance that would get the request now; absent where that cannot be said.
    pub instance: Option<Choice>,
    /// Why no instance would get it now; absent where one would, or where it cannot be said.
    pub refused: Option<String>,
    /// The status that the client gets then.
    pub status: Option<u16>,
}

/// What gives a service a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShareBy {
    /// There is no other service.
    Alone,
    /// The client has its sticky cookie.
    Cookie,
    /// Chance, by weight.
    Chance,
}

/// The instance that would get a request now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Choice {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub address: String,
    /// What decides for it.
    pub why: String,
    /// Why the last TLS handshake with it failed; absent where it did not, or none is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_fault: Option<String>,
}

impl Explanation {
    /// What control says, worked out from `basis`.
    pub fn new(basis: Basis, said: &control::Explanation) -> Self {
        let control::Explanation { method, found, .. } = said;
        let candidate = |candidate: &edge::routing::Candidate| Candidate {
            number: candidate.route.0 + 1,
            route: candidate.label.clone(),
            lost: candidate.lost.as_ref().map(ToString::to_string),
        };
        Self {
            basis,
            request: Asked {
                method: method.clone(),
                listener: found.listener.as_ref().map(|listener| listener.name.to_string()),
                host: found.host.clone(),
                path: found.path.clone(),
                from: found.client,
            },
            routes: found.candidates.iter().map(candidate).collect(),
            policies: found
                .route
                .iter()
                .flat_map(|route| policies(&route.policies, found))
                .chain(found.abuse.iter().map(abuse))
                .collect(),
            who: who::told(found, basis),
            outcome: outcome(found),
        }
    }
}

fn outcome(found: &edge::explain::Explanation) -> Outcome {
    use edge::explain::Outcome as Found;
    match &found.outcome {
        Found::Forwarded(forwards) => {
            Outcome::Forward { shares: forwards.iter().map(Share::from).collect() }
        }
        Found::RedirectedToHttps(port) => {
            let port = if port.get() == 443 { String::new() } else { format!(":{port}") };
            Outcome::Redirect { to: format!("https://{}{port}", found.host), status: 308 }
        }
        Found::Redirected { to, status } => Outcome::Redirect { to: to.clone(), status: *status },
        Found::Responded { status, .. } => Outcome::Respond { status: *status },
        Found::Refused { status, ending } => {
            let why = match &found.ambiguity {
                Some(ambiguity) => readings(ambiguity),
                None => refusal(*ending),
            };
            Outcome::Refused { status: *status, why }
        }
        Found::Depends(auth) => Outcome::Depends { auth: auth.to_string() },
    }
}

/// Why a request is refused whose path leads to two routes.
fn readings(ambiguity: &Ambiguity) -> String {
    let Ambiguity { path, route } = ambiguity;
    let other = route.as_ref().map_or("no route".to_owned(), |route| format!("the route {route}"));
    format!("some servers read this path as {path}, which leads to {other}")
}

/// Why a request is refused whose exchange ends so.
fn refusal(ending: Ending) -> String {
    match ending {
        Ending::NoRoute => "no route matches".to_owned(),
        ending => ending.meaning().trim_end_matches('.').to_owned(),
    }
}

impl From<&Forward> for Share {
    fn from(forward: &Forward) -> Self {
        let choice = forward.choice.as_ref();
        let unserved = choice.and_then(|choice| choice.as_ref().err());
        Self {
            service: forward.service.name.to_string(),
            weight: forward.weight,
            by: forward.by.map(ShareBy::from),
            instance: choice.and_then(|choice| choice.as_ref().ok()).map(Choice::from),
            refused: unserved.map(ToString::to_string),
            status: unserved.map(|it| it.status()),
        }
    }
}

impl From<edge::explain::ShareBy> for ShareBy {
    fn from(by: edge::explain::ShareBy) -> Self {
        match by {
            edge::explain::ShareBy::Alone => Self::Alone,
            edge::explain::ShareBy::Cookie => Self::Cookie,
            edge::explain::ShareBy::Chance => Self::Chance,
        }
    }
}

impl From<&edge::explain::Choice> for Choice {
    fn from(choice: &edge::explain::Choice) -> Self {
        let why = match choice.by {
            ChosenBy::Cookie => "the client's cookie",
            ChosenBy::Key => "the hash of its key",
            ChosenBy::Turn => "its turn (the next request may get another)",
            ChosenBy::Load => "its load (the next request may get another)",
            ChosenBy::Chance => "chance (the next request may get another)",
        };
        let release = match choice.release {
            None => "",
            Some(ReleaseBy::Cookie) => ", of the release that the client's cookie keeps it with",
            Some(ReleaseBy::Key) => ", of the release that the hash of its key leads to",
            Some(ReleaseBy::Chance) => {
                ", of a release that chance decides for (a canary is running)"
            }
            Some(ReleaseBy::Preview) => ", of the new release, for which the request asks",
        };
        Self {
            name: choice.live.name.to_string(),
            address: choice.live.address.to_string(),
            why: format!("{why}{release}{}", in_panic(choice.eligibility)),
            tls_fault: choice.live.handshake_failure(),
        }
    }
}

/// Why an instance is chosen that is not healthy.
fn in_panic(eligibility: Eligibility) -> String {
    match eligibility {
        Eligibility::Healthy => String::new(),
        other => format!("; it is {other}, but no instance is healthy, and so all are tried"),
    }
}

/// What `policies` change, each in words. Values of headers may be secrets and are left out.
fn policies(policies: &Policies, found: &edge::explain::Explanation) -> Vec<String> {
    let standings = &found.limits;
    let Policies {
        deny,
        auth,
        require,
        limits,
        // They are told with how the client stands.
        abuse: _,
        ban_token,
        cors,
        rewrite,
        request_headers,
        response_headers,
        body,
    } = policies;
    let Rewrite { strip_prefix, add_prefix, host } = rewrite;
    let mut words = Vec::new();
    words.extend(deny.iter().map(|network| format!("denies clients from {network}")));
    words.extend(cors.iter().map(|cors| {
        let origins: Vec<_> = cors.origins.iter().map(ToString::to_string).collect();
        format!("lets pages of {} use it", origins.join(", "))
    }));
    if !auth.is_empty() {
        let names: Vec<_> = auth.iter().map(AuthName::as_str).collect();
        words.push(format!("asks who it is, by {}", names.join(" or ")));
    }
    words.extend(require.iter().map(|it| {
        let Requirement { claim, one_of } = it;
        let values: Vec<_> = one_of.iter().map(ToString::to_string).collect();
        let is_unmet = if found.unmet.contains(it) { ", which it is not" } else { "" };
        format!("requires {claim} to be {}{is_unmet}", values.join(" or "))
    }));
    words.extend(limits.iter().map(|it| {
        let standing = standings.iter().find(|standing| standing.limit == it.limit.name);
        limit(it, standing)
    }));
    if *ban_token == BanToken::OnSuccess {
        words.push("bans the token where the instance responds with 2xx".to_owned());
    }
    words.extend(strip_prefix.iter().map(|prefix| format!("strips {prefix} off the path")));
    words.extend(add_prefix.iter().map(|prefix| format!("puts {prefix} before the path")));
    words.extend(host.iter().map(|host| format!("sends the host {host}")));
    words.extend(edits("request", request_headers));
    words.extend(edits("response", response_headers));
    words.extend(body.map(|limit| match limit {
        BodyLimit::Bytes(bytes) => format!("takes bodies of up to {}", size(bytes)),
        BodyLimit::Unlimited => "takes bodies of any length".to_owned(),
    }));
    words
}

/// What a limit is asked for, and how the request would stand with it, if it would come to it.
fn limit(LimitUse { limit, cost }: &LimitUse, standing: Option<&LimitStanding>) -> String {
    let (takes, unit) = match limit.bound {
        Bound::Requests { .. } => (format!("takes {cost}"), ""),
        Bound::Bytes { .. } => ("takes its bytes".to_owned(), " bytes"),
        Bound::Concurrent(_) => ("takes a place".to_owned(), " places"),
    };
    let key: Vec<_> = limit.key.iter().map(ToString::to_string).collect();
    let text = format!("{takes} of the limit {}, by {}", limit.name, key.join(" and "));
    let Some(LimitStanding { outcome, left, of, .. }) = standing else { return text };
    let verdict = match outcome {
        LimitOutcome::Passed => "",
        LimitOutcome::Limited => ": too little",
        LimitOutcome::Observed => ": too little, but it only observes",
    };
    format!("{text}, of whose {of}{unit} {left} are left{verdict}")
}

/// What a rule of abuse counts, and how the client stands with it.
fn abuse(AbuseStanding { abuse, left }: &AbuseStanding) -> String {
    let Abuse { name, statuses, burst, key, mode, .. } = &**abuse;
    let statuses: Vec<_> = statuses.iter().map(u16::to_string).collect();
    let (statuses, verb) = (
        statuses.join(", "),
        match mode {
            AbuseMode::Enforce => "bans",
            AbuseMode::Observe => "would ban",
        },
    );
    let left = match left {
        Some(left) => format!("{left} are left"),
        None => "this client's do not count".to_owned(),
    };
    format!(
        "{verb} by {key} a client with more than {burst} refusals ({statuses}), as abuse {name} says: {left}"
    )
}

fn edits(of: &str, edits: &HeaderEdits) -> impl Iterator<Item = String> {
    let set = edits.set.iter().map(move |(name, _)| format!("sets the {of} header {name}"));
    let remove = edits.remove.iter().map(move |name| format!("removes the {of} header {name}"));
    set.chain(remove)
}

/// A size, as the file writes it.
fn size(bytes: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.into_iter().find(|(unit, _)| bytes > 0 && bytes.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{}{name}", bytes / unit),
        None => format!("{bytes}B"),
    }
}
