//! `jwt` of an authentication: which signed tokens are believed.

use std::time::Duration;

use model::{CredentialPlace, FetchedKeys, Jwt, JwtAlgorithm, JwtKeys, KeyKind, KeysAt};

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::node::Node;
use crate::read::{Context, asked, distinct, file, secret};
use crate::schema::{Absent, Empty, FILE, Key, Later, Shape, TEXT, Table, VARIABLE};
use crate::section::Section;
use crate::value::name;

pub(super) const KEY: Key = Key::new(
    "jwt",
    Shape::Table(&JWT),
    Absent::Means("no tokens"),
    "{ secret_env = \"JWT_SECRET\", audience = \"shop\" }",
    "Signed tokens (JSON Web Tokens, RFC 7519).",
)
.aka(&["token", "tokens", "jwks", "oidc"]);

static ONE_OR_MORE: [Shape; 2] =
    [Shape::Text(&TEXT), Shape::List { of: &Shape::Text(&TEXT), empty: Empty::Refused }];

/// Whom a token must be for.
pub(super) const AUDIENCE: Key = Key::new(
    "audience",
    Shape::Either(&ONE_OR_MORE),
    Absent::Means("any"),
    "\"shop\"",
    "Whom a token must be for (`aud`), or a list: one of them.",
)
.aka(&["aud", "audiences"]);

/// How far clocks may be apart.
pub(super) const LEEWAY: Key = Key::new(
    "leeway",
    Shape::Duration(Duration::ZERO..=Duration::from_secs(600)),
    Absent::Text("30s"),
    "\"30s\"",
    "How far the issuer's clock may be from ours, for `exp`, `nbf` and `iat`.",
)
.aka(&["clock_skew", "skew", "clock_tolerance"]);

static JWT: Table = Table {
    header: "[auth.NAME.jwt]",
    noun: "signed tokens",
    doc: "Which tokens are believed. `secret_env`, `keys`, `jwks` or `issuer` alone says what signatures are checked with. A token must expire, and be signed by one of the `algorithms` with a key that is \
          made for it: what a token says of its algorithm never decides alone.",
    keys: &[
        Key::new(
            "secret_env",
            Shape::Text(&VARIABLE),
            Absent::Means("public keys"),
            "\"JWT_SECRET\"",
            "The environment variable with the secret that the issuer has, too: at least 32 bytes for HS256, 48 for HS384, 64 for HS512 \
             (`openssl rand -hex 32` makes one).",
        )
        .aka(&["secret", "secret_key", "hmac_secret"]),
        Key::new(
            "keys",
            Shape::Text(&FILE),
            Absent::Means("another source"),
            "\"keys.pem\"",
            "A file with public keys: PEM (keys or certificates), or a JWK Set. Read again on each reload.",
        )
        .aka(&["key", "public_key", "pem", "key_file"]),
        Key::new(
            "jwks",
            Shape::Text(&asked::URL),
            Absent::Means("another source"),
            "\"https://id.example.com/keys.json\"",
            "Where the issuer publishes its keys as a JWK Set. They are fetched again when their time (`Cache-Control`, `Expires`) is over, within 1 minute and 1 hour, and where a token names \
             a key that is not among them. While that fails, those that were fetched last are used on, also after a restart.",
        )
        .aka(&["jwks_uri", "jwks_url", "jwk_set_uri", "jwk-set-uri"]),
        asked::CA,
        Key::new(
            "algorithms",
            Shape::List { of: &ALGORITHM, empty: Empty::Refused },
            Absent::Means("`HS256` for a secret, otherwise `RS256`, `ES256` and `EdDSA`"),
            "[\"RS256\", \"ES256\"]",
            "The algorithms that may sign. ES256K is not among them.",
        )
        .aka(&["algorithm", "alg", "algs"]),
        Key::new(
            "issuer",
            Shape::Either(&ONE_OR_MORE),
            Absent::Means("any, as long as the key is right"),
            "\"https://id.example.com\"",
            "Who must have issued a token (`iss`), or a list: one of them. Where nothing else says what signatures are checked with, it is a URL, and its discovery document (`/.well-known/openid-configuration`) says where \
             the keys are.",
        )
        .aka(&["iss", "issuers"]),
        AUDIENCE,
        LEEWAY,
    ],
    later: &[],
};

