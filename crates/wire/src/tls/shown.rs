//! A client's certificate that a handshake has verified: what it says of whose it is, in one spelling for everything.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::SystemTime;

use aws_lc_rs::digest::{SHA256, digest};
use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::error::X509Error;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use super::certificate::{read, read_chain, system_time, whole};
use super::distinguished;
use super::fault::TlsError;

/// What a client's certificate says. Whether it is believed is the handshake's to decide, and what follows from it is not decided here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Whose it is, as RFC 4514 writes it, the most specific part first, everything but printable ASCII escaped; may be empty.
    pub subject: Box<str>,
    /// Who issued it, written as the subject is.
    pub issuer: Box<str>,
    /// Its serial number, in lower-case hexadecimal digits, two for each byte, without zeros before it.
    pub serial: Box<str>,
    /// Its other names, each of a kind that can be seen from it: an address, a URI, an email address, or else a host in lower case.
    pub sans: Box<[Box<str>]>,
    /// The SHA-256 of its DER.
    pub fingerprint: [u8; 32],
    /// The last second in which it is valid.
    pub not_after: SystemTime,
}

impl ClientCertificate {
    /// Reads a certificate.
    ///
    /// # Errors
    /// When it is not one.
    pub fn parse(der: &CertificateDer<'_>) -> Result<Self, X509Error> {
        let certificate = whole(X509Certificate::from_der(der))?;
        let extension = certificate.subject_alternative_name()?;
        let names = extension.iter().flat_map(|extension| &extension.value.general_names);
        Ok(Self {
            subject: distinguished::text(certificate.subject()).into(),
            issuer: distinguished::text(certificate.issuer()).into(),
            serial: hex(without_zeros(certificate.raw_serial())).into(),
            sans: names.filter_map(san).collect(),
            fingerprint: sha256(der),
            not_after: system_time(certificate.validity().not_after),
        })
    }

    /// Reads the first certificate in `file`, which is PEM.
    ///
    /// # Errors
    /// When it cannot be read or has none.
    pub fn load(file: &Path) -> Result<Self, TlsError> {
        let chain = read_chain(file, &read(file)?)?;
        let leaf = chain.first().expect("a chain that was read is not empty");
        Self::parse(leaf).map_err(|source| TlsError::MalformedCertificate {
            file: file.to_owned(),
            position: 1,
            source,
        })
    }

    /// The fingerprint in lower-case hexadecimal digits.
    pub fn fingerprint_text(&self) -> String {
        hex(&self.fingerprint)
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(digest(&SHA256, bytes).as_ref());
    fingerprint
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A positive number may have a zero before it (X.690 §8.3).
fn without_zeros(serial: &[u8]) -> &[u8] {
    let begin = serial.iter().position(|byte| *byte != 0).unwrap_or(serial.len());
    &serial[begin..]
}

/// A name whose kind can be seen from it. What could be taken for another kind is none: a client that may choose a name of one kind must not
/// get one of another.
fn san(name: &GeneralName<'_>) -> Option<Box<str>> {
    match name {
        GeneralName::DNSName(name) => {
            let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.*".contains(&byte);
            let is_one =
                !name.is_empty() && name.bytes().all(is_host) && name.parse::<Ipv4Addr>().is_err();
            is_one.then(|| name.to_ascii_lowercase().into())
        }
        GeneralName::RFC822Name(address) => {
            let (local, host) = address.rsplit_once('@')?;
            let is_one = !local.is_empty() && !host.is_empty() && is_printable(address);
            let has_colon = address.contains(':');
            (is_one && !has_colon).then(|| format!("{local}@{}", host.to_ascii_lowercase()).into())
        }
        GeneralName::URI(uri) => {
            let (scheme, _) = uri.split_once(':')?;
            let is_of_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
            let is_one = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
                && scheme.bytes().all(is_of_scheme)
                && uri.parse::<IpAddr>().is_err()
                && is_printable(uri);
            is_one.then(|| (*uri).into())
        }
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|it| IpAddr::from(it).to_string().into()),
            16 => <[u8; 16]>::try_from(*bytes).ok().map(|it| IpAddr::from(it).to_string().into()),
            _ => None,
        },
        _ => None,
    }
}

fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use rcgen::string::Ia5String;
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType, SerialNumber};

    use super::*;

    fn ia5(text: &str) -> Ia5String {
        text.try_into().unwrap()
    }

    fn issued(change: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().clone()
    }

    #[test]
    fn a_certificate_is_told_in_one_spelling() {
        let der = issued(|params| {
            params.distinguished_name.push(DnType::OrganizationName, "Ex, Ample");
            params.distinguished_name.push(DnType::CommonName, "ci");
            params.serial_number = Some(SerialNumber::from_slice(&[0, 0x9a, 1]));
            params.not_after = rcgen::date_time_ymd(2001, 2, 3);
            params.subject_alt_names = vec![
                SanType::DnsName(ia5("CI.Svc")),
                SanType::URI(ia5("spiffe://cluster/ns/a")),
                SanType::Rfc822Name(ia5("Ci@Example.COM")),
                SanType::IpAddress("2001:db8:0::1".parse().unwrap()),
                SanType::IpAddress("10.0.0.7".parse().unwrap()),
            ];
        });
        let shown = ClientCertificate::parse(&der).unwrap();
        assert_eq!(&*shown.subject, "CN=ci,O=Ex\\, Ample");
        assert_eq!(shown.issuer, shown.subject);
        assert_eq!(&*shown.serial, "9a01");
        let sans: Vec<&str> = shown.sans.iter().map(|it| &**it).collect();
        let wanted =
            ["ci.svc", "spiffe://cluster/ns/a", "Ci@example.com", "2001:db8::1", "10.0.0.7"];
        assert_eq!(sans, wanted);
        assert_eq!(shown.fingerprint_text().len(), 64);
        let year_2001 = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(981_158_400);
        assert_eq!(shown.not_after, year_2001);
    }

    #[test]
    fn a_name_that_could_be_taken_for_one_of_another_kind_is_none() {
        let der = issued(|params| {
            let names = ["root@example.com", "10.0.0.7", "a:b", "a b", "", "spiffe://cluster/x"];
            let hosts = names.map(|name| SanType::DnsName(ia5(name)));
            let mails = ["no-at", "a:b@c", "@c", "a@", "a b@c"];
            let mails = mails.map(|name| SanType::Rfc822Name(ia5(name)));
            let uris = ["root@example.com", "host.svc", ":x", "::1", "a b:c", "1a:b", "a:b c"];
            let uris = uris.map(|name| SanType::URI(ia5(name)));
            params.subject_alt_names = hosts.into_iter().chain(mails).chain(uris).collect();
        });
        assert_eq!(ClientCertificate::parse(&der).unwrap().sans.len(), 0);
    }

    #[test]
    fn what_is_no_certificate_is_none() {
        let der = issued(|_| {});
        let cut = CertificateDer::from(der[..der.len() - 1].to_vec());
        let longer = CertificateDer::from([&der[..], &[0]].concat());
        for it in [CertificateDer::from(Vec::new()), cut, longer] {
            assert!(ClientCertificate::parse(&it).is_err());
        }
    }
}
