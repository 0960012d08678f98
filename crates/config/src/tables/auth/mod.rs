//! `[auth.NAME]`: ways of proving who one is.

mod api_key;
mod basic;
mod certificate;
pub(crate) mod claim;
mod forward;
mod hmac;
mod introspect;
mod jwt;
mod listed;
pub(crate) mod place;
mod server;
mod signature;

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{AuthName, Authentication, ClaimHeader, Credential, ForwardAuth, Proof, RefusedAs};

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::node::Node;
use crate::read::Context;
use crate::schema::{Absent, Key, Shape, Table};
use crate::section::{Names, Section};
use crate::value::{name, shown};

pub(crate) const KEY: Key = Key::new(
    "auth",
    Shape::Names { names: "NAME", of: &AUTHENTICATION_SHAPE },
    Absent::Means("none"),
    "{ users = { jwt = { secret_env = \"JWT_SECRET\" } } }",
    "Ways of proving who one is, by name. A route asks for them with `auth`.",
)
.aka(&["authentication", "auths", "jwt", "oauth", "oidc"]);

static AUTHENTICATION_SHAPE: Shape = Shape::Table(&AUTHENTICATION);

pub(crate) static AUTHENTICATION: Table = Table {
    header: "[auth.NAME]",
    noun: "an authentication",
    doc: "A way of proving who one is: by `jwt`, a signed token, by `api_key`, by `basic`, a name and a password, by `introspect`, an opaque token of which its issuer is asked, by `forward`, another service's word, by `hmac` or `signature`, a request that is signed, or by a client's `certificate`; one of them. It gives a subject and claims, which \
          `require`, limits and instances go by. `none` is no name: a route says `auth = \"none\"` where nobody need \
          prove anything.",
    keys: &[
        jwt::KEY,
        api_key::KEY,
        basic::KEY,
        hmac::KEY,
        signature::KEY,
        introspect::KEY,
        forward::KEY,
        certificate::KEY,
        place::FROM_KEY,
        claim::KEY,
        Key::new(
            "keep_token",
            Shape::Flag,
            Absent::Flag(true),
            "false",
            "Whether instances see what proved it: the token, the key, the password or the signature.",
        )
        .aka(&["forward_token", "pass_token", "keep", "forward_payload_header"]),
        Key::new(
            "refused",
            REFUSED,
            Absent::Count(401),
            "403",
            "The status for clients that prove nothing: 401, or 403 as some older gateways have it.",
        )
        .aka(&["status", "status_code", "error_status"]),
    ],
    later: &[],
};

const REFUSED: Shape = Shape::Count(401..=403);

/// Reads them all, and notes their names for the routes.
pub(crate) fn read(
    root: &Section<'_>,
    context: &mut Context<'_>,
) -> BTreeMap<AuthName, Arc<Authentication>> {
    let node = root.node(KEY.name);
    let names = node.as_ref().and_then(Node::names);
    let mut found = BTreeMap::new();
    for entry in names.iter().flat_map(Names::iter) {
        let name = entry.parse(parse_name);
        context.auths.insert(AuthName::from(entry.text));
        let Some(section) = entry.node.section() else { continue };
        let read = authentication(&section, name, context);
        if let Some((it, claims)) = read.as_ref().and_then(|it| Some((it, it.proof.claims()?))) {
            context.known_claims.insert(it.name.clone(), claims);
        }
        if section.has(certificate::KEY.name) {
            context.certificate_auths.insert(AuthName::from(entry.text));
        }
        found.extend(read.map(|it| (it.name.clone(), Arc::new(it))));
    }
    found
}

fn parse_name(text: &str) -> Result<AuthName, Flaw> {
    if text == NOBODY {
        return Err(Flaw::invalid(
            "`none` is no name of an authentication",
            "a route says `auth = \"none\"` where nobody need prove anything",
            "give it another name",
        ));
    }
    name::parse(text).map(AuthName::from)
}

/// What a route says where nobody need prove anything.
pub(crate) const NOBODY: &str = "none";

