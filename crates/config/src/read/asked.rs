//! Servers outside of Plimsoll that it asks itself: their URLs, and the authorities that their certificates are checked with.

use model::{Document, Host, Scheme, Url};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::diagnostic::Code;
use crate::environment::Origin;
use crate::faults::Flaw;
use crate::read::file;
use crate::schema::{Absent, FILE, Format, Key, Shape};
use crate::section::Section;
use crate::value::{address, host, path, shown, url};

/// A URL that is asked.
pub(crate) const URL: Format =
    Format { noun: "a URL such as \"http://127.0.0.1:9090\"", pattern: Some("^https?://.") };

/// What certificates of servers that are asked are checked with.
pub(crate) const CA: Key = Key::new(
    "ca",
    Shape::Text(&FILE),
    Absent::Means("the system's authorities, or those in `SSL_CERT_FILE`"),
    "\"internal.pem\"",
    "A file of PEM with the certificates of the authorities that the server's own certificate is checked with, instead of the system's.",
)
.aka(&["ca_file", "cafile", "root", "roots", "trust"]);

/// The URL at `key`. One with a secret in it is never drawn.
pub(crate) fn url(section: &Section<'_>, key: &'static str) -> Option<Url> {
    let node = section.node(key)?;
    let has_secret = |text| url::without_password(text).is_some();
    if node.is_text() && node.text().is_some_and(has_secret) {
        node.hide();
    }
    node.parse(parse)
}

/// Warns where the server of `url`, which stands at `key`, is asked in the clear beyond this machine: `why` says what that is worth.
pub(crate) fn warn_of_plain_text(section: &Section<'_>, key: &'static str, url: &Url, why: &str) {
    let is_here = match &url.host {
        Host::Address(address) => address.to_canonical().is_loopback(),
        Host::Name(name) => name == "localhost" || name.ends_with(".localhost"),
    };
    if url.scheme == Scheme::Http && !is_here {
        let what = format!("`{key}` is asked in the clear");
        let hint = "write https://, with `ca` where its authority is one of your own";
        section.report_at(key, Flaw::new(Code::Risky, what, why, hint), &[]);
    }
}

/// The file at `ca`, if one is named.
pub(crate) fn ca(section: &Section<'_>, origin: &Origin) -> Option<Document> {
    let node = section.node(CA.name)?;
    let document = file::document(&node, "the certificates of authorities", origin)?;
    if let Err(why) = check(&document.text) {
        let what = format!("{} holds no authorities that can be used", document.name);
        let hint = "give the certificate of the authority that issued the server's, in PEM";
        node.report(Flaw::new(Code::Invalid, what, why, hint));
        return None;
    }
    Some(document)
}

fn check(pem: &str) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    for (read, number) in CertificateDer::pem_slice_iter(pem.as_bytes()).zip(1..) {
        let added = read.ok().and_then(|certificate| roots.add(certificate).ok());
        added.ok_or_else(|| format!("certificate {number} in it is broken"))?;
    }
    if roots.is_empty() { Err("there is no certificate in it".to_owned()) } else { Ok(()) }
}

/// Reads a URL of HTTP or HTTPS.
pub(crate) fn parse(text: &str) -> Result<Url, Flaw> {
    let flaw = |why: &str, hint: &str| {
        let open = url::without_password(text);
        let open = shown(open.as_deref().unwrap_or(text));
        Flaw::invalid(format!("\"{open}\" cannot be asked"), why, hint)
    };
    let hint = "write it as in \"http://127.0.0.1:9090\"";
    let (scheme, rest) = match text.split_once("://") {
        Some(("http", rest)) => (Scheme::Http, rest),
        Some(("https", rest)) => (Scheme::Https, rest),
        _ => return Err(flaw("it is no URL of HTTP", hint)),
    };
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(at);
    if authority.contains('@') {
        return Err(flaw("a password in a URL is shown wherever the URL is", "leave it out"));
    }
    let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
    if target.contains('{') {
        let why = "nothing is substituted in a URL";
        return Err(flaw(why, "write it in full"));
    }
    let target = path::parse_request_target(&target)?;
    host::parse_authority(authority)?;
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    let usual = || format!("{authority}:{}", scheme.usual_port());
    let with_port = if has_port { authority.to_owned() } else { usual() };
    let (host, port): (Host, u16) = address::parse_target(&with_port)?;
    Ok(Url { scheme, host, port, target })
}
