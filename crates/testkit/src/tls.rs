//! Certificates for tests, issued by an authority of their own, and both ends of TLS with them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use edge::ServiceTlsPlan;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName,
    DnType, IsCa, Issuer, KeyIdMethod, KeyPair, RevokedCertParams, SanType, SerialNumber,
    date_time_ymd,
};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use tempfile::TempDir;
use wire::tls::{
    Alpn, Authorities, Certificate, Certificates, ClientFiles, ClientTrust, Demand, Files,
    Resumption, client_config, server_config,
};

static AUTHORITIES: AtomicU32 = AtomicU32::new(1);

/// Both versions that are spoken.
const VERSIONS: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

/// Who issues certificates, and whom clients trust.
pub struct Authority {
    directory: TempDir,
    issuer: Issuer<'static, KeyPair>,
    root: rcgen::Certificate,
    resumption: Resumption,
}

impl Default for Authority {
    /// A new one, that nobody else trusts.
    fn default() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = DistinguishedName::new();
        // Each is another one, by its name as well.
        let number = AUTHORITIES.fetch_add(1, Ordering::Relaxed);
        params.distinguished_name.push(DnType::CommonName, format!("authority {number}"));
        let key = KeyPair::generate().expect("a key can be drawn");
        let root = params.self_signed(&key).expect("an authority signs itself");
        Self {
            directory: tempfile::tempdir().expect("a directory can be made"),
            issuer: Issuer::new(params, key),
            root,
            resumption: Resumption::new().expect("a key can be drawn"),
        }
    }
}

impl Authority {
    /// A server's end, with a new certificate for each list of names, and these protocols.
    ///
    /// # Panics
    /// When a name is none.
    pub fn server(&self, certificates: &[&[&str]], alpn: &[Alpn]) -> Arc<ServerConfig> {
        let files: Vec<_> = certificates.iter().map(|names| self.issue(names)).collect();
        self.server_of(&files, alpn)
    }

    /// A server's end with the certificates of these files.
    ///
    /// # Panics
    /// When they cannot be read.
    pub fn server_of(&self, files: &[Files], alpn: &[Alpn]) -> Arc<ServerConfig> {
        self.server_for(files, alpn, None)
    }

    /// The same, which asks clients for certificates that `clients` believes.
    ///
    /// # Panics
    /// When they cannot be read.
    pub fn server_for(
        &self,
        files: &[Files],
        alpn: &[Alpn],
        clients: Option<&ClientTrust>,
    ) -> Arc<ServerConfig> {
        let certificates = Certificates::load(files, SystemTime::now());
        let certificates = certificates.expect("what was issued can be read");
        server_config(Arc::new(certificates), alpn, &self.resumption, clients)
    }

    /// Believes certificates of clients that it has issued, but for those that are on the list of revoked ones in `crl`.
    ///
    /// # Panics
    /// When the list cannot be read.
    pub fn trust(&self, crl: Option<&Path>, demand: Demand) -> ClientTrust {
        let files =
            ClientFiles { ca: self.write("ca.pem", self.pem()), crl: crl.map(Path::to_owned) };
        ClientTrust::load(&files, demand, SystemTime::now()).expect("what was issued can be read")
    }

    /// A list of these certificates as revoked ones, in a file.
    ///
    /// # Panics
    /// When one of them was not issued here.
    pub fn revoke(&self, revoked: &[&Files]) -> PathBuf {
        self.revoke_until(revoked, 4096)
    }