const ALGORITHM: Shape =
    Shape::Word(JwtAlgorithm::WORDS, &[Later { name: "ES256K", what: "ECDSA over secp256k1" }]);

/// Where an issuer's discovery document is, below its URL.
const DOCUMENT: &str = "/.well-known/openid-configuration";

const SOURCES: [&str; 3] = ["secret_env", "keys", "jwks"];

pub(super) fn read(
    jwt: &Section<'_>,
    places: Option<&[CredentialPlace]>,
    context: &Context<'_>,
) -> Option<Jwt> {
    let issuers = texts(jwt, "issuer");
    let audiences = texts(jwt, "audience");
    let algorithms = algorithms(jwt);
    let keys = keys(jwt, &algorithms, &issuers, context)?;
    let (leeway, places) = (jwt.duration("leeway"), places?.to_vec());
    let read = Jwt { keys, algorithms, issuers, audiences, leeway, places };
    if let Some(Err(error)) = policy::jwt::Keys::configured(&read) {
        refuse_keys(jwt, &read.keys, &error);
    }
    Some(read)
}

/// Keys that are there, and cannot be used.
fn refuse_keys(jwt: &Section<'_>, keys: &JwtKeys, error: &policy::jwt::KeysError) {
    let (key, what) = match keys {
        JwtKeys::Secret(_) => ("secret_env", "the secret cannot be used".to_owned()),
        JwtKeys::File(file) => ("keys", format!("the keys in {} cannot be used", file.name)),
        JwtKeys::Fetched(_) => return,
    };
    let hint =
        "give the public keys of the issuer as PEM or as a JWK Set, of kinds that `algorithms` has";
    jwt.report_at(key, Flaw::new(Code::Invalid, what, error.to_string(), hint), &[]);
}

/// One text, or several.
pub(super) fn texts(jwt: &Section<'_>, key: &'static str) -> Vec<String> {
    let Some(node) = jwt.node(key) else { return Vec::new() };
    let read = |item: &Node<'_>| {
        item.parse(|text| match text {
            "" => Err(Flaw::invalid(
                format!("`{key}` is empty"),
                "no token says nothing there",
                format!("leave `{key}` out, or write what tokens say"),
            )),
            text => Ok(text.to_owned()),
        })
    };
    distinct(node.one_or_many(), key, read, Clone::clone)
}

/// By what tokens may be signed.
fn algorithms(jwt: &Section<'_>) -> Vec<JwtAlgorithm> {
    let read = |item: &Node<'_>| item.word(JwtAlgorithm::named);
    match jwt.node("algorithms") {
        Some(node) => distinct(node.items(), "algorithm", read, |it| *it),
        None if jwt.has("secret_env") => vec![JwtAlgorithm::Hs256],
        None => vec![JwtAlgorithm::Rs256, JwtAlgorithm::Es256, JwtAlgorithm::EdDsa],
    }
}

fn keys(
    jwt: &Section<'_>,
    algorithms: &[JwtAlgorithm],
    issuers: &[String],
    context: &Context<'_>,
) -> Option<JwtKeys> {
    // Whatever else is there: a password in it is hidden by reading it.
    let jwks = asked::url(jwt, "jwks");
    refuse_two_sources(jwt);
    if jwt.has(asked::CA.name) {
        refuse_idle_ca(jwt);
    }
    refuse_misfits(jwt, algorithms);
    if let Some(node) = jwt.node("secret_env") {
        let variable = node.parse(name::parse_variable)?;
        let least = algorithms.iter().copied().filter_map(secret_bytes).max().unwrap_or(32);
        return secret::of_variable(&node, &variable, least, context.origin).map(JwtKeys::Secret);
    }
    if let Some(node) = jwt.node("keys") {
        return file::document(&node, "the keys", context.origin).map(JwtKeys::File);
    }
    let at = match jwt.has("jwks") {
        true => jwks.map(KeysAt::Jwks),
        false => discovery(jwt, issuers),
    };
    if let Some(KeysAt::Jwks(url) | KeysAt::Discovery { document: url, .. }) = &at {
        let key = if jwt.has("jwks") { "jwks" } else { "issuer" };
        let why = "a server that takes its place gives keys of its own, and tokens that it makes are believed";
        asked::warn_of_plain_text(jwt, key, url, why);
    }
    let ca = asked::ca(jwt, context.origin);
    at.map(|at| JwtKeys::Fetched(FetchedKeys { at, ca }))
}

