//! `hmac` of an authentication: which requests signed with a secret are believed.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Hmac, HmacSecrets, Secret};
use policy::hmac::{KEY_ID_BYTES_MAX, SECRET_BYTES_MIN, WINDOW_MAX};

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::node::Node;
use crate::read::{Context, secret};
use crate::schema::{Absent, Key, Shape, Table, VARIABLE};
use crate::section::{Names, Section};
use crate::value::{name, shown};

pub(super) const KEY: Key = Key::new(
    "hmac",
    Shape::Table(&HMAC),
    Absent::Means("no such signatures"),
    "{ secret_env = \"HMAC_SECRET\", window = \"5m\" }",
    "Requests that are signed with a secret that both sides have: method, target, time, nonce and body. For where there is no token yet, as at a login.",
)
.aka(&["hmac_auth", "hmac-auth", "shared_secret"]);

static HMAC: Table = Table {
    header: "[auth.NAME.hmac]",
    noun: "requests signed with a secret",
    doc: "Which requests are believed: `X-Signature` is the HMAC-SHA256, in hexadecimal, of METHOD, target, `X-Timestamp` (seconds since 1970), `X-Nonce` and the \
          SHA-256 of the body in hexadecimal, with a line feed between them. The target is path and query as they are sent; a nonce has 8 to 128 visible characters \
          and is good once, on all edges that share a `[store]`. The body is held until it was checked: more than 64 KiB gets 413. The subject is the secret's id, \
          or without ids the authentication's name; it is the claim `sub`, too, and there are no other claims.",
    keys: &[
        Key::new(
            "secret_env",
            Shape::Text(&VARIABLE),
            Absent::Means("`secrets`"),
            "\"HMAC_SECRET\"",
            "The environment variable with the only secret: at least 32 bytes (`openssl rand -hex 32` makes one). `X-Key-Id` is not looked at.",
        )
        .aka(&["secret", "secret_key", "key"]),
        Key::new(
            "secrets",
            Shape::Names { names: "ID", of: &Shape::Text(&VARIABLE) },
            Absent::Means("`secret_env`"),
            "{ \"2026-11\" = \"HMAC_NEW\", \"2026-05\" = \"HMAC_OLD\" }",
            "Several secrets, so that one can follow another: the id that a request says in `X-Key-Id`, and the environment variable with the secret.",
        )
        .aka(&["secrets_env", "keys"]),
        Key::new("window", WINDOW, Absent::Text("5m"), "\"5m\"", "How far the time of a signature may be from ours, to both sides; whole seconds.")
            .aka(&["clock_skew", "skew", "max_age", "ttl", "tolerance"]),
    ],
    later: &[],
};

/// How far the time of any signature may be from ours.
pub(super) const WINDOW: Shape = Shape::Duration(Duration::from_secs(1)..=WINDOW_MAX);

/// What `X-Key-Id` can say.
const ID: &str = "an id: 1 to 128 visible ASCII characters";

pub(super) fn read(hmac: &Section<'_>, context: &Context<'_>) -> Option<Hmac> {
    let window = window(hmac);
    refuse_two(hmac);
    let secrets = match (hmac.node("secret_env"), hmac.node("secrets")) {
        (Some(node), _) => variable(&node, context).map(HmacSecrets::One),
        (None, Some(node)) => by_id(&node, context),
        (None, None) => {
            hmac.report(Flaw::new(
                Code::Missing,
                format!("{} has no secret", hmac.called()),
                "neither `secret_env` nor `secrets` is there",
                "for example `secret_env = \"HMAC_SECRET\"`",
            ));
            None
        }
    };
    Some(Hmac { secrets: secrets?, window })
}

/// Signatures say whole seconds.
pub(super) fn window(section: &Section<'_>) -> Duration {
    let window = section.duration("window");
    if window.subsec_nanos() != 0 {
        let flaw = Flaw::new(
            Code::OutOfRange,
            "`window` is not whole seconds",
            "the times of signatures are whole seconds",
            format!("write \"{}s\"", window.as_secs().max(1)),
        );
        section.report_at("window", flaw, &[]);
    }
    window
}

fn refuse_two(hmac: &Section<'_>) {
    if hmac.has("secret_env") && hmac.has("secrets") {
        let flaw = Flaw::new(
            Code::Conflict,
            "both `secret_env` and `secrets`",
            "a request says which secret signed it, or there is only one",
            "keep one of them",
        );
        let related = hmac.entry_span("secret_env").map(|span| (span, "and this"));
        hmac.report_at("secrets", flaw, related.as_slice());
    }
}

fn variable(node: &Node<'_>, context: &Context<'_>) -> Option<Secret> {
    let variable = node.parse(name::parse_variable)?;
    secret::of_variable(node, &variable, SECRET_BYTES_MIN, context.origin)
}

/// All of them, or none where one of them is wrong.
fn by_id(node: &Node<'_>, context: &Context<'_>) -> Option<HmacSecrets> {
    let names = node.names()?;
    if names.is_empty() {
        node.report(Flaw::new(
            Code::Missing,
            "`secrets` is empty",
            "nothing could be signed",
            "write an id and its variable, as in `{ \"2026-11\" = \"HMAC_NEW\" }`",
        ));
        return None;
    }
    let of = |entry: crate::section::Name<'_>| {
        let id = entry.parse(id);
        let secret = variable(&entry.node, context);
        Some((id?, secret?))
    };
    let read: Vec<_> = Names::iter(&names).map(of).collect();
    let secrets: BTreeMap<String, Secret> = read.into_iter().collect::<Option<_>>()?;
    Some(HmacSecrets::ById(secrets))
}

fn id(text: &str) -> Result<String, Flaw> {
    let is_sent = (1..=KEY_ID_BYTES_MAX).contains(&text.len());
    if is_sent && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(text.to_owned());
    }
    Err(Flaw::invalid(
        format!("\"{}\" is not {}", shown(text), ID),
        "no request could say it in `X-Key-Id`",
        "give it another id, as \"2026-11\"",
    ))
}
