//! A request that is signed well, and what can be changed of it.

use std::time::Duration;

use aws_lc_rs::{digest, hmac};
use policy::UnixTime;
use policy::hmac::{
    Believed, BodyDigest, Header, Line, Presented, Refusal, Secrets, Signed, Verifier,
};

/// The time at which requests are tested.
pub(crate) const NOW: u64 = 1_700_000_000;

pub(crate) const SECRET: &[u8] = b"a secret of thirty-two bytes, two";
pub(crate) const OTHER: &[u8] = b"another secret of thirty-two byte";

pub(crate) const WINDOW: Duration = Duration::from_secs(300);

/// A request, in the parts that a test may change.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: Vec<u8>,
    pub(crate) target: Vec<u8>,
    pub(crate) body: Vec<u8>,
    pub(crate) lines: Vec<(Header, Vec<u8>)>,
}

impl Request {
    /// One that is signed with `secret` at `time`.
    pub(crate) fn signed(secret: &[u8], time: u64) -> Self {
        let request = Self {
            method: b"POST".to_vec(),
            target: b"/login?next=%2Fhome".to_vec(),
            body: br#"{"user":"alice"}"#.to_vec(),
            lines: vec![
                (Header::Timestamp, time.to_string().into_bytes()),
                (Header::Nonce, b"8c1f4d5e-nonce".to_vec()),
            ],
        };
        request.sign_again(secret)
    }

    /// The same with the signature that it needs, as the guide says that one is made.
    pub(crate) fn sign_again(mut self, secret: &[u8]) -> Self {
        let text = |header: Header| {
            let line = self.lines.iter().find(|(it, _)| *it == header);
            String::from_utf8_lossy(&line.expect("it is there").1).into_owned()
        };
        let (timestamp, nonce) = (text(Header::Timestamp), text(Header::Nonce));
        let body = hex(digest::digest(&digest::SHA256, &self.body).as_ref());
        let mut message = [&self.method[..], b"\n", &self.target, b"\n"].concat();
        message.extend(format!("{timestamp}\n{nonce}\n{body}").into_bytes());
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), &message);
        self.lines.retain(|(header, _)| *header != Header::Signature);
        self.lines.push((Header::Signature, hex(tag.as_ref()).into_bytes()));
        self
    }

    /// The same with another value in `header`.
    pub(crate) fn with(mut self, header: Header, value: impl AsRef<[u8]>) -> Self {
        self.lines.retain(|(it, _)| *it != header);
        self.lines.push((header, value.as_ref().to_vec()));
        self
    }

    pub(crate) fn without(mut self, header: Header) -> Self {
        self.lines.retain(|(it, _)| *it != header);
        self
    }

    pub(crate) fn presented(&self) -> Result<Presented<'_>, Refusal> {
        Presented::collect(self.lines.iter().map(|(header, value)| Line { header: *header, value }))
    }

    /// What `verifier` says of it, and that what it says of the head agrees.
    pub(crate) fn held_against(&self, verifier: &Verifier, now: u64) -> Result<Believed, Refusal> {
        let now = UnixTime::from_secs(now);
        let presented = self.presented()?;
        let admitted = verifier.admit(&presented, now);
        let signed = Signed {
            method: &self.method,
            target: &self.target,
            body: BodyDigest::of([&self.body]),
        };
        let verified = verifier.verify(&presented, &signed, now);
        match (&admitted, &verified) {
            (Ok(()), Ok(_) | Err(Refusal::Signature | Refusal::Malformed)) => {}
            (Err(first), Err(second)) => assert_eq!(first, second),
            _ => panic!("admitted {admitted:?}, verified {verified:?}"),
        }
        verified
    }

    pub(crate) fn verdict(&self) -> Result<Believed, Refusal> {
        self.held_against(&verifier(), NOW)
    }
}

/// Believes [`SECRET`].
pub(crate) fn verifier() -> Verifier {
    Verifier { secrets: Secrets::one(SECRET).expect("it is long enough"), window: WINDOW }
}

/// Believes two secrets, by their ids.
pub(crate) fn two_secrets() -> Verifier {
    let secrets = Secrets::by_id([("2026-11", SECRET), ("2026-12", OTHER)]);
    Verifier { secrets: secrets.expect("they are long enough"), window: WINDOW }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
