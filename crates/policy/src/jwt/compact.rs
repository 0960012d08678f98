//! The compact serialisation: three parts and two dots (RFC 7515 section 7.1), its header read strictly.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::claims::Claims;
use crate::json::{Json, Object};

use super::{Algorithm, Refusal};

/// How long a token may be, in bytes. Most proxies and servers take heads of 8 to 32 KiB at most.
pub const TOKEN_BYTES_MAX: usize = 16 << 10;

/// How long its header may be, in base64url: it is read before anything is believed.
const HEADER_BYTES_MAX: usize = 4 << 10;

/// Room for the longest signature, of an RSA key of 8192 bits, as base64 counts it: in groups of three.
const SIGNATURE_BYTES_MAX: usize = 1_026;

/// A token in its parts. Nothing of it is believed yet.
pub(super) struct Compact<'a> {
    pub(super) algorithm: Algorithm,
    /// Which key it says that it was signed with.
    pub(super) key_id: Option<Box<str>>,
    /// What was signed.
    pub(super) signed: &'a [u8],
    /// The claims, in base64url.
    payload: &'a [u8],
    signature: Signature,
}

struct Signature {
    bytes: [u8; SIGNATURE_BYTES_MAX],
    length: usize,
}

impl<'a> Compact<'a> {
    pub(super) fn read(token: &'a [u8]) -> Result<Self, Refusal> {
        if token.is_empty() {
            return Err(Refusal::Missing);
        }
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Refusal::TooLarge);
        }
        let parts = Parts::of(token).ok_or(Refusal::Malformed)?;
        let header = decode(parts.header).filter(|_| parts.header.len() <= HEADER_BYTES_MAX);
        let header =
            Json::parse(&header.ok_or(Refusal::Malformed)?).map_err(|_| Refusal::Malformed)?;
        let header = header.as_object().ok_or(Refusal::Malformed)?;
        let (algorithm, key_id) = read_header(header)?;
        let mut signature = Signature { bytes: [0; SIGNATURE_BYTES_MAX], length: 0 };
        let decoded = URL_SAFE_NO_PAD.decode_slice(parts.signature, &mut signature.bytes);
        signature.length = decoded.map_err(|_| Refusal::Malformed)?;
        Ok(Self { algorithm, key_id, signed: parts.signed, payload: parts.payload, signature })
    }

    pub(super) fn signature(&self) -> &[u8] {
        &self.signature.bytes[..self.signature.length]
    }

    /// The claims, which are read when the signature was checked.
    pub(super) fn claims(&self) -> Result<Claims, Refusal> {
        let payload = decode(self.payload).ok_or(Refusal::Malformed)?;
        Claims::parse(&payload).map_err(|_| Refusal::Malformed)
    }
}

struct Parts<'a> {
    signed: &'a [u8],
    header: &'a [u8],
    payload: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(token: &'a [u8]) -> Option<Self> {
        let is_dot = |byte: &u8| *byte == b'.';
        let first = token.iter().position(is_dot)?;
        let second = first + 1 + token[first + 1..].iter().position(is_dot)?;
        // A third dot is no letter of base64url, and is refused with the signature.
        let (signed, signature) = (&token[..second], &token[second + 1..]);
        let is_whole = first > 0 && second > first + 1 && !signature.is_empty();
        is_whole.then(|| Self {
            signed,
            header: &token[..first],
            payload: &token[first + 1..second],
            signature,
        })
    }
}

/// Without padding, and only as an encoder would write it.
fn decode(part: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

fn read_header(header: &Object) -> Result<(Algorithm, Option<Box<str>>), Refusal> {
    if header.get("crit").is_some() || header.get("b64").is_some() {
        return Err(Refusal::Critical);
    }
    match header.get("typ") {
        None => {}
        Some(Json::Text(kind)) if is_token(kind) => {}
        Some(Json::Text(_)) => return Err(Refusal::Type),
        Some(_) => return Err(Refusal::Malformed),
    }
    let key_id = match header.get("kid") {
        None => None,
        Some(Json::Text(id)) => Some(id.clone()),
        Some(_) => return Err(Refusal::Malformed),
    };
    match header.get("alg") {
        Some(Json::Text(name)) => {
            Ok((super::algorithm::named(name).ok_or(Refusal::Algorithm)?, key_id))
        }
        _ => Err(Refusal::Malformed),
    }
}

/// `JWT` (RFC 7519 section 5.1) or an access token (RFC 9068), a media type whose `application/` may be left away.
fn is_token(kind: &str) -> bool {
    const PREFIX: &str = "application/";
    let kind = match kind.get(..PREFIX.len()) {
        Some(prefix) if prefix.eq_ignore_ascii_case(PREFIX) => &kind[PREFIX.len()..],
        _ => kind,
    };
    ["JWT", "at+jwt"].iter().any(|it| kind.eq_ignore_ascii_case(it))
}

/// Who a token says that it is from. Nothing was checked: it is good for choosing whose keys to check with, and must never be
/// believed. `None` where it says nobody, or is no token.
pub fn unverified_issuer(token: &[u8]) -> Option<Box<str>> {
    let parts = Parts::of(token).filter(|_| token.len() <= TOKEN_BYTES_MAX)?;
    let claims = Claims::parse(&decode(parts.payload)?).ok()?;
    claims.get("iss").and_then(Json::as_text).map(Into::into)
}
