//! The certificate that a CA looks for by TLS-ALPN-01 (RFC 8737 section 3): signed by its own key, and good for nothing else.

use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};

/// A certificate with its key, in DER.
pub struct TlsProof {
    /// The certificate.
    pub certificate: Vec<u8>,
    /// Its key, as PKCS#8.
    pub key: Vec<u8>,
}

/// Makes the one for `name` that has `digest` in it; `None` where no key can be drawn, or the name is none.
pub fn tls_proof(name: &str, digest: &[u8; 32]) -> Option<TlsProof> {
    let mut params = CertificateParams::new([name.to_owned()]).ok()?;
    params.distinguished_name = DistinguishedName::new();
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate().ok()?;
    let certificate = params.self_signed(&key).ok()?.der().to_vec();
    Some(TlsProof { certificate, key: key.serialize_der() })
}