/// Where the document of the only issuer is (OpenID Connect Discovery 1.0 §4.1).
fn discovery(jwt: &Section<'_>, issuers: &[String]) -> Option<KeysAt> {
    let Some(node) = jwt.node("issuer") else {
        jwt.report(Flaw::new(
            Code::Missing,
            format!("{} has no keys", jwt.called()),
            "none of `secret_env`, `keys`, `jwks` and `issuer` is there",
            "for example `jwks = \"https://id.example.com/keys.json\"`",
        ));
        return None;
    };
    let [issuer] = issuers else {
        // One that is empty was told.
        if issuers.len() > 1 {
            node.report(Flaw::new(
                Code::Conflict,
                "several issuers, and no keys",
                "each of them has a discovery document of its own",
                "make an authentication for each, and list them in the route's `auth`; or write `jwks`",
            ));
        }
        return None;
    };
    match asked::parse(&format!("{}{DOCUMENT}", issuer.trim_end_matches('/'))) {
        Ok(document) => Some(KeysAt::Discovery { document, issuer: issuer.clone() }),
        Err(_) => {
            node.report(Flaw::new(
                Code::Missing,
                format!("{} has no keys", jwt.called()),
                "where only `issuer` is there, it is a URL at which its discovery document is found",
                "write it as in \"https://id.example.com\", or say with `jwks`, `keys` or `secret_env` what signatures are checked with",
            ));
            None
        }
    }
}

/// RFC 7518 §3.2: a key has at least as many bits as the hash.
fn secret_bytes(algorithm: JwtAlgorithm) -> Option<usize> {
    match algorithm {
        JwtAlgorithm::Hs256 => Some(32),
        JwtAlgorithm::Hs384 => Some(48),
        JwtAlgorithm::Hs512 => Some(64),
        _ => None,
    }
}

/// `ca` says nothing where nobody is asked.
fn refuse_idle_ca(jwt: &Section<'_>) {
    if let Some(source) = ["secret_env", "keys"].into_iter().find(|key| jwt.has(key)) {
        let why = format!("the keys are those of `{source}`, and nobody is asked for them");
        let flaw = Flaw::new(Code::Conflict, "`ca` has no effect here", why, "take it out");
        jwt.report_at(asked::CA.name, flaw, &[]);
    }
}

fn refuse_two_sources(jwt: &Section<'_>) {
    let mut there = SOURCES.into_iter().filter(|key| jwt.has(key));
    let (Some(first), Some(second)) = (there.next(), there.next()) else { return };
    let flaw = Flaw::new(
        Code::Conflict,
        format!("both `{first}` and `{second}`"),
        "tokens are checked with keys of one source",
        "keep one of them, or make two authentications and list both in the route's `auth`",
    );
    let related = jwt.entry_span(first).map(|span| (span, "and this"));
    jwt.report_at(second, flaw, related.as_slice());
}

/// A secret signs by HMAC only, and nothing else does: what a public key were taken for a secret is how tokens are forged.
fn refuse_misfits(jwt: &Section<'_>, algorithms: &[JwtAlgorithm]) {
    let has_secret = jwt.has("secret_env");
    let misfit = algorithms.iter().find(|it| (it.kind() == KeyKind::Secret) != has_secret);
    let Some(misfit) = misfit.filter(|_| jwt.has("algorithms")) else { return };
    let (why, hint) = match has_secret {
        true => ("a secret signs by HS256, HS384 or HS512", "leave it out, or give public keys"),
        false => (
            "it takes a secret, and these are public keys, which everybody may know",
            "leave it out, or give `secret_env`",
        ),
    };
    let what = format!("{} does not fit the keys", misfit.as_str());
    jwt.report_at("algorithms", Flaw::new(Code::Conflict, what, why, hint), &[]);
}
