//! Clients' certificates (`certificate`): who a client is by the one that it showed in its handshake, which has verified it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use model::{Authentication, CertificateAuth};
use policy::certificate::{self, Accepted, Leaf};
use policy::time::UnixTime;
use wire::tls::ClientCertificate;

use super::caller::{Caller, ProvenToken};
use super::prover::Refused;

/// Which certificates are enough.
#[derive(Debug)]
pub(super) struct Certificates {
    /// The configuration checked that they can be read; where they cannot, nobody is let in.
    accepted: Option<Accepted>,
}

impl Certificates {
    /// What `certificate` says.
    pub(super) fn new(certificate: &CertificateAuth) -> Self {
        let accepted = Accepted::parse(&certificate.subjects, &certificate.sans);
        Self { accepted: accepted.ok() }
    }

    /// Who has shown `leaf`.
    pub(super) fn prove(
        &self,
        by: &Arc<Authentication>,
        leaf: &ClientCertificate,
        now: UnixTime,
    ) -> Result<Caller, Refused> {
        let accepted = self.accepted.as_ref().ok_or(Refused::Unready)?;
        let expires = expiry(leaf);
        // The connection may be older than it should be.
        if now >= expires {
            return Err(Refused::Expired);
        }
        let fingerprint = leaf.fingerprint_text();
        let said = Leaf {
            subject: &leaf.subject,
            issuer: &leaf.issuer,
            serial: &leaf.serial,
            sans: &leaf.sans,
            fingerprint: &fingerprint,
        };
        if !accepted.has(said) {
            return Err(Refused::Foreign);
        }
        let token = Some(ProvenToken::certificate(leaf.fingerprint));
        let caller = Caller::new(by, certificate::claims(said));
        Ok(Caller { expires: Some(expires), token, ..caller })
    }
}

/// The first second in which it is not valid.
fn expiry(leaf: &ClientCertificate) -> UnixTime {
    let last = leaf.not_after.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixTime::from_secs(last.as_secs()).after(Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use model::{Credential, Proof, RefusedAs};
    use policy::certificate::SubjectPattern;

    use super::*;

    fn leaf(subject: &str, until: u64) -> ClientCertificate {
        ClientCertificate {
            subject: subject.into(),
            issuer: "CN=authority".into(),
            serial: "01".into(),
            sans: ["a.svc".into()].into(),
            fingerprint: [7; 32],
            not_after: SystemTime::UNIX_EPOCH + Duration::from_secs(until),
        }
    }

    fn asked(subjects: &[&str]) -> (Arc<Authentication>, Certificates) {
        let subjects = subjects.iter().map(|it| (*it).to_owned()).collect();
        let certificate = CertificateAuth { subjects, sans: Vec::new() };
        let certificates = Certificates::new(&certificate);
        let authentication = Authentication {
            name: "machines".into(),
            proof: Proof::Certificate(certificate),
            claims: Vec::new(),
            credential: Credential::Kept,
            refused: RefusedAs::Unauthorized,
        };
        (authentication.into(), certificates)
    }

    #[test]
    fn a_certificate_proves_nothing_from_the_second_after_its_last() {
        let (by, certificates) = asked(&["CN=ci"]);
        let at = |now| certificates.prove(&by, &leaf("CN=ci", 1_000), UnixTime::from_secs(now));
        let caller = at(1_000).unwrap();
        assert_eq!(caller.subject.as_deref(), Some("CN=ci"));
        assert_eq!(caller.expires, Some(UnixTime::from_secs(1_001)));
        assert_eq!(at(1_001).unwrap_err(), Refused::Expired);
    }

    #[test]
    fn another_s_certificate_is_somebody_else_s_and_patterns_that_cannot_be_read_let_nobody_in() {
        let now = UnixTime::from_secs(0);
        let refused = |subjects: &[&str]| {
            let (by, certificates) = asked(subjects);
            certificates.prove(&by, &leaf("CN=ci,O=other", 1_000), now).map(drop)
        };
        assert_eq!(refused(&["CN=ci"]), Err(Refused::Foreign));
        assert_eq!(refused(&["CN=ci,*", "nonsense"]), Err(Refused::Unready));
        assert_eq!(refused(&[]), Ok(()));
    }

    #[test]
    fn every_subject_that_is_written_can_be_asked_for() {
        // The types of attributes are named in two places.
        for kind in policy::certificate::ATTRIBUTES {
            let subject = format!("{kind}=a\\,b");
            assert!(SubjectPattern::parse(&subject).unwrap().matches(&subject), "{subject}");
        }
    }
}