/// Warns of those that no route asks for.
pub(crate) fn warn_of_unused(root: &Section<'_>, context: &Context<'_>) {
    let node = root.node(KEY.name);
    let names = node.as_ref().and_then(Node::names_quietly);
    for entry in names.iter().flat_map(Names::iter) {
        if !context.asked_auths.contains(entry.text) {
            let name = shown(entry.text);
            entry.report(Flaw::new(
                Code::Unused,
                format!("no route asks for the authentication `{name}`"),
                "it keeps nobody away",
                format!("add `auth = \"{name}\"` to a route or to `[policies]`, or remove it"),
            ));
        }
    }
}

fn authentication(
    section: &Section<'_>,
    name: Option<AuthName>,
    context: &Context<'_>,
) -> Option<Authentication> {
    let proof = proof(section, context);
    let claims = claim::read(section);
    if let Some((proof, known)) = proof.as_ref().and_then(|it| Some((it, it.claims()?))) {
        refuse_claims(section, proof, known, &claims);
    }
    if let Some(Proof::Certificate(_)) = &proof {
        refuse_beside_certificate(section);
    }
    if let Some(Proof::Forward(forward)) = &proof {
        refuse_beside_forward(section, forward, &claims);
    }
    let credential =
        if section.flag("keep_token") { Credential::Kept } else { Credential::Removed };
    let refused = refused(section);
    Some(Authentication { name: name?, proof: proof?, claims, credential, refused })
}

/// 402 stands between the two, and means something else.
fn refused(section: &Section<'_>) -> RefusedAs {
    match section.count("refused") {
        401 => RefusedAs::Unauthorized,
        403 => RefusedAs::Forbidden,
        _ => {
            let flaw = Flaw::new(
                Code::OutOfRange,
                "`refused` is 401 or 403",
                "402 tells a client to pay",
                "write 401, or 403 where clients of an older gateway expect it",
            );
            section.report_at("refused", flaw, &[]);
            RefusedAs::default()
        }
    }
}

/// Claims that nobody can have are told to nobody.
fn refuse_claims(section: &Section<'_>, proof: &Proof, known: &[&str], claims: &[ClaimHeader]) {
    let Some(never) = claims.iter().find(|it| !it.claim.is_one_of(known)) else { return };
    let (why, hint) = match known {
        ["sub"] => ("but `sub`, the name".to_owned(), "write \"sub\", or leave it out".to_owned()),
        known => {
            let listed = suggest::listed(known.iter().copied());
            (format!("`{}`", never.claim), format!("write one of {listed}, or leave it out"))
        }
    };
    let flaw = Flaw::new(
        Code::Conflict,
        format!("`{}` can never be told", never.header),
        format!("{} has no claim {why}", called(proof)),
        hint,
    );
    section.report_at(claim::KEY.name, flaw, &[]);
}

/// What stands beside `forward` and could not do anything there.
fn refuse_beside_forward(section: &Section<'_>, forward: &ForwardAuth, claims: &[ClaimHeader]) {
    if section.has("keep_token") && !section.flag("keep_token") {
        let flaw = Flaw::new(
            Code::Conflict,
            "`keep_token = false` has no effect here",
            "which of the request's headers is the token is known to the service alone",
            "take it out; `request_headers = { remove = [...] }` of a route keeps a header from its instances",
        );
        section.report_at("keep_token", flaw, &[]);
    }
    let both = claims.iter().find(|it| forward.headers.contains(&it.header));
    if let Some(both) = both {
        let flaw = Flaw::new(
            Code::Duplicate,
            format!("`{}` is told twice", both.header),
            "it is one of `headers` of `forward`, too",
            "keep one of them",
        );
        section.report_at(claim::KEY.name, flaw, &[]);
    }
    if !claims.is_empty() && forward.subject.is_none() {
        let flaw = Flaw::new(
            Code::Conflict,
            "nothing is known of who asks that could be told",
            "`forward` says nothing of `subject`",
            "name the header of the response that says who it is: `subject = \"x-user-id\"`",
        );
        section.report_at(claim::KEY.name, flaw, &[]);
    }
}

