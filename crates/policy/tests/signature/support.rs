//! Requests to hold against a verifier: those of the RFC, and any that a test likes to sign.

use std::sync::OnceLock;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use model::Scheme;
use policy::UnixTime;
use policy::jwt::Keys;
use policy::signature::{
    Algorithm, Believed, BodyPresence, Component, Field, Message, NonceRule, Refusal, Verifier,
    base, inputs, keys,
};
use serde_json::{Value, json};

/// When the RFC's examples were signed.
pub(crate) const NOW: u64 = 1_618_884_475;

pub(crate) const SECRET: &[u8] = b"a secret of thirty-two bytes, two";

pub(crate) fn rfc() -> &'static Value {
    static RFC: OnceLock<Value> = OnceLock::new();
    RFC.get_or_init(|| {
        serde_json::from_str(include_str!("../data/rfc9421.json")).expect("it is JSON")
    })
}

/// The public keys of the RFC.
pub(crate) const PEM: &str = include_str!("../data/rfc9421.pem");

/// A set with one secret.
pub(crate) fn secret_keys(id: &str, secret: &[u8]) -> Keys {
    let set = json!({"keys": [{"kty": "oct", "kid": id, "k": URL_SAFE_NO_PAD.encode(secret)}]});
    keys(&set.to_string(), Algorithm::ALL).expect("it is long enough")
}

/// Demands nothing but a signature in time.
pub(crate) fn verifier() -> Verifier {
    Verifier {
        covered: Vec::new(),
        algorithms: Algorithm::ALL.to_vec(),
        window: Duration::from_secs(300),
        tag: None,
        nonce: NonceRule::Ignored,
    }
}

/// Demands that these are covered.
pub(crate) fn covering(covered: &[&str]) -> Verifier {
    let component = |text: &&str| Component::parse(text).expect("it is one");
    Verifier { covered: covered.iter().map(component).collect(), ..verifier() }
}

/// A request, in the parts that a test may change.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) scheme: Scheme,
    pub(crate) authority: String,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) fields: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// The one with which the RFC tests, unsigned.
    pub(crate) fn plain() -> Self {
        let mut request = Self::of(&rfc()["requests"][0]);
        request.remove("signature");
        request.remove("signature-input");
        request
    }

    pub(crate) fn of(value: &Value) -> Self {
        let text = |name: &str| value[name].as_str().expect("it is text").to_owned();
        let fields = value["fields"].as_array().expect("it is a list");
        let field = |field: &Value| {
            let part = |at: usize| field[at].as_str().expect("it is text").to_owned();
            (part(0), part(1).into_bytes())
        };
        Self {
            method: text("method"),
            scheme: Scheme::Https,
            authority: text("authority"),
            path: text("path"),
            query: Some(text("query")),
            fields: fields.iter().map(field).collect(),
            body: text("body").into_bytes(),
        }
    }

    pub(crate) fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.fields.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.fields.retain(|(it, _)| !it.eq_ignore_ascii_case(name));
    }

    pub(crate) fn message<R>(&self, with: impl FnOnce(Message<'_>) -> R) -> R {
        let fields: Vec<Field<'_>> = self
            .fields
            .iter()
            .map(|(name, value)| Field { name: name.as_bytes(), value })
            .collect();
        with(Message {
            method: self.method.as_bytes(),
            scheme: self.scheme,
            authority: self.authority.as_bytes(),
            path: self.path.as_bytes(),
            query: self.query.as_deref().map(str::as_bytes),
            fields: &fields,
        })
    }

    /// What is signed of it by a signature that says `input`.
    pub(crate) fn base(&self, input: &str) -> Result<String, Refusal> {
        let labelled = self.clone().with("Signature-Input", format!("s={input}"));
        let labelled = labelled.with("Signature", "s=:AA==:");
        let bytes = labelled.message(|message| {
            let inputs = inputs(&message)?;
            base(&message, inputs.last().expect("it was just added"))
        })?;
        Ok(String::from_utf8(bytes).expect("it is ASCII"))
    }

    /// The same, signed with [`SECRET`] under `label`, saying `input`.
    pub(crate) fn signed(self, label: &str, input: &str) -> Self {
        self.signed_by(SECRET, label, input)
    }

    pub(crate) fn signed_by(self, secret: &[u8], label: &str, input: &str) -> Self {
        let base = self.base(input).unwrap_or_default();
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), base.as_bytes());
        let request = self.with("Signature-Input", format!("{label}={input}"));
        request.with("Signature", format!("{label}=:{}:", STANDARD.encode(tag)))
    }

    pub(crate) fn held_against(
        &self,
        verifier: &Verifier,
        keys: &Keys,
        now: u64,
    ) -> Result<Believed, Refusal> {
        let now = UnixTime::from_secs(now);
        let presence = match self.body.is_empty() {
            true => BodyPresence::Absent,
            false => BodyPresence::Present,
        };
        let pending = self.message(|message| verifier.verify(keys, &message, presence, now))?;
        pending.complete(self.body.chunks(7), now)
    }

    /// What `verifier` says of it with [`SECRET`] as `peer`.
    pub(crate) fn verdict(&self, verifier: &Verifier) -> Result<Believed, Refusal> {
        self.held_against(verifier, &secret_keys("peer", SECRET), NOW)
    }
}
