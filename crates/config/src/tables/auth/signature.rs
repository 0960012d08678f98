//! `signature` of an authentication: which signed messages (RFC 9421) are believed.

use model::{MessageSignature, NonceRule, SignatureAlgorithm};
use policy::signature::{Component, Configured, ConfiguredFault};

use super::hmac;
use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::node::Node;
use crate::read::{Context, distinct, file};
use crate::schema::{Absent, Empty, FILE, Format, Key, Shape, TEXT, Table};
use crate::section::Section;
use crate::value::shown;

pub(super) const KEY: Key = Key::new(
    "signature",
    Shape::Table(&SIGNATURE),
    Absent::Means("no such signatures"),
    "{ keys = \"peers.pem\", covered = [\"@method\", \"@target-uri\", \"content-digest\"] }",
    "Requests that are signed with a key of their sender's own (HTTP message signatures, RFC 9421).",
)
.aka(&["signatures", "http_signature", "http-signature", "message_signature", "httpsig"]);

static SIGNATURE: Table = Table {
    header: "[auth.NAME.signature]",
    noun: "signed messages",
    doc: "Which signatures (`Signature-Input`, `Signature`) are believed: of several that a request has, one must cover all of `covered`, be made in time, have a nonce that is \
          new, on all edges that share a `[store]`, and be of a key that is known. Where it covers `content-digest` (RFC 9530: sha-256, sha-512) the body is held until it \
          was checked: more than 64 KiB gets 413. The subject is the key's id, or, of the only key without one, the authentication's name; it is the claim `sub`, too, and there are no \
          other claims.",
    keys: &[
        Key::new(
            "keys",
            Shape::Text(&FILE),
            Absent::Fault,
            "\"peers.pem\"",
            "A file with the public keys of those who sign: PEM with a line `Key-Id: NAME` before each, or a JWK Set. Where there are several, each has an id, and each \
             signature says it (`keyid`). Read again on each reload.",
        )
        .aka(&["key", "public_key", "pem", "key_file", "jwks"]),
        Key::new(
            "covered",
            Shape::List { of: &Shape::Text(&COMPONENT), empty: Empty::Refused },
            Absent::Texts(&["@method", "@target-uri", "content-digest"]),
            "[\"@method\", \"@target-uri\", \"content-digest\"]",
            "What a signature must cover, as RFC 9421 calls it: `@method`, `@target-uri`, `@authority`, `@scheme`, `@request-target`, `@path`, `@query`, `@query-param;name=\"id\"`, \
             or a header in lower case. `content-digest` is asked of requests with a body only.",
        )
        .aka(&["components", "covered_components", "fields", "headers"]),
        Key::new(
            "algorithms",
            Shape::List { of: &Shape::Word(SignatureAlgorithm::WORDS, &[]), empty: Empty::Refused },
            Absent::Means("every one but `hmac-sha256`"),
            "[\"ed25519\", \"ecdsa-p256-sha256\"]",
            "The algorithms that may sign; the key has to be made for one of them.",
        )
        .aka(&["algorithm", "alg", "algs"]),
        Key::new(
            "window",
            hmac::WINDOW,
            Absent::Text("5m"),
            "\"5m\"",
            "How far `created` may be from our time, to both sides; whole seconds. `expires` can only make it shorter.",
        )
        .aka(&["clock_skew", "skew", "max_age", "ttl", "tolerance"]),
        Key::new(
            "tag",
            Shape::Text(&TEXT),
            Absent::Means("any"),
            "\"shop\"",
            "What a signature must say it is for (`tag`).",
        ),
        Key::new(
            "nonce",
            Shape::Flag,
            Absent::Flag(true),
            "false",
            "Whether each signature must have a nonce, and is good once. Without, a request is good as often as it comes within `window`.",
        )
        .aka(&["nonces", "replay", "replay_protection"]),
    ],
    later: &[],
};

static COMPONENT: Format =
    Format { noun: "a component such as \"@method\" or \"content-digest\"", pattern: None };

pub(super) fn read(signature: &Section<'_>, context: &Context<'_>) -> Option<MessageSignature> {
    let covered = covered(signature);
    let algorithms = algorithms(signature);
    let window = hmac::window(signature);
    let tag = signature.parse("tag", tag);
    let nonce = if signature.flag("nonce") { NonceRule::Required } else { NonceRule::Ignored };
    let node = signature.require("keys")?;
    let keys = file::document(&node, "the keys", context.origin)?;
    let read = MessageSignature { keys, algorithms, covered: covered?, window, tag, nonce };
    // By none of them no key can be used.
    let is_fit = !read.algorithms.is_empty();
    if let Err(ConfiguredFault::Keys(error)) = Configured::new(&read)
        && is_fit
    {
        let what = format!("the keys in {} cannot be used", read.keys.name);
        let hint = "give public keys as PEM, each behind a line `Key-Id: NAME`, or a JWK Set, of kinds that `algorithms` has";
        node.report(Flaw::new(Code::Invalid, what, error.to_string(), hint));
    }
    Some(read)
}

/// `None` where something in it is wrong.
fn covered(signature: &Section<'_>) -> Option<Vec<String>> {
    let Some(node) = signature.node("covered") else {
        let default = signature.default_texts("covered");
        return Some(default.iter().map(|it| (*it).to_owned()).collect());
    };
    let read = |item: &Node<'_>| item.parse(component);
    let items: Vec<_> = node.items().collect();
    let count = items.len();
    let components = distinct(items.into_iter(), "component", read, ToString::to_string);
    // What is wrong was told, and may have been meant for it.
    let is_all = components.len() == count;
    if is_all && count > 0 && !components.contains(&Component::content_digest()) {
        node.report(Flaw::new(
            Code::Risky,
            "`content-digest` is not covered",
            "a signed request can be sent with another body",
            "add it, unless these routes take no bodies",
        ));
    }
    (!components.is_empty()).then(|| components.iter().map(ToString::to_string).collect())
}

fn component(text: &str) -> Result<Component, Flaw> {
    Component::parse(text).map_err(|fault| {
        Flaw::invalid(
            format!("\"{}\" cannot be covered", shown(text)),
            fault.to_string(),
            "for example \"@method\", \"content-type\" or \"@query-param;name=\\\"id\\\"\"",
        )
    })
}

fn algorithms(signature: &Section<'_>) -> Vec<SignatureAlgorithm> {
    let read = |item: &Node<'_>| item.word(SignatureAlgorithm::named);
    match signature.node("algorithms") {
        Some(node) => distinct(node.items(), "algorithm", read, |it| *it),
        None => {
            let all = SignatureAlgorithm::ALL.iter().copied();
            all.filter(|it| *it != SignatureAlgorithm::HmacSha256).collect()
        }
    }
}

fn tag(text: &str) -> Result<String, Flaw> {
    // As a string of a structured field (RFC 9651 §3.3.3) has it.
    let is_said = !text.is_empty() && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if is_said {
        return Ok(text.to_owned());
    }
    Err(Flaw::invalid(
        format!("\"{}\" is no tag", shown(text)),
        "a tag is visible ASCII, and not empty",
        "write it as signers do, or leave it out",
    ))
}
