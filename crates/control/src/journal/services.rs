//! Which release of each service is meant to run, and each process that may be there.

use std::collections::BTreeSet;
use std::net::AddrParseError;
use std::num::NonZeroU32;

use driver::Record;
use model::{InstanceName, Recipe, ServiceName};
use rusqlite::types::Type;
use rusqlite::{OptionalExtension, Row, params};

use super::{Journal, JournalError, identity, recipe};
use crate::release::Release;
use crate::scaling::ByHand;

/// What is known of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// The release that is meant to run.
    pub(crate) version: Option<String>,
    /// Which deploy made it; not kept by earlier versions, as little as its recipe.
    pub(crate) made_by: Option<i64>,
    /// What it is made of.
    pub(crate) recipe: Option<Recipe>,
    /// The number of its next instance.
    pub(crate) next_number: u64,
    /// Names that this release was given in its environment.
    pub(crate) given: BTreeSet<String>,
    /// The version that the file named when it was deployed.
    pub(crate) file_version: Option<String>,
    /// How many instances an operator wants.
    pub(crate) by_hand: Option<ByHand>,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            version: None,
            made_by: None,
            recipe: None,
            next_number: 1,
            given: BTreeSet::new(),
            file_version: None,
            by_hand: None,
        }
    }
}

impl Journal {
    /// What is known of `service`.
    pub(crate) fn service(&self, service: &ServiceName) -> Result<Known, JournalError> {
        self.with(|db| {
            let mut query = db.prepare_cached(
                "SELECT version, next_number, given, recipe, made_by, file_version, by_hand, by_hand_of_file
                 FROM service
                 WHERE name = ?1",
            )?;
            let found = query.query_row([service.as_str()], |row| {
                let given: Option<String> = row.get(2)?;
                Ok(Known {
                    version: row.get(0)?,
                    next_number: row.get::<_, i64>(1)? as u64,
                    given: given.iter().flat_map(|it| it.lines()).map(str::to_owned).collect(),
                    recipe: recipe::read(row, 3, &self.events)?,
                    made_by: row.get(4)?,
                    file_version: row.get(5)?,
                    by_hand: by_hand(row)?,
                })
            });
            Ok(found.optional()?.unwrap_or_default())
        })
    }

    /// The names of all secrets that any service but this one has, or ever had, as far as its recipes
    /// are kept.
    pub(crate) fn secrets_but_of(
        &self,
        service: &ServiceName,
    ) -> Result<BTreeSet<String>, JournalError> {
        self.with(|db| {
            let mut query = db.prepare_cached(
                "SELECT recipe FROM service WHERE name <> ?1 AND recipe IS NOT NULL
                 UNION SELECT recipe FROM deploy WHERE service <> ?1 AND recipe IS NOT NULL",
            )?;
            let recipes =
                query.query_map([service.as_str()], |row| recipe::read(row, 0, &self.events))?;
            let recipes: Vec<_> = recipes.collect::<rusqlite::Result<_>>()?;
            Ok(recipes.into_iter().flatten().flat_map(|recipe| recipe.secrets).collect())
        })
    }

    /// All services of which anything is known.
    pub(crate) fn services(&self) -> Result<Vec<ServiceName>, JournalError> {
        self.with(|db| {
            let mut query = db.prepare(
                "SELECT name FROM service UNION SELECT service FROM instance ORDER BY 1",
            )?;
            let names = query.query_map([], |row| row.get::<_, String>(0))?;
            names.map(|name| Ok(name?.into())).collect()
        })
    }