    /// The same, which was to be replaced at the beginning of this year.
    ///
    /// # Panics
    /// When one of them was not issued here.
    pub fn revoke_until(&self, list: &[&Files], year: i32) -> PathBuf {
        let revoked = |files: &&Files| RevokedCertParams {
            serial_number: serial_of(&files.cert),
            revocation_time: date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(year, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: list.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = params.signed_by(&self.issuer).expect("the authority signs");
        let count = std::fs::read_dir(self.directory.path()).map_or(0, Iterator::count);
        self.write(&format!("{count}.crl"), list.pem().expect("it is written"))
    }

    /// Its own certificate, in PEM: what trusts it is given this.
    pub fn pem(&self) -> String {
        self.root.pem()
    }

    /// A client's end that offers these protocols.
    pub fn client(&self, alpn: &[Alpn]) -> ClientConfig {
        self.client_of(VERSIONS, alpn)
    }

    /// A client's end that speaks one version only.
    ///
    /// # Panics
    /// When the version is not one of TLS 1.2 and 1.3.
    pub fn client_of(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        alpn: &[Alpn],
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.der().clone()).expect("it is an authority");
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions)
            .expect("aws-lc-rs has cipher suites for it");
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|alpn| alpn.id().to_vec()).collect();
        config
    }

    /// A client's end that shows this certificate where it is asked for one.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn client_showing(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        alpn: &[Alpn],
        files: &Files,
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.der().clone()).expect("it is an authority");
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions)
            .expect("aws-lc-rs has cipher suites for it");
        let chain = vec![CertificateDer::from_pem_file(&files.cert).expect("it was written")];
        let key = PrivateKeyDer::from_pem_file(&files.key).expect("it was written");
        let builder = builder.with_root_certificates(roots);
        let mut config = builder.with_client_auth_cert(chain, key).expect("they belong together");
        config.alpn_protocols = alpn.iter().map(|alpn| alpn.id().to_vec()).collect();
        config
    }

    /// How TLS is spoken with instances whose certificates it has issued, to which `own` is shown, in this protocol.
    ///
    /// # Panics
    /// When the certificate cannot be read.
    pub fn toward_instances(&self, own: Option<&Files>, alpn: Alpn) -> ServiceTlsPlan {
        let now = SystemTime::now();
        let authorities = Authorities::load(&self.write("ca.pem", self.pem()), now);
        let authorities = authorities.expect("it is an authority");
        let own =
            own.map(|files| Certificate::load(files, now).expect("what was issued can be read"));
        ServiceTlsPlan {
            config: client_config(&authorities, own.as_ref(), alpn),
            server_name: None,
        }
    }

    /// A new certificate for a client of this common name, with these other names: addresses, URIs, email addresses and hosts.
    ///
    /// # Panics
    /// When a name is none.
    pub fn issue_to(&self, common_name: &str, sans: &[&str]) -> Files {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.subject_alt_names = sans.iter().map(|name| san(name)).collect();
        self.sign(params)
    }

    /// A new certificate for these names, in files that last as long as the authority.
    ///
    /// # Panics
    /// When a name is none.
    pub fn issue(&self, names: &[&str]) -> Files {
        self.sign(params(names))
    }

    /// The same, with a time that was over long ago.
    ///
    /// # Panics
    /// When a name is none.
    pub fn issue_expired(&self, names: &[&str]) -> Files {
        let mut params = params(names);
        params.not_after = rcgen::date_time_ymd(2001, 1, 1);
        self.sign(params)
    }

    fn sign(&self, mut params: CertificateParams) -> Files {
        let key = KeyPair::generate().expect("a key can be drawn");
        // A key is drawn at random: its end is a name that no other has.
        let mut end = key.public_key_raw()[key.public_key_raw().len() - 8..].to_vec();
        // A positive number, and without zeros before it.
        end[0] = end[0] & 0x7f | 0x40;
        params.serial_number = Some(SerialNumber::from_slice(&end));
        let leaf = params.signed_by(&key, &self.issuer).expect("the authority signs");
        let stem: String = end.iter().map(|byte| format!("{byte:02x}")).collect();
        Files {
            cert: self.write(&format!("{stem}.pem"), leaf.pem()),
            key: self.write(&format!("{stem}.key"), key.serialize_pem()),
        }
    }

    fn write(&self, name: &str, text: String) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, text).expect("a file can be written");
        path
    }
}

/// The number of a certificate that an authority here has issued: its file is named by it.
fn serial_of(cert: &Path) -> SerialNumber {
    let stem = cert.file_stem().and_then(|stem| stem.to_str()).expect("it has a name");
    let number = u64::from_str_radix(stem, 16).expect("its name is a number");
    SerialNumber::from(number)
}

fn san(name: &str) -> SanType {
    if let Ok(address) = name.parse() {
        return SanType::IpAddress(address);
    }
    let text = name.try_into().expect("it is a name");
    match (name.contains(':'), name.contains('@')) {
        (true, _) => SanType::URI(text),
        (false, true) => SanType::Rfc822Name(text),
        (false, false) => SanType::DnsName(text),
    }
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    CertificateParams::new(names).expect("they are names")
}
