//! Requests as their senders would sign them, for tests of those who check that: with a secret that both sides have, and as RFC 9421
//! has it. What is signed is written here anew, so that nothing is tested with itself.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::{
    Authentication, Document, Hmac, HmacSecrets, MessageSignature, NonceRule, Proof, Secret,
    SignatureAlgorithm,
};

use crate::Talk;
use crate::auth_server::authentication;

/// The secret of [`app`].
pub const APP_SECRET: &[u8] = b"a secret of thirty-two bytes or more";

/// How far from our time a signature of [`app`] and [`peers`] may be.
pub const WINDOW: Duration = Duration::from_secs(300);

/// The authentication `app`: requests signed with these secrets, one by itself where none has an id.
pub fn app(secrets: &[(&str, &[u8])]) -> Authentication {
    let secrets = match secrets {
        [("", only)] => HmacSecrets::One(Secret::new(*only)),
        several => {
            let named = |(id, secret): &(&str, &[u8])| ((*id).to_owned(), Secret::new(*secret));
            HmacSecrets::ById(several.iter().map(named).collect())
        }
    };
    authentication("app", Proof::Hmac(Hmac { secrets, window: WINDOW }))
}

/// The authentication `peers`: requests signed by these keys, each of which has an id.
pub fn peers(keys: &[&SignerKey]) -> Authentication {
    let text: String = keys.iter().map(|key| key.pem()).collect();
    let algorithms = SignatureAlgorithm::ALL.iter().copied();
    let signature = MessageSignature {
        keys: Document { name: "peers.pem".to_owned(), text: text.into() },
        algorithms: algorithms.filter(|it| *it != SignatureAlgorithm::HmacSha256).collect(),
        covered: ["@method", "@target-uri", "content-digest"].map(str::to_owned).to_vec(),
        window: WINDOW,
        tag: None,
        nonce: NonceRule::Required,
    };
    authentication("peers", Proof::Signature(signature))
}

/// Who signs with a secret, and how.
#[derive(Clone, Debug)]
pub struct HmacSigner<'a> {
    /// What it signs with.
    pub secret: &'a [u8],
    /// What it calls that.
    pub key_id: Option<&'a str>,
    /// When it says that it has signed.
    pub at: SystemTime,
    /// Its nonce; a new one where there is none.
    pub nonce: Option<&'a str>,
}

impl<'a> HmacSigner<'a> {
    /// One that signs with `secret`, now.
    pub fn new(secret: &'a [u8]) -> Self {
        Self { secret, key_id: None, at: SystemTime::now(), nonce: None }
    }

    /// `talk`, signed.
    ///
    /// # Panics
    /// When it is earlier than 1970.
    pub fn sign(&self, talk: Talk) -> Talk {
        let (method, target) = (talk.method(), talk.target());
        let (time, body) = (seconds(self.at), talk.content());
        let nonce = self.nonce.map_or_else(nonce, str::to_owned);
        let body = hex(digest::digest(&digest::SHA256, body).as_ref());
        let message = format!("{method}\n{target}\n{time}\n{nonce}\n{body}");
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.secret);
        let signature = hex(hmac::sign(&key, message.as_bytes()).as_ref());
        let talk = talk
            .field("X-Timestamp", &time.to_string())
            .field("X-Nonce", &nonce)
            .field("X-Signature", &signature);
        match self.key_id {
            Some(id) => talk.field("X-Key-Id", id),
            None => talk,
        }
    }
}

/// A key with which a peer signs by Ed25519.
pub struct SignerKey {
    id: String,
    pair: Ed25519KeyPair,
}

impl SignerKey {
    /// A new one with this id.
    ///
    /// # Panics
    /// When none can be drawn.
    pub fn new(id: &str) -> Self {
        Self { id: id.to_owned(), pair: Ed25519KeyPair::generate().expect("a key can be drawn") }
    }

    /// Its public half in PEM (RFC 8410 §4), with its id before it.
    pub fn pem(&self) -> String {
        let mut der = vec![0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0];
        der.extend_from_slice(self.pair.public_key().as_ref());
        let (id, text) = (&self.id, STANDARD.encode(der));
        format!("Key-Id: {id}\n-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
    }

    /// `talk`, which comes in the clear, signed now.
    pub fn sign(&self, talk: Talk) -> Talk {
        self.sign_with(talk, SystemTime::now(), &nonce())
    }

    /// `talk`, which comes in the clear, signed at `at` with `nonce`: method and target, and the digest of its content where it has any.
    ///
    /// # Panics
    /// When `at` is earlier than 1970.
    pub fn sign_with(&self, talk: Talk, at: SystemTime, nonce: &str) -> Talk {
        let (time, id) = (seconds(at), &self.id);
        let uri = format!("http://{}{}", talk.authority(), talk.target());
        let mut base = format!("\"@method\": {}\n\"@target-uri\": {uri}\n", talk.method());
        let mut covered = "\"@method\" \"@target-uri\"".to_owned();
        let talk = match talk.content() {
            [] => talk,
            body => {
                let digest = STANDARD.encode(digest::digest(&digest::SHA256, body));
                let digest = format!("sha-256=:{digest}:");
                base += &format!("\"content-digest\": {digest}\n");
                covered += " \"content-digest\"";
                talk.field("Content-Digest", &digest)
            }
        };
        let input = format!("({covered});created={time};keyid=\"{id}\";nonce=\"{nonce}\"");
        base += &format!("\"@signature-params\": {input}");
        let signature = STANDARD.encode(self.pair.sign(base.as_bytes()));
        talk.field("Signature-Input", &format!("sig1={input}"))
            .field("Signature", &format!("sig1=:{signature}:"))
    }
}

/// A nonce that nobody has used.
///
/// # Panics
/// When there are no random numbers.
pub fn nonce() -> String {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system has random numbers");
    hex(&bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).expect("it is later than 1970").as_secs()
}
