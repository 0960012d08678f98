//! `Content-Digest` (RFC 9530): what the content of a message must be.

use aws_lc_rs::digest::{Context, Digest, SHA256, SHA512};
use sfv::{BareItem, Dictionary, ListEntry};

use super::structured::dictionary;
use super::{Message, Refusal};

/// The digests of a content that are good for something: SHA-256 and SHA-512. The others that the RFC names are broken or
/// checksums, and are not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentDigest {
    sha256: Option<Vec<u8>>,
    sha512: Option<Vec<u8>>,
}

impl ContentDigest {
    /// What `message` says of its content.
    ///
    /// # Errors
    /// [`Refusal::DigestUnknown`] when it says nothing, has an algorithm twice, or has none that is good; [`Refusal::Digest`] when a digest has not the
    /// length of its algorithm.
    pub fn of(message: &Message<'_>) -> Result<Self, Refusal> {
        let all = dictionary(message.values("content-digest"));
        let all = all.map_err(|_| Refusal::DigestUnknown)?;
        let sha256 = bytes(&all, "sha-256", SHA256.output_len())?;
        let sha512 = bytes(&all, "sha-512", SHA512.output_len())?;
        if sha256.is_none() && sha512.is_none() {
            return Err(Refusal::DigestUnknown);
        }
        Ok(Self { sha256, sha512 })
    }

    /// Whether a content that came in these pieces is the one: by each digest that there is.
    pub fn is_of<'a>(&self, pieces: impl Iterator<Item = &'a [u8]> + Clone) -> bool {
        let agrees = |wanted: &Option<Vec<u8>>, algorithm| {
            wanted
                .as_ref()
                .is_none_or(|wanted| digest(algorithm, pieces.clone()).as_ref() == wanted)
        };
        agrees(&self.sha256, &SHA256) && agrees(&self.sha512, &SHA512)
    }
}

fn digest<'a>(
    algorithm: &'static aws_lc_rs::digest::Algorithm,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> Digest {
    let mut context = Context::new(algorithm);
    pieces.for_each(|piece| context.update(piece));
    context.finish()
}

fn bytes(all: &Dictionary, algorithm: &str, length: usize) -> Result<Option<Vec<u8>>, Refusal> {
    match all.get(algorithm) {
        None => Ok(None),
        Some(ListEntry::Item(item)) => match &item.bare_item {
            BareItem::ByteSequence(bytes) if bytes.len() == length => Ok(Some(bytes.clone())),
            BareItem::ByteSequence(_) => Err(Refusal::Digest),
            _ => Err(Refusal::DigestUnknown),
        },
        Some(ListEntry::InnerList(_)) => Err(Refusal::DigestUnknown),
    }
}

#[cfg(test)]
mod tests {
    use model::Scheme;

    use super::super::Field;
    use super::*;

    fn of(lines: &[&str]) -> Result<ContentDigest, Refusal> {
        let field = |line| Field { name: b"Content-Digest", value: str::as_bytes(line) };
        let fields: Vec<Field<'_>> = lines.iter().copied().map(field).collect();
        let (method, authority, path) = (&b"POST"[..], &b"a"[..], &b"/"[..]);
        ContentDigest::of(&Message {
            method,
            scheme: Scheme::Http,
            authority,
            path,
            query: None,
            fields: &fields,
        })
    }

    fn is_of(lines: &[&str], content: &str) -> Result<bool, Refusal> {
        of(lines).map(|it| it.is_of([content.as_bytes()].into_iter()))
    }

    const SHA256_OF: &str = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:";
    const SHA512_OF: &str = "sha-512=:YMAam51Jz/jOATT6/zvHrLVgOYTGFy1d6GJiOHTohq4yP+pgk4vf2aCsyRZOtw8MjkM7iw7yZ/WkppmM44T3qg==:";
    const CONTENT: &str = "{\"hello\": \"world\"}\n";

    /// The examples of RFC 9530, section 2 and appendices B and D.
    #[test]
    fn the_examples_of_the_rfc_hold() {
        for (lines, content) in [
            (&[SHA256_OF][..], CONTENT),
            (&[SHA512_OF], CONTENT),
            (&[SHA256_OF, SHA512_OF], CONTENT),
            (&["sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"], ""),
            (&["sha-256=:jjcgBDWNAtbYUXI37CVG3gRuGOAjaaDRGpIUFsdyepQ=:"], "\"world\"}\n"),
        ] {
            assert_eq!(is_of(lines, content), Ok(true), "{lines:?}");
            assert_eq!(is_of(lines, "{\"hello\": \"World\"}\n"), Ok(false), "{lines:?}");
        }
        let pieces = ["{\"hello\"", "", ": \"world\"}\n"];
        assert!(of(&[SHA512_OF]).unwrap().is_of(pieces.iter().map(|it| it.as_bytes())));
    }

    #[test]
    fn each_digest_that_is_good_counts_and_others_do_not() {
        let both = format!("{SHA256_OF}, sha-512=:{}:", "A".repeat(86) + "==");
        assert_eq!(is_of(&[&both], CONTENT), Ok(false), "one of two is wrong");
        let with_others = format!("md5=:AAAA:, {SHA256_OF}, unixsum=:AAAA:");
        assert_eq!(is_of(&[&with_others], CONTENT), Ok(true));
        for none in [
            "",
            "md5=:Sd/dVLAcvNLSq16eXua5uQ==:",
            "sha=:AAAA:",
            "sha-256",
            "sha-256=1",
            "sha-256=(:AAAA:)",
            "SHA-256=:AAAA:",
            "sha-256=",
            "sha-256=:A:",
        ] {
            assert_eq!(of(&[none]), Err(Refusal::DigestUnknown), "{none:?}");
        }
        assert_eq!(of(&[SHA256_OF, SHA256_OF]), Err(Refusal::DigestUnknown), "there twice");
        assert_eq!(of(&[]), Err(Refusal::DigestUnknown));
        for short in ["sha-256=::", "sha-256=:AAAA:", "sha-512=:AAAA:"] {
            assert_eq!(of(&[short]), Err(Refusal::Digest), "{short:?}");
        }
    }
}
