//! From what a configuration says of tokens to what checks them.

use model::{Introspection, Jwt, JwtKeys};

use super::{Expiry, Keys, KeysError, Provenance, Verifier};

impl Verifier {
    /// What `jwt` demands.
    pub fn configured(jwt: &Jwt) -> Self {
        Self {
            algorithms: jwt.algorithms.clone(),
            issuers: jwt.issuers.clone(),
            audiences: jwt.audiences.clone(),
            leeway: jwt.leeway,
            expiry: Expiry::Required,
        }
    }

    /// What is demanded of what an issuer says of an opaque token, which nothing has signed and which may be good for ever.
    pub fn of_introspection(introspection: &Introspection) -> Self {
        Self {
            algorithms: Vec::new(),
            issuers: introspection.issuers.clone(),
            audiences: introspection.audiences.clone(),
            leeway: introspection.leeway,
            expiry: Expiry::Optional,
        }
    }
}

impl Keys {
    /// The keys that stand in the configuration; `None` where they are fetched. A file is a JWK Set where it begins as JSON
    /// does, and PEM otherwise.
    pub fn configured(jwt: &Jwt) -> Option<Result<Self, KeysError>> {
        let algorithms = &jwt.algorithms;
        Some(match &jwt.keys {
            JwtKeys::Secret(secret) => Self::from_secret(secret.expose(), algorithms),
            JwtKeys::File(file) if file.text.trim_start().starts_with('{') => {
                Self::from_jwks(file.text.as_bytes(), Provenance::Own, algorithms)
            }
            JwtKeys::File(file) => Self::from_pem(&file.text, algorithms),
            JwtKeys::Fetched(_) => return None,
        })
    }
}
