//! What a request says (RFC 7617): a name and a password.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

/// A name and a password, as they were sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The name, which has no colon.
    pub name: Box<str>,
    /// The password, in whatever encoding its client took.
    pub password: Box<[u8]>,
}

/// The most bytes that are read of what is behind `Basic`.
const BYTES_MAX: usize = 4096;

/// Some clients leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl Credentials {
    /// Reads what stands behind `Basic`; `None` where it is nothing that RFC 7617 allows.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = Some(text).filter(|text| text.len() <= BYTES_MAX)?;
        let decoded = BASE64.decode(text).ok()?;
        // A hash may end at a NUL, and then more than one password would do.
        if decoded.iter().any(u8::is_ascii_control) {
            return None;
        }
        let colon = decoded.iter().position(|byte| *byte == b':')?;
        let name = std::str::from_utf8(&decoded[..colon]).ok()?;
        Some(Self { name: name.into(), password: decoded[colon + 1..].into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(plain: &[u8]) -> Option<(String, Vec<u8>)> {
        let text = base64::engine::general_purpose::STANDARD.encode(plain);
        let read = Credentials::parse(text.as_bytes())?;
        assert!(Credentials::parse(text.trim_end_matches('=').as_bytes()).as_ref() == Some(&read));
        Some((read.name.into(), read.password.into()))
    }

    #[test]
    fn the_first_colon_ends_the_name() {
        for (plain, name, password) in [
            ("alice:secret", "alice", "secret"),
            ("alice:a:b::", "alice", "a:b::"),
            ("홍:pä:ß", "홍", "pä:ß"),
            ("alice:", "alice", ""),
            (":secret", "", "secret"),
        ] {
            assert_eq!(read(plain.as_bytes()), Some((name.to_owned(), password.into())));
        }
        // A password in Latin-1 is one, too.
        assert_eq!(read(b"alice:\xe4"), Some(("alice".to_owned(), b"\xe4".to_vec())));
    }

    #[test]
    fn what_says_no_name_and_no_password_is_none() {
        for plain in [&b"alice"[..], b"", b"\xe4:a", b"a\0b:c", b"a:b\0c", b"a:b\r\n"] {
            assert_eq!(read(plain), None, "{plain:?}");
        }
        for text in ["", "*", "YTpi*", "YTpi YTpi", "YTpi=", "YTpi====", "-_-_"] {
            assert!(Credentials::parse(text.as_bytes()).is_none(), "{text}");
        }
        let long = base64::engine::general_purpose::STANDARD.encode([b':'; BYTES_MAX]);
        assert!(Credentials::parse(long.as_bytes()).is_none());
    }
}
