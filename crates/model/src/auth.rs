//! Ways of proving who one is: `[auth.NAME]`, and what routes demand of who was proven.
//!
//! What is decided by them is `policy`'s. Secrets stand here as they were read, and are never shown.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::id::AuthName;
use crate::route::ValueMatch;
use crate::signature::{Hmac, MessageSignature};
use crate::url::Url;

/// A way of proving who one is. What it gives is a subject, and claims.
#[derive(Clone, Debug, PartialEq)]
pub struct Authentication {
    /// The key under `[auth]`.
    pub name: AuthName,
    /// How it is proven.
    pub proof: Proof,
    /// What instances are told of the claims, by header; sorted by header, each in lower case and once.
    pub claims: Vec<ClaimHeader>,
    /// Whether instances see the credential.
    pub credential: Credential,
    /// What a client is told that proves nothing.
    pub refused: RefusedAs,
}

/// How it is proven who one is.
#[derive(Clone, Debug, PartialEq)]
pub enum Proof {
    /// By a signed token (RFC 7519).
    Jwt(Jwt),
    /// By a key that is sent.
    ApiKey(ApiKey),
    /// By a certificate that the client shows in its handshake.
    Certificate(CertificateAuth),
    /// By a name and a password (RFC 7617).
    Basic(Basic),
    /// By a signature over the request, with a secret that both sides have.
    Hmac(Hmac),
    /// By a signature over the request (RFC 9421).
    Signature(MessageSignature),
    /// Another service says who it is.
    Forward(ForwardAuth),
    /// By an opaque token, of which its issuer is asked (RFC 7662).
    Introspect(Introspection),
}

impl Proof {
    /// The only claims that who asks can have; `None` where the credential says which.
    pub fn claims(&self) -> Option<&'static [&'static str]> {
        match self {
            Self::Jwt(_) | Self::Introspect(_) => None,
            Self::Certificate(_) => Some(CertificateAuth::CLAIMS),
            Self::ApiKey(_)
            | Self::Basic(_)
            | Self::Hmac(_)
            | Self::Signature(_)
            | Self::Forward(_) => Some(&["sub"]),
        }
    }

    /// The server that is asked about each request, where one is.
    pub fn server(&self) -> Option<&AuthServer> {
        match self {
            Self::Forward(forward) => Some(&forward.server),
            Self::Introspect(introspection) => Some(&introspection.server),
            _ => None,
        }
    }
}

/// A server that is asked about requests while they wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthServer {
    /// Where.
    pub url: Url,
    /// The authorities that its certificate is checked with, in PEM; the system's where there are none.
    pub ca: Option<Document>,
    /// How long one question may take, with all waiting for others.
    pub timeout: Duration,
}

/// A service that is asked of each request who it is from. What it responds decides: 2xx lets the request in, 401, 403 and redirects are the
/// client's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardAuth {
    /// The service.
    pub server: AuthServer,
    /// The request's fields that it is sent, beside the method, the scheme, the host, the target and the client's address; each in lower
    /// case and once.
    pub send: Vec<String>,
    /// The fields of its response that instances are told; each in lower case and once. What a client sends under these names is
    /// dropped.
    pub headers: Vec<String>,
    /// The field of its response that says who it is, in lower case; nothing is known of who it is without. It is the claim `sub`, too;
    /// there are no other claims.
    pub subject: Option<String>,
    /// What becomes of cookies that it sets as it lets a request in.
    pub cookies: ServiceCookies,
}

/// What becomes of cookies that a service sets as it lets a request in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServiceCookies {
    /// They stay behind.
    #[default]
    Dropped,
    /// The client gets them with its response; each request is asked of by itself, so that nobody gets another's.
    Passed,
}

/// An issuer of opaque tokens, who is asked of each. Its response has the claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Introspection {
    /// The issuer.
    pub server: AuthServer,
    /// As whom it is asked.
    pub client_id: String,
    /// By which that is proven.
    pub secret: Secret,
    /// Who must have issued a token: one of these; anybody where there is none.
    pub issuers: Vec<String>,
    /// Whom it must be for: one of these; anybody where there is none.
    pub audiences: Vec<String>,
    /// How far the issuer's clock may be from ours.
    pub leeway: Duration,
    /// For how long what it said is believed, at most, and never after the token's expiry.
    pub ttl: Duration,
    /// Where the token is looked for, in this order; never empty.
    pub places: Vec<CredentialPlace>,
}

/// Which keys are believed. The subject is the key's name, which is the claim `sub`, too; there are no other claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Where the key is looked for, in this order; never empty.
    pub places: Vec<CredentialPlace>,
    /// A name and the SHA-256 of its key on each line.
    pub keys: Document,
}

/// Which certificates of clients are enough, of those that their listener believes. The subject is the certificate's, or the first of its
/// other names where that is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateAuth {
    /// Patterns of subjects (RFC 4514), one of which it must have; any where there is none.
    pub subjects: Vec<String>,
    /// Patterns of other names, one of which it must have; any where there is none.
    pub sans: Vec<String>,
}

impl CertificateAuth {
    /// What is known of who has shown one.
    pub const CLAIMS: &[&str] = &["sub", "subject", "issuer", "serial", "sans", "fingerprint"];
}

/// Which passwords are believed. The subject is the name, which is the claim `sub`, too; there are no other claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Basic {
    /// A name and a hash of its password on each line.
    pub users: Document,
}