/// What stands beside `certificate` and could not do anything there.
fn refuse_beside_certificate(section: &Section<'_>) {
    if section.has("keep_token") && !section.flag("keep_token") {
        let flaw = Flaw::new(
            Code::Conflict,
            "`keep_token = false` has no effect here",
            "a client's certificate is shown in its handshake, and no instance sees that",
            "take it out",
        );
        section.report_at("keep_token", flaw, &[]);
    }
}

fn called(proof: &Proof) -> &'static str {
    match proof {
        Proof::Jwt(_) => "a token",
        Proof::ApiKey(_) => "an API key",
        Proof::Basic(_) => "a password",
        Proof::Hmac(_) | Proof::Signature(_) => "a signed request",
        Proof::Forward(_) => "another service's word",
        Proof::Introspect(_) => "an opaque token",
        Proof::Certificate(_) => "a certificate",
    }
}

/// The kinds of proofs.
const PROOFS: [&str; 8] =
    ["jwt", "api_key", "basic", "hmac", "signature", "introspect", "forward", "certificate"];

fn proof(section: &Section<'_>, context: &Context<'_>) -> Option<Proof> {
    refuse_two(section);
    let places = place::read(section);
    if section.has(place::FROM_KEY.name) && !section.has("jwt") && !section.has("introspect") {
        refuse_from(section);
    }
    if let Some(node) = section.node("jwt") {
        return jwt::read(&node.section()?, places.as_deref(), context).map(Proof::Jwt);
    }
    if let Some(node) = section.node("api_key") {
        return api_key::read(&node.section()?, context).map(Proof::ApiKey);
    }
    if let Some(node) = section.node("basic") {
        return basic::read(&node.section()?, context).map(Proof::Basic);
    }
    if let Some(node) = section.node("hmac") {
        return hmac::read(&node.section()?, context).map(Proof::Hmac);
    }
    if let Some(node) = section.node("signature") {
        return signature::read(&node.section()?, context).map(Proof::Signature);
    }
    if let Some(node) = section.node("introspect") {
        let section = node.section()?;
        return introspect::read(&section, places.as_deref(), context).map(Proof::Introspect);
    }
    if let Some(node) = section.node("forward") {
        return forward::read(&node.section()?, context).map(Proof::Forward);
    }
    if let Some(node) = section.node(certificate::KEY.name) {
        return Some(Proof::Certificate(certificate::read(&node.section()?)));
    }
    if !PROOFS.iter().any(|key| section.is_meant(key)) {
        section.report(Flaw::new(
            Code::Missing,
            format!("{} says nothing of how one proves who one is", section.called()),
            "there is none of `jwt`, `api_key`, `basic`, `hmac`, `signature`, `introspect`, `forward` and `certificate`",
            "for example `jwt = { secret_env = \"JWT_SECRET\" }`",
        ));
    }
    None
}

fn refuse_two(section: &Section<'_>) {
    let mut there = PROOFS.into_iter().filter(|key| section.has(key));
    let (Some(first), Some(second)) = (there.next(), there.next()) else { return };
    let flaw = Flaw::new(
        Code::Conflict,
        format!("both `{first}` and `{second}`"),
        "an authentication is proven in one way",
        "make two of them, and list both in the route's `auth`",
    );
    let related = section.entry_span(first).map(|span| (span, "and this"));
    section.report_at(second, flaw, related.as_slice());
}

fn refuse_from(section: &Section<'_>) {
    let hint = match section.has("api_key") {
        true => "write it as `in` of `api_key`",
        false => "leave it out",
    };
    let flaw = Flaw::new(
        Code::Conflict,
        "`from` says where a token is, and there is no `jwt` or `introspect`",
        "it would do nothing",
        hint,
    );
    section.report_at(place::FROM_KEY.name, flaw, &[]);
}
