//! `introspect` of an authentication: the issuer of opaque tokens, who is asked of each.

use std::time::Duration;

use model::{CredentialPlace, Introspection};

use super::{jwt, server};
use crate::faults::Flaw;
use crate::read::{Context, asked, secret};
use crate::schema::{Absent, Empty, Key, Shape, TEXT, Table, VARIABLE};
use crate::section::Section;
use crate::value::name;

pub(super) const KEY: Key = Key::new(
    "introspect",
    Shape::Table(&INTROSPECT),
    Absent::Means("no opaque tokens"),
    "{ to = \"https://id.example.com/introspect\", client_id = \"edge\", secret_env = \"INTROSPECT_SECRET\" }",
    "Opaque tokens, of which their issuer is asked (RFC 7662).",
)
.aka(&["introspection", "oauth2_introspection", "opaque", "opaquetoken"]);

static ONE_OR_MORE: [Shape; 2] =
    [Shape::Text(&TEXT), Shape::List { of: &Shape::Text(&TEXT), empty: Empty::Refused }];

static INTROSPECT: Table = Table {
    header: "[auth.NAME.introspect]",
    noun: "introspection",
    doc: "The issuer of a token is asked of it by a POST with `client_id` and its secret as HTTP Basic. A token is believed that is `active` and what is demanded here; the response has the claims. What an issuer \
          said holds for `ttl`, and never after the token's `exp`. Where it does not respond as RFC 7662 has it, requests with tokens that are not known get 503.",
    keys: &[
        Key::new(
            "to",
            Shape::Text(&asked::URL),
            Absent::Fault,
            "\"https://id.example.com/introspect\"",
            "Where the issuer is asked: its `introspection_endpoint`. Redirects are not followed.",
        )
        .aka(&["url", "uri", "endpoint", "introspection_endpoint", "introspection-uri"]),
        Key::new(
            "client_id",
            Shape::Text(&TEXT),
            Absent::Fault,
            "\"edge\"",
            "As whom the issuer is asked.",
        )
        .aka(&["client", "client-id", "id"]),
        Key::new(
            "secret_env",
            Shape::Text(&VARIABLE),
            Absent::Fault,
            "\"INTROSPECT_SECRET\"",
            "The environment variable with the secret of `client_id`.",
        )
        .aka(&["secret", "client_secret", "client-secret"]),
        Key::new(
            "issuer",
            Shape::Either(&ONE_OR_MORE),
            Absent::Means("any"),
            "\"https://id.example.com\"",
            "Who must have issued a token (`iss`), or a list: one of them.",
        )
        .aka(&["iss", "issuers"]),
        jwt::AUDIENCE,
        jwt::LEEWAY,
        Key::new(
            "ttl",
            Shape::Duration(Duration::ZERO..=Duration::from_secs(3600)),
            Absent::Text("1m"),
            "\"30s\"",
            "For how long what the issuer said of a token holds, and so how long a token that was revoked may still be let in. `0s`: each request is asked of.",
        )
        .aka(&["cache", "cache_ttl", "introspection_interval"]),
        server::TIMEOUT,
        asked::CA,
    ],
    later: &[],
};

pub(super) fn read(
    section: &Section<'_>,
    places: Option<&[CredentialPlace]>,
    context: &Context<'_>,
) -> Option<Introspection> {
    let server = server::read(section, "to", context);
    let client_id = section.require("client_id").and_then(|node| node.parse(client_id));
    let secret = section.require("secret_env").and_then(|node| {
        let variable = node.parse(name::parse_variable)?;
        secret::of_variable(&node, &variable, 1, context.origin)
    });
    let (issuers, audiences) = (jwt::texts(section, "issuer"), jwt::texts(section, "audience"));
    let (leeway, ttl) = (section.duration("leeway"), section.duration("ttl"));
    Some(Introspection {
        server: server?,
        client_id: client_id?,
        secret: secret?,
        issuers,
        audiences,
        leeway,
        ttl,
        places: places?.to_vec(),
    })
}

fn client_id(text: &str) -> Result<String, Flaw> {
    match text {
        "" => Err(Flaw::invalid(
            "`client_id` is empty",
            "an issuer responds to clients that it knows",
            "write the name by which the issuer knows this edge",
        )),
        text => Ok(text.to_owned()),
    }
}