/// Which tokens are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwt {
    /// What signatures are checked with.
    pub keys: JwtKeys,
    /// The algorithms that may sign: never empty, each fits the keys, each once.
    pub algorithms: Vec<JwtAlgorithm>,
    /// Who may issue them: one of these; anybody with a key where there is none.
    pub issuers: Vec<String>,
    /// Whom they must be for: one of these; anybody where there is none.
    pub audiences: Vec<String>,
    /// How far the issuer's clock may be from ours.
    pub leeway: Duration,
    /// Where the token is looked for, in this order; never empty.
    pub places: Vec<CredentialPlace>,
}

/// What tokens' signatures are checked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JwtKeys {
    /// A secret that the issuer has, too.
    Secret(Secret),
    /// Public keys from a file: PEM, or a JWK Set.
    File(Document),
    /// A JWK Set (RFC 7517) that the issuer publishes.
    Fetched(FetchedKeys),
}

/// Keys that are fetched from their issuer, and fetched again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FetchedKeys {
    /// Where.
    pub at: KeysAt,
    /// The authorities that the server's certificate is checked with, in PEM; the system's where there are none.
    pub ca: Option<Document>,
}

/// Where an issuer publishes its keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeysAt {
    /// Here.
    Jwks(Url),
    /// Where the issuer's discovery document says (OpenID Connect Discovery 1.0 §4).
    Discovery {
        /// The document.
        document: Url,
        /// Whose it must be.
        issuer: String,
    },
}

/// What is asked first.
impl fmt::Display for KeysAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Jwks(url) | Self::Discovery { document: url, .. } => url.fmt(f),
        }
    }
}

/// The text of a file that was read with the configuration.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Document {
    /// The file, for messages.
    pub name: String,
    /// What stood in it.
    pub text: Arc<str>,
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Something that nobody may see: it is compared and used, and never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<[u8]>);

impl Secret {
    /// The secret with these bytes.
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self(bytes.into())
    }

    /// Its bytes.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

macro_rules! algorithms {
    ($($(#[$doc:meta])* $name:ident = $text:literal is $kind:ident;)*) => {
        /// An algorithm that signs tokens (RFC 7518, RFC 8037).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum JwtAlgorithm {
            $($(#[$doc])* $name,)*
        }

        impl JwtAlgorithm {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$name),*];
            /// What each is called.
            pub const WORDS: &[&str] = &[$($text),*];

            /// What `alg` says of it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// What kind of key it takes.
            pub const fn kind(self) -> KeyKind {
                match self {
                    $(Self::$name => KeyKind::$kind,)*
                }
            }

            /// The one that `alg` says. Names are compared as they are.
            pub fn named(text: &str) -> Option<Self> {
                match text {
                    $($text => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

algorithms! {
    /// HMAC with SHA-256.
    Hs256 = "HS256" is Secret;
    /// HMAC with SHA-384.
    Hs384 = "HS384" is Secret;
    /// HMAC with SHA-512.
    Hs512 = "HS512" is Secret;
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256 = "RS256" is Rsa;
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384 = "RS384" is Rsa;
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512 = "RS512" is Rsa;
    /// RSASSA-PSS with SHA-256.
    Ps256 = "PS256" is Rsa;
    /// RSASSA-PSS with SHA-384.
    Ps384 = "PS384" is Rsa;
    /// RSASSA-PSS with SHA-512.
    Ps512 = "PS512" is Rsa;
    /// ECDSA over P-256 with SHA-256.
    Es256 = "ES256" is P256;
    /// ECDSA over P-384 with SHA-384.
    Es384 = "ES384" is P384;
    /// ECDSA over P-521 with SHA-512.
    Es512 = "ES512" is P521;
    /// EdDSA over Ed25519.
    EdDsa = "EdDSA" is Ed25519;
}

/// What kind of key an algorithm takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyKind {
    /// Bytes that both sides have.
    Secret,
    /// RSA.
    Rsa,
    /// An elliptic curve: P-256.
    P256,
    /// An elliptic curve: P-384.
    P384,
    /// An elliptic curve: P-521.
    P521,
    /// An Edwards curve: Ed25519.
    Ed25519,
}

/// Where a credential is looked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CredentialPlace {
    /// Behind `Bearer` in `Authorization` (RFC 6750).
    Bearer,
    /// Behind `Basic` in `Authorization` (RFC 7617).
    Basic,
    /// In a cookie.
    Cookie(String),
    /// In a parameter of the query.
    Query(String),
    /// In a header, in lower case.
    Header(String),
}

impl fmt::Display for CredentialPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bearer => f.write_str("bearer"),
            Self::Basic => f.write_str("basic"),
            Self::Cookie(name) => write!(f, "cookie:{name}"),
            Self::Query(name) => write!(f, "query:{name}"),
            Self::Header(name) => write!(f, "header:{name}"),
        }
    }
}

/// A claim that instances are told in a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimHeader {
    /// The header, in lower case.
    pub header: String,
    /// The claim.
    pub claim: ClaimPath,
}

/// Where a claim stands: the names that lead to it, from the outermost on; never empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimPath(pub Vec<String>);

impl ClaimPath {
    /// Whether it is one of these, of the outermost object.
    pub fn is_one_of(&self, names: &[&str]) -> bool {
        matches!(&*self.0, [name] if names.contains(&name.as_str()))
    }
}

impl fmt::Display for ClaimPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

/// Whether instances see what proved who asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Credential {
    /// As it came.
    #[default]
    Kept,
    /// It is taken out.
    Removed,
}

/// What a client is told that proves nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RefusedAs {
    /// 401, with what would be accepted.
    #[default]
    Unauthorized,
    /// 403.
    Forbidden,
}

/// What a route demands of the claims of who asks.
#[derive(Clone, Debug, PartialEq)]
pub struct Requirement {
    /// The claim.
    pub claim: ClaimPath,
    /// What it must be, or have among its items: one of these; never empty.
    pub one_of: Vec<ValueMatch>,
}
