//! By what an instance is found again, as a text in the journal: JSON, whose form is the journal's own. It
//! begins with what kind of an instance it is, `{"process": ..}`, so that others need no table of their own.

use driver::{ContainerRecord, Identity, ProcessIdentity, ProcessRecord};
use model::RemoteHost;
use rusqlite::Row;
use rusqlite::types::Type;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Written {
    Process {
        pid: u32,
        start_ticks: u64,
        boot_id: String,
        log: String,
        log_start: u64,
    },
    Container {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<String>,
        id: String,
        image: String,
        port: u16,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        network: Option<String>,
        log: String,
        log_start: u64,
    },
}

/// `identity` as a text.
pub(super) fn text(identity: &Identity) -> rusqlite::Result<String> {
    let written = match identity.clone() {
        Identity::Process(ProcessRecord { leader, log, log_start }) => {
            let ProcessIdentity { pid, start_ticks, boot_id } = leader;
            let log = log.to_string_lossy().into_owned();
            Written::Process { pid, start_ticks, boot_id, log, log_start }
        }
        Identity::Container(ContainerRecord { host, id, image, port, network, log, log_start }) => {
            let log = log.to_string_lossy().into_owned();
            let host = host.map(|host| host.to_string());
            Written::Container { host, id, image, port, network, log, log_start }
        }
    };
    serde_json::to_string(&written)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

/// The identity in a column of `row`.
pub(super) fn read(row: &Row<'_>, column: usize) -> rusqlite::Result<Identity> {
    let text: String = row.get(column)?;
    let written = serde_json::from_str(&text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
    })?;
    Ok(match written {
        Written::Process { pid, start_ticks, boot_id, log, log_start } => {
            let leader = ProcessIdentity { pid, start_ticks, boot_id };
            Identity::Process(ProcessRecord { leader, log: log.into(), log_start })
        }
        Written::Container { host, id, image, port, network, log, log_start } => {
            let (host, log) = (host.map(|host| host_of(&host, column)).transpose()?, log.into());
            Identity::Container(ContainerRecord { host, id, image, port, network, log, log_start })
        }
    })
}

fn host_of(text: &str, column: usize) -> rusqlite::Result<RemoteHost> {
    text.parse().map_err(|_| {
        let why = format!("`{text}` is no host").into();
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, why)
    })
}

#[cfg(test)]
mod tests {
    use driver::Record;

    use super::super::Journal;
    use super::super::tests::record;
    use super::*;

    #[test]
    fn a_container_is_found_again_by_the_engines_id_of_it() {
        let room = tempfile::tempdir().unwrap();
        let journal = Journal::open(room.path(), None, Default::default()).unwrap();
        let of = |host| {
            Identity::Container(ContainerRecord {
                host,
                id: "7f1c".into(),
                image: "r.io/shop@sha256:a".into(),
                port: 3000,
                network: Some("backend".into()),
                log: "/var/log/api.log".into(),
                log_start: 7,
            })
        };
        let identity = of(None);
        assert!(text(&identity).unwrap().starts_with(r#"{"container":{"id":"7f1c""#));
        let container = Record { identity, ..record("api-1", "a") };
        journal.remember(&container, 1).unwrap();
        let found = journal.records(&"api".into()).unwrap();
        assert_eq!(found, [(container, Some(1))]);
        let elsewhere = of(Some("deploy@10.0.0.11".parse().unwrap()));
        let elsewhere = Record { identity: elsewhere, ..record("api-1", "b") };
        journal.remember(&elsewhere, 1).unwrap();
        assert_eq!(journal.records(&"api".into()).unwrap(), [(elsewhere, Some(1))]);
    }
}
