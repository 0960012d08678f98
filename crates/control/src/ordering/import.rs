//! Certificates that certbot has ordered, taken over into the state directory: what is good still need not be ordered anew.
//!
//! Only reads certbot's directory. What is imported is as if something unknown had issued it: no CA is asked when to renew it, and a third of its life
//! is left when the first own order is placed. certbot's accounts stay where they are: they have RSA keys, and another account costs nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use wire::tls::{Certificate, Files, TlsError, Warning};

use super::kept::{KeepError, file_of, read_certificate, write};

/// What came of certbot's directory.
#[derive(Debug, Default)]
pub struct Imported {
    /// What was taken, by host.
    pub taken: BTreeMap<String, Taken>,
    /// What was left, and why.
    pub left: Vec<Left>,
    /// Keys that others than their owner can read or write.
    pub warnings: Vec<Warning>,
}

/// A certificate that was taken for a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Where it was.
    pub from: PathBuf,
    /// Until when it is good.
    pub not_after: SystemTime,
}

/// A certificate that was not taken.
#[derive(Debug, PartialEq, Eq)]
pub struct Left {
    /// Where it is.
    pub at: PathBuf,
    /// Why.
    pub why: String,
}

/// Why nothing is imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It is none of certbot's directories.
    #[error("{} cannot be read: no directory of certbot's has none", live.display())]
    NoLive {
        /// Where its certificates would be.
        live: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// What was read cannot be kept.
    #[error("{} cannot be written", path.display())]
    Keep {
        /// Where.
        path: PathBuf,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A certificate of certbot's.
struct Found {
    at: PathBuf,
    certificate: Certificate,
    chain: Vec<u8>,
    key: Vec<u8>,
}

/// Takes for `hosts`, as they are ordered, from `certbot` (`/etc/letsencrypt`) into `state_dir` what is good at `now` and longer than what is kept there. Waits for
/// the disk.
///
/// # Errors
/// When nothing can be read there, or nothing kept.
pub fn import(
    certbot: &Path,
    state_dir: &Path,
    hosts: &BTreeSet<String>,
    now: SystemTime,
) -> Result<Imported, ImportError> {
    let mut imported = Imported::default();
    let mut found = Vec::new();
    for at in lineages(certbot)? {
        match read(&at, now) {
            Ok(one) => found.push(one),
            Err(error) => imported.left.push(Left { at, why: crate::chain::chain(&error) }),
        }
    }
    // Of several for one host the one that is good longest.
    found.sort_by_key(|it| std::cmp::Reverse(it.certificate.expires()));
    let certificates = state_dir.join("certificates");
    for one in found {
        let is_open = |it: &&Warning| matches!(it, Warning::OpenKey { .. });
        imported.warnings.extend(one.certificate.warnings().iter().filter(is_open).cloned());
        match useless(&one.certificate, hosts, now) {
            Some(why) => imported.left.push(Left { at: one.at, why }),
            None => take(&one, &certificates, hosts, &mut imported)?,
        }
    }
    Ok(imported)
}

/// Where the certificates are, by name.
fn lineages(certbot: &Path) -> Result<Vec<PathBuf>, ImportError> {
    let live = certbot.join("live");
    let fault = |source| ImportError::NoLive { live: live.clone(), source };
    let mut all = Vec::new();
    for entry in fs::read_dir(&live).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        // A README lies beside them.
        if path.is_dir() {
            all.push(path);
        }
    }
    all.sort();
    Ok(all)
}

fn read(at: &Path, now: SystemTime) -> Result<Found, TlsError> {
    let files = Files { cert: at.join("fullchain.pem"), key: at.join("privkey.pem") };
    let certificate = Certificate::load(&files, now)?;
    let text = |file: &Path| {
        fs::read(file).map_err(|source| TlsError::Read { file: file.to_owned(), source })
    };
    Ok(Found { at: at.to_owned(), chain: text(&files.cert)?, key: text(&files.key)?, certificate })
}

/// Why a certificate is of no use here.
fn useless(certificate: &Certificate, hosts: &BTreeSet<String>, now: SystemTime) -> Option<String> {
    if certificate.expires() <= now {
        return Some("it has expired".to_owned());
    }
    let is_for_one = hosts.iter().any(|host| covers(certificate, host));
    (!is_for_one).then(|| {
        let names: Vec<&str> = certificate.names().collect();
        format!("no listener has one ordered for {}", names.join(", "))
    })
}

/// Whether `certificate` is good for `host`, which may be a wildcard itself (RFC 9525 section 6.3).
fn covers(certificate: &Certificate, host: &str) -> bool {
    let parent = host.split_once('.').map(|(_, parent)| parent);
    certificate
        .names()
        .any(|name| name == host || name.strip_prefix("*.").is_some_and(|it| Some(it) == parent))
}

/// Keeps it for each of `hosts` that it is for, where nothing better is kept.
fn take(
    one: &Found,
    certificates: &Path,
    hosts: &BTreeSet<String>,
    imported: &mut Imported,
) -> Result<(), ImportError> {
    let not_after = one.certificate.expires();
    for host in hosts.iter().filter(|host| covers(&one.certificate, host)) {
        if imported.taken.contains_key(host) {
            continue;
        }
        let path = file_of(certificates, host);
        let keep =
            |source: KeepError| ImportError::Keep { path: path.clone(), source: source.into() };
        // What cannot be read is worth less than what can.
        let kept = read_certificate(&path).ok().flatten();
        if kept.is_some_and(|(_, known)| known.held.not_after >= not_after) {
            let why = format!("what is kept for {host} is good as long, or longer");
            imported.left.push(Left { at: one.at.clone(), why });
            continue;
        }
        let head =
            format!("# Key and certificate of {host}, imported from {}.\n", one.at.display());
        let text = [head.as_bytes(), &one.key, b"\n", &one.chain].concat();
        write(&path, &text).map_err(keep)?;
        imported.taken.insert(host.clone(), Taken { from: one.at.clone(), not_after });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    /// Puts a certificate there as certbot does.
    fn put(certbot: &Path, name: &str, names: &[&str], ends: SystemTime, mode: u32) {
        let folder = certbot.join("live").join(name);
        fs::create_dir_all(&folder).unwrap();
        let names: Vec<String> = names.iter().map(|it| (*it).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = (ends - 90 * DAY).into();
        params.not_after = ends.into();
        let key = KeyPair::generate().unwrap();
        fs::write(folder.join("fullchain.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        fs::write(folder.join("privkey.pem"), key.serialize_pem()).unwrap();
        let mode = fs::Permissions::from_mode(mode);
        fs::set_permissions(folder.join("privkey.pem"), mode).unwrap();
    }

    #[test]
    fn what_is_good_and_wanted_is_taken_once_and_the_rest_told() {
        let room = tempfile::tempdir().unwrap();
        let (certbot, state) = (room.path().join("letsencrypt"), room.path().join("state"));
        let now = SystemTime::now();
        put(&certbot, "shop", &["shop.example.com", "www.example.com"], now + 20 * DAY, 0o600);
        put(&certbot, "shop-0001", &["shop.example.com"], now + 60 * DAY, 0o644);
        put(&certbot, "wild", &["*.example.com"], now + 40 * DAY, 0o600);
        put(&certbot, "old", &["old.example.com"], now - DAY, 0o600);
        put(&certbot, "other", &["other.example.net"], now + 60 * DAY, 0o600);
        fs::write(certbot.join("live/README"), "words").unwrap();
        fs::create_dir_all(certbot.join("live/broken")).unwrap();
        let hosts = ["*.example.com", "old.example.com", "shop.example.com", "www.example.com"];
        let hosts = hosts.map(str::to_owned).into();
        let imported = import(&certbot, &state, &hosts, now).unwrap();
        let taken: Vec<_> = imported
            .taken
            .iter()
            .map(|(host, it)| (host.as_str(), it.from.file_name().unwrap().to_str().unwrap()))
            .collect();
        let expected = [
            ("*.example.com", "wild"),
            ("old.example.com", "wild"),
            ("shop.example.com", "shop-0001"),
            ("www.example.com", "wild"),
        ];
        assert_eq!(taken, expected);
        let left: Vec<_> = imported
            .left
            .iter()
            .map(|it| (it.at.file_name().unwrap().to_str().unwrap(), it.why.as_str()))
            .collect();
        let is_left =
            |name: &str, part: &str| left.iter().any(|(at, why)| *at == name && why.contains(part));
        assert!(is_left("old", "expired"), "{left:?}");
        assert!(is_left("other", "no listener has one ordered for other.example.net"), "{left:?}");
        assert!(is_left("broken", "cannot be read"), "{left:?}");
        let [Warning::OpenKey { file, .. }] = &imported.warnings[..] else {
            panic!("{imported:?}")
        };
        assert!(file.ends_with("shop-0001/privkey.pem"), "{file:?}");
        // It is as if it had been ordered, of nobody that is known.
        let path = file_of(&state.join("certificates"), "shop.example.com");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let (certificate, known) = read_certificate(&path).unwrap().unwrap();
        assert_eq!(certificate.names().collect::<Vec<_>>(), ["shop.example.com"]);
        assert_eq!(known.held.directory, None);

        let again = import(&certbot, &state, &hosts, now).unwrap();
        assert!(again.taken.is_empty(), "{again:?}");
        let gone = import(&room.path().join("gone"), &state, &hosts, now);
        assert!(matches!(gone, Err(ImportError::NoLive { .. })), "{gone:?}");
    }
}
