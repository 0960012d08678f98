//! How certificates stand, as a document.

use control::{CertificateSource, CertificateStatus, InternalCaStatus};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::handle::rfc3339;

/// All certificates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Certificates {
    /// Those from files, then those that are ordered of a CA, by host.
    pub certificates: Vec<Certificate>,
    /// The CA of Plimsoll's own; absent where none has issued anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub internal_ca: Option<InternalCa>,
}

/// A CA of Plimsoll's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InternalCa {
    /// What its certificate is called.
    pub name: String,
    /// The SHA-256 of its certificate, in hexadecimal.
    pub fingerprint: String,
    /// Until when it is good, as RFC 3339 has it.
    pub expires: String,
    /// Its certificate in PEM, for clients that are to believe it.
    pub root: String,
}

impl From<InternalCaStatus> for InternalCa {
    fn from(status: InternalCaStatus) -> Self {
        let InternalCaStatus { name, fingerprint, not_after, root } = status;
        Self { name, fingerprint, expires: rfc3339(not_after), root }
    }
}

/// How a certificate stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Certificate {
    /// The hosts that it is for.
    pub hosts: Vec<String>,
    /// The file that it comes from, and which something else renews; absent where it is ordered of a CA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Who issued it; absent while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// What kind of key it is for; absent while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Until when it is good, as RFC 3339 has it; absent while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// When the next one is ordered, as RFC 3339 has it; absent while it is being ordered, and where it comes from a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Why then: `new` (there is none yet), `third_left` (a third of its life is left), `suggested` (by its CA), `again` (the last order failed), `too_soon` (the
    /// last one has only just come), `elsewhere` (another edge orders it), `store` (it waits for the store, by which edges agree on who does). Absent where it comes from a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The edge that orders it; absent where that is this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edge: Option<String>,
    /// What fails; absent where nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<CertificateTrouble>,
}

/// Orders that fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CertificateTrouble {
    /// Since when, as RFC 3339 has it.
    pub since: String,
    /// How often.
    pub times: u32,
    /// The URL of the directory that was asked last; `internal` begins that of Plimsoll's own CA.
    pub directory: String,
    /// What went wrong then, in the words of the CA where it has any.
    pub problem: String,
    /// What may mend it.
    pub advice: String,
}

impl From<&CertificateStatus> for Certificate {
    fn from(status: &CertificateStatus) -> Self {
        let CertificateStatus { hosts, source, held } = status;
        let (file, renewal) = match source {
            CertificateSource::File(path) => (Some(path.display().to_string()), None),
            CertificateSource::Ordered(renewal) => (None, Some(renewal)),
        };
        let held = held.as_ref();
        let trouble = status.trouble().map(|it| CertificateTrouble {
            since: rfc3339(it.since),
            times: it.times,
            directory: it.directory.clone(),
            problem: it.problem.clone(),
            advice: it.advice.clone(),
        });
        Self {
            hosts: hosts.clone(),
            file,
            issuer: held.map(|it| it.issuer.clone()),
            key: held.map(|it| it.key.clone()),
            expires: held.map(|it| rfc3339(it.not_after)),
            next: renewal.and_then(|it| it.next).map(rfc3339),
            why: renewal.map(|it| it.why.word().to_owned()),
            edge: renewal.and_then(|it| it.edge.clone()),
            trouble,
        }
    }
}
