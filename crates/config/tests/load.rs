//! Files on the disk: paths that start at them, and files that are none.

use std::fs;
use std::path::Path;

use config::{Code, Environment, LoadError, Severity};
use model::AccessLog;

const FILE: &str = "[log]\naccess = \"logs/access.log\"\n\
    [listeners.web]\nbind = \"127.0.0.1:0\"\n\
    tls = { certificates = [{ cert = \"cert.pem\", key = \"key.pem\" }] }\n\
    [services.api]\ntargets = [\"127.0.0.1:9\"]\n";

fn environment() -> Environment {
    Environment { home: Some("/home/user".into()), ..Environment::of_process() }
}

#[test]
fn relative_paths_start_at_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("plimsoll.toml");
    for name in ["cert.pem", "key.pem"] {
        fs::write(dir.path().join(name), "").unwrap();
    }
    fs::write(&file, FILE).unwrap();
    let intent = config::load(&file, &environment()).unwrap().intent;
    assert_eq!(intent.log.access, AccessLog::File(dir.path().join("logs/access.log")));
    let certificate = &intent.listeners.values().next().unwrap().certificates[0];
    assert_eq!(certificate.cert, dir.path().join("cert.pem"));
}

#[test]
fn missing_certificates_are_faults_of_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("plimsoll.toml");
    fs::write(&file, FILE).unwrap();
    let Err(LoadError::Invalid(found)) = config::load(&file, &environment()) else {
        panic!("the certificates are not there");
    };
    let is_error = |code: &Code| code.severity() == Severity::Error;
    let errors: Vec<Code> = found.iter().map(|fault| fault.code).filter(is_error).collect();
    assert_eq!(errors, [Code::UnreadableFile; 2]);
}

#[test]
fn what_is_not_utf8_is_shown_where_it_ends_to_be() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("plimsoll.toml");
    fs::write(&file, b"[server]\nstate_dir = \"/\xff\xfe\"\n").unwrap();
    let Err(LoadError::Invalid(found)) = config::load(&file, &environment()) else {
        panic!("that was no UTF-8");
    };
    let fault = found.iter().next().unwrap();
    assert_eq!((fault.code, fault.place.line, fault.place.column), (Code::Encoding, 2, 15));
}

#[test]
fn a_file_that_cannot_be_read_says_why() {
    let missing = config::load(Path::new("/nonexistent/plimsoll.toml"), &environment());
    let error = missing.unwrap_err();
    assert_eq!(error.to_string(), "cannot read /nonexistent/plimsoll.toml");
    assert!(std::error::Error::source(&error).is_some());
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(config::load(dir.path(), &environment()), Err(LoadError::Read { .. })));
}

#[test]
fn an_endless_file_is_refused() {
    let endless = config::load(Path::new("/dev/zero"), &environment());
    assert!(matches!(endless, Err(LoadError::TooLarge { .. })));
}
