//! A wildcard that is ordered: proven by records in a real DNS server (bind), to a real CA (pebble).

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use config::Environment;
use control::{CertificateStatus, Controller, Settings, TxtRecords};
use testkit::bind::{Bind, KEY, SECRET};
use testkit::pebble::{Looks, Pebble};

use crate::bench::settings_without_instances;

/// Nothing that a test waits for takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// What variables of the environment are.
type Variable = fn(&str) -> Option<OsString>;

/// A controller that orders of a CA what its listener says, and proves it by DNS.
struct Stage {
    controller: Controller,
    _room: tempfile::TempDir,
}

impl Stage {
    async fn start(pebble: &Pebble, bind: &Bind, variable: Variable) -> Self {
        let room = tempfile::tempdir().unwrap();
        std::fs::write(room.path().join("root.pem"), pebble.root()).unwrap();
        let (directory, server) = (pebble.directory(), bind.address);
        let text = format!(
            "server = {{ state_dir = \"state\", workers = 1, drain = \"1s\" }}\nlog = {{ access = \"off\" }}\n\
             [acme]\ndirectory = \"{directory}\"\nca = \"root.pem\"\n\
             dns = {{ provider = \"rfc2136\", server = \"{server}\", key_name = \"{KEY}\", secret_env = \"TSIG_SECRET\", servers = [\"{server}\"] }}\n\
             [listeners.secure]\nbind = \"127.0.0.1:0\"\ntls = {{ acme = \"ops@example.com\" }}\n\
             [[routes]]\nhost = [\"*.shop.example.com\", \"shop.example.com\"]\nrespond = {{ status = 204 }}\n"
        );
        std::fs::write(room.path().join("plimsoll.toml"), text).unwrap();
        let settings = Settings {
            environment: Environment { variable, ..Environment::of_process() },
            records: Arc::new(|dns| {
                let records = dns::Records::new(dns).map_err(|error| error.to_string())?;
                Ok(Arc::new(records) as Arc<dyn TxtRecords>)
            }),
            ..settings_without_instances(room.path())
        };
        Self { controller: control::start(settings).await.unwrap(), _room: room }
    }

    /// Asks until both are as wanted.
    async fn until(
        &self,
        what: &str,
        wanted: impl Fn(&CertificateStatus) -> bool,
    ) -> Vec<CertificateStatus> {
        let handle = self.controller.handle();
        let ask = async {
            loop {
                let certificates = handle.certificates().await.unwrap();
                if certificates.len() == 2 && certificates.iter().all(&wanted) {
                    return certificates;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, ask).await {
            Ok(certificates) => certificates,
            Err(_) => panic!("waited for: {what}; is: {:#?}", handle.certificates().await),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wildcard_and_its_name_come_by_dns_and_leave_no_record() {
    let Some(bind) = Bind::start() else { return };
    let Some(pebble) = Pebble::asking(Looks::AtOnce, Some(bind.address)) else { return };
    let stage = Stage::start(&pebble, &bind, |_| Some(SECRET.into())).await;
    let certificates = stage.until("all have come", |it| it.held.is_some()).await;
    let hosts: Vec<_> = certificates.iter().map(|it| it.hosts[0].as_str()).collect();
    assert_eq!(hosts, ["*.shop.example.com", "shop.example.com"]);
    assert_eq!(bind.texts("_acme-challenge.shop.example.com."), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_may_not_change_the_zone_is_told_with_what_to_do() {
    let Some(bind) = Bind::start() else { return };
    let Some(pebble) = Pebble::asking(Looks::AtOnce, Some(bind.address)) else { return };
    let wrong: Variable = |_| Some("YW5vdGhlciBzZWNyZXQsIHdoaWNoIGl0IGhhcyBub3Q=".into());
    let stage = Stage::start(&pebble, &bind, wrong).await;
    let certificates = stage.until("all are told", |it| it.trouble().is_some()).await;
    for certificate in certificates {
        let trouble = certificate.trouble().unwrap();
        assert!(trouble.problem.contains("cannot be changed"), "{trouble:?}");
        assert!(trouble.advice.contains("`[acme.dns]`"), "{trouble:?}");
    }
}
