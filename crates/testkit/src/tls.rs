//! Certificates for tests, issued by an authority of their own, and both ends of TLS with them.

use std::sync::Arc;
use std::time::SystemTime;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use tempfile::TempDir;
use wire::tls::{Alpn, Certificates, Files, Resumption, server_config};

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
        let certificates = Certificates::load(&files, SystemTime::now());
        let certificates = certificates.expect("what was issued can be read");
        server_config(Arc::new(certificates), alpn, &self.resumption)
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

    /// A new certificate for these names, in files that last as long as the authority.
    ///
    /// # Panics
    /// When a name is none.
    pub fn issue(&self, names: &[&str]) -> Files {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().expect("a key can be drawn");
        let params = CertificateParams::new(names).expect("they are names");
        let leaf = params.signed_by(&key, &self.issuer).expect("the authority signs");
        // A key is drawn at random: its end is a name that no other has.
        let stem: String =
            key.public_key_raw().iter().rev().take(8).map(|byte| format!("{byte:02x}")).collect();
        let write = |extension: &str, text: String| {
            let path = self.directory.path().join(&stem).with_extension(extension);
            std::fs::write(&path, text).expect("a file can be written");
            path
        };
        Files { cert: write("pem", leaf.pem()), key: write("key", key.serialize_pem()) }
    }
}