    /// From now on this release is meant to run.
    pub(crate) fn commit(
        &self,
        service: &ServiceName,
        release: &Release,
    ) -> Result<(), JournalError> {
        let Release { id, version, recipe, given, file_version } = release;
        let given: Vec<&str> = given.iter().map(String::as_str).collect();
        let recipe = recipe::text(recipe);
        self.write(|db| {
            let both = db.unchecked_transaction()?;
            both.execute(
                "INSERT INTO service (name, version, next_number, given, recipe, made_by, file_version)
                 VALUES (?1, ?2, 1, ?3, ?4, ?5, ?6)
                 ON CONFLICT (name) DO UPDATE
                 SET version = ?2, given = ?3, recipe = ?4, made_by = ?5, file_version = ?6",
                params![service.as_str(), version, given.join("\n"), recipe, id, file_version],
            )?;
            both.execute(
                "UPDATE deploy SET outcome = 'promoted', recipe = ?2 WHERE id = ?1",
                params![id, recipe],
            )?;
            both.commit()
        })?;
        Ok(())
    }

    /// So many instances are wanted of `service`, or as many as the file says.
    pub(crate) fn scale(
        &self,
        service: &ServiceName,
        by_hand: Option<ByHand>,
    ) -> Result<(), JournalError> {
        let replicas = by_hand.map(|it| it.replicas.get());
        let of_file = by_hand.map(|it| it.of_file.get());
        self.write(|db| {
            db.execute(
                "INSERT INTO service (name, version, next_number, by_hand, by_hand_of_file)
                 VALUES (?1, NULL, 1, ?2, ?3)
                 ON CONFLICT (name) DO UPDATE SET by_hand = ?2, by_hand_of_file = ?3",
                params![service.as_str(), replicas, of_file],
            )
        })?;
        Ok(())
    }

    /// No instance of `service` gets a number below this any more.
    pub(crate) fn count_from(&self, service: &ServiceName, next: u64) -> Result<(), JournalError> {
        self.write(|db| {
            db.execute(
                "INSERT INTO service (name, version, next_number) VALUES (?1, NULL, ?2)
                 ON CONFLICT (name) DO UPDATE SET next_number = max(next_number, ?2)",
                params![service.as_str(), next as i64],
            )
        })?;
        Ok(())
    }

    /// This process may run from now on, of the release that the deploy `made_by` made.
    pub(crate) fn remember(&self, record: &Record, made_by: i64) -> Result<(), JournalError> {
        // Sealing waits for this to end, or comes first.
        let mut open = self.open_one();
        if open.is_sealed {
            return Err(JournalError::Closed);
        }
        let identity = identity::text(&record.identity)?;
        open.write(|db| {
            db.prepare_cached(
                "INSERT INTO instance (service, name, version, address, run, identity, made_by)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                 ON CONFLICT (service, name) DO UPDATE
                 SET version = ?3, address = ?4, run = ?5, identity = ?6, made_by = ?7",
            )?
            .execute(params![
                record.service.as_str(),
                record.instance.as_str(),
                record.version,
                record.address.to_string(),
                record.run,
                identity,
                made_by,
            ])
        })?;
        Ok(())
    }

    /// The process of this instance is gone. One that was started since under the same name has
    /// another mark, and stays.
    pub(crate) fn forget(&self, record: &Record) -> Result<(), JournalError> {
        self.write(|db| {
            db.execute(
                "DELETE FROM instance WHERE service = ?1 AND name = ?2 AND run = ?3",
                params![record.service.as_str(), record.instance.as_str(), record.run],
            )
        })?;
        Ok(())
    }

    /// Every process of `service` that may run, with the deploy that made its release.
    pub(crate) fn records(
        &self,
        service: &ServiceName,
    ) -> Result<Vec<(Record, Option<i64>)>, JournalError> {
        self.with(|db| {
            let mut query = db.prepare(
                "SELECT service, name, version, address, run, identity, made_by FROM instance
                 WHERE service = ?1 ORDER BY name",
            )?;
            let row = |row: &Row<'_>| Ok((record(row)?, row.get(6)?));
            query.query_map([service.as_str()], row)?.collect()
        })
    }
}

fn by_hand(row: &Row<'_>) -> rusqlite::Result<Option<ByHand>> {
    let count = |column| Ok(row.get::<_, Option<u32>>(column)?.and_then(NonZeroU32::new));
    let (replicas, of_file): (_, rusqlite::Result<_>) = (count(6)?, count(7));
    Ok(replicas.zip(of_file?).and_then(|(replicas, of_file)| ByHand::new(replicas, of_file)))
}

fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    let name: String = row.get(1)?;
    Ok(Record {
        service: row.get::<_, String>(0)?.into(),
        instance: InstanceName::from(name),
        version: row.get(2)?,
        address: row.get::<_, String>(3)?.parse().map_err(|error: AddrParseError| {
            rusqlite::Error::FromSqlConversionFailure(3, Type::Text, Box::new(error))
        })?,
        run: row.get(4)?,
        identity: identity::read(row, 5)?,
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::super::tests::{new_deploy, record, release};
    use super::*;

    #[test]
    fn what_is_written_is_there_after_a_restart() {
        let room = tempfile::tempdir().unwrap();
        let api = ServiceName::from("api");
        let journal = Journal::open(room.path(), None, Default::default()).unwrap();
        assert_eq!(journal.service(&api).unwrap(), Known::default());
        journal.count_from(&api, 3).unwrap();
        journal.count_from(&api, 2).unwrap();
        let release = release("1.4.1");
        journal.commit(&api, &release).unwrap();
        journal.remember(&record("api-1", "a"), 6).unwrap();
        journal.remember(&record("api-2", "b"), 7).unwrap();
        let by_hand = ByHand::new(4.try_into().unwrap(), 2.try_into().unwrap()).unwrap();
        journal.scale(&api, Some(by_hand)).unwrap();
        let id = journal.begin(&api, &new_deploy(Some("1.4.1"), "1.4.2"), UNIX_EPOCH).unwrap();
        drop(journal);

        let journal = Journal::open(room.path(), None, Default::default()).unwrap();
        let known = Known {
            version: Some(release.version),
            made_by: Some(7),
            recipe: Some(release.recipe),
            next_number: 3,
            given: release.given,
            file_version: release.file_version,
            by_hand: Some(by_hand),
        };
        assert_eq!(journal.service(&api).unwrap(), known);
        assert_eq!(journal.services().unwrap(), ["api".into()]);
        let records = [(record("api-1", "a"), Some(6)), (record("api-2", "b"), Some(7))];
        assert_eq!(journal.records(&api).unwrap(), records);
        let open = journal.deploys(&api, 10).unwrap().remove(0);
        assert_eq!((open.id, open.release.as_str(), open.ended_at), (id, "1.4.2", None));
        journal.end(id, "promoted", "{}", UNIX_EPOCH + Duration::from_secs(9)).unwrap();
        let ended = journal.deploys(&api, 10).unwrap().remove(0);
        assert_eq!(ended.outcome.as_deref(), Some("promoted"));
        assert_eq!(ended.ended_at, Some(UNIX_EPOCH + Duration::from_secs(9)));
    }

    #[test]
    fn secrets_are_known_of_services_that_are_in_no_file_any_more() {
        let room = tempfile::tempdir().unwrap();
        let journal = Journal::open(room.path(), None, Default::default()).unwrap();
        journal.commit(&"api".into(), &release("1")).unwrap();
        let of = |service: &str| journal.secrets_but_of(&service.into()).unwrap();
        assert_eq!(of("web"), ["DB_URL".to_owned()].into());
        assert_eq!(of("api"), BTreeSet::new(), "its own are given to it as such");
    }

    #[test]
    fn a_later_run_under_the_same_name_is_not_forgotten() {
        let room = tempfile::tempdir().unwrap();
        let journal = Journal::open(room.path(), None, Default::default()).unwrap();
        journal.remember(&record("api-1", "first"), 1).unwrap();
        journal.remember(&record("api-1", "second"), 1).unwrap();
        journal.forget(&record("api-1", "first")).unwrap();
        assert_eq!(journal.records(&"api".into()).unwrap(), [(record("api-1", "second"), Some(1))]);
        journal.forget(&record("api-1", "second")).unwrap();
        assert_eq!(journal.records(&"api".into()).unwrap(), []);
    }
}
