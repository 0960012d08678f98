//! The bytes that are signed: one form for each request, and one request for each form.

use aws_lc_rs::digest;

/// The SHA-256 of a request's body, as it is sent: without framing, and with its content coding. That of no bytes where
/// there is no body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BodyDigest([u8; digest::SHA256_OUTPUT_LEN]);

impl std::fmt::Debug for BodyDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BodyDigest")
    }
}

impl BodyDigest {
    /// That of a body that came in these pieces.
    pub fn of(pieces: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        pieces.into_iter().for_each(|piece| context.update(piece.as_ref()));
        let mut bytes = [0; digest::SHA256_OUTPUT_LEN];
        bytes.copy_from_slice(context.finish().as_ref());
        Self(bytes)
    }
}

/// What is signed of a request beside what it says of its signature.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// The method, as it was written.
    pub method: &'a [u8],
    /// Path and query as they came in the request line or in `:path`, before anything is rewritten and with nothing
    /// decoded. Of a target in absolute form, what follows the authority; `/` where nothing does.
    pub target: &'a [u8],
    /// The body.
    pub body: BodyDigest,
}

/// Writes what is signed: `METHOD LF target LF timestamp LF nonce LF hex(SHA-256(body))`, without an LF at its end. The
/// first four are bytes as they came, and none may hold an LF: see [`super::Verifier::verify`], which sees to that.
pub fn canonical(signed: &Signed<'_>, timestamp: &[u8], nonce: &[u8], out: &mut Vec<u8>) {
    for part in [signed.method, signed.target, timestamp, nonce] {
        out.extend_from_slice(part);
        out.push(b'\n');
    }
    for byte in signed.body.0 {
        out.extend([byte >> 4, byte & 15].map(|digit| b"0123456789abcdef"[usize::from(digit)]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_lines_are_signed() {
        let body = BodyDigest::of(["hello ", "world"]);
        assert_eq!(body, BodyDigest::of(["hello world"]), "however it came");
        let mut out = Vec::new();
        let signed = Signed { method: b"POST", target: b"/login?next=%2F", body };
        canonical(&signed, b"1700000000", b"abc", &mut out);
        // `printf 'hello world' | sha256sum`
        let digest = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9";
        let expected = format!("POST\n/login?next=%2F\n1700000000\nabc\n{digest}");
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
