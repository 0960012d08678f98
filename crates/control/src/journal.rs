//! What was meant to run, and what became of each deploy: in SQLite, written before it is done.
//!
//! A crash at any point leaves what the next start needs: which release runs, each process that may
//! be there, and the deploys that have no end yet. `LIFECYCLE.md` of `driver` says why a process is
//! never there without its row.

mod recipe;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use driver::{ProcessIdentity, Record};
use model::{InstanceName, Recipe, ServiceName};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::runs::{Line, Release};

/// The file's name in the state directory.
const FILE: &str = "journal.db";

/// The tables of each version, the first being 1. What stands here is never changed: a new version
/// is a new entry.
const VERSIONS: [&str; 3] = ["
    CREATE TABLE service (name TEXT PRIMARY KEY, version TEXT, next_number INTEGER NOT NULL);
    CREATE TABLE instance (
        service TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL, port INTEGER NOT NULL,
        log TEXT NOT NULL, log_start INTEGER NOT NULL, run TEXT NOT NULL, pid INTEGER NOT NULL,
        start_ticks INTEGER NOT NULL, boot_id TEXT NOT NULL, PRIMARY KEY (service, name)
    );
    CREATE TABLE deploy (
        id INTEGER PRIMARY KEY AUTOINCREMENT, service TEXT NOT NULL, former TEXT, fresh TEXT NOT NULL,
        who TEXT NOT NULL, began_at INTEGER NOT NULL, ended_at INTEGER, outcome TEXT, receipt TEXT
    );
    CREATE INDEX deploy_service ON deploy (service, id);
", "
    ALTER TABLE service ADD COLUMN given TEXT;
", "
    ALTER TABLE service ADD COLUMN recipe TEXT;
    ALTER TABLE service ADD COLUMN made_by INTEGER;
    ALTER TABLE instance ADD COLUMN made_by INTEGER;
    ALTER TABLE deploy ADD COLUMN recipe TEXT;
    ALTER TABLE deploy ADD COLUMN strategy TEXT;
    CREATE TABLE event (
        deploy INTEGER NOT NULL, at_ms INTEGER NOT NULL, event TEXT NOT NULL, instance TEXT,
        text TEXT NOT NULL
    );
"];

/// Why the journal cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// SQLite says so.
    #[error("the journal cannot be used")]
    Sqlite(#[from] rusqlite::Error),
    /// Plimsoll is ending.
    #[error("the journal is closed")]
    Closed,
    /// It was written by a later Plimsoll.
    #[error("the journal is of version {found}, and this Plimsoll knows only up to {known}")]
    Newer {
        /// Its version.
        found: u32,
        /// The latest that is known.
        known: u32,
    },
}

/// The journal. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Journal(Arc<Mutex<Open>>);

#[derive(Debug)]
struct Open {
    connection: Option<Connection>,
    /// No process may be written down any more.
    is_sealed: bool,
    crash: Option<CrashPoint>,
}

/// Where this process is to end as if it were killed, so that what the next start makes of it can be
/// seen: before or after one of the journal's writes, which are the boundaries of all that is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrashPoint {
    /// So many boundaries are left alone: there is one before and one after each write.
    pub after: u64,
}

impl Open {
    fn write<T>(
        &mut self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, JournalError> {
        self.boundary();
        let outcome = work(self.connection.as_ref().ok_or(JournalError::Closed)?);
        self.boundary();
        Ok(outcome?)
    }

    fn boundary(&mut self) {
        match &mut self.crash {
            Some(CrashPoint { after: 0 }) => std::process::abort(),
            Some(crash) => crash.after -= 1,
            None => {}
        }
    }
}

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
}

impl Default for Known {
    fn default() -> Self {
        Self { version: None, made_by: None, recipe: None, next_number: 1, given: BTreeSet::new() }
    }
}

/// A deploy as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deploy {
    /// Its number, over all services.
    pub id: i64,
    /// Of this service.
    pub service: ServiceName,
    /// The release that ran before.
    pub former: Option<String>,
    /// The release that was to come.
    pub fresh: String,
    /// Who wanted it.
    pub who: String,
    /// When.
    pub began_at: SystemTime,
    /// When it ended, if it has.
    pub ended_at: Option<SystemTime>,
    /// How it ended, in a word.
    pub outcome: Option<String>,
    /// All that was kept of it, as JSON.
    pub receipt: Option<String>,
    /// In which way; not kept by earlier versions.
    pub strategy: Option<String>,
}

impl Journal {
    /// Opens the journal in `state_dir`, or begins one.
    ///
    /// # Errors
    /// When it cannot be read, or is of a later version.
    pub(crate) fn open(state_dir: &Path, crash: Option<CrashPoint>) -> Result<Self, JournalError> {
        let connection = Connection::open(state_dir.join(FILE))?;
        // Nobody else uses it, so SQLite needs no file to share its index in: one that could not be
        // written on a full disk would keep us from starting.
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        // What is written is on the disk when it is answered for.
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        upgrade(&connection)?;
        let open = Open { connection: Some(connection), is_sealed: false, crash };
        Ok(Self(Arc::new(Mutex::new(open))))
    }

    fn with<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, JournalError> {
        Ok(work(self.open_one().connection.as_ref().ok_or(JournalError::Closed)?)?)
    }

    fn write<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, JournalError> {
        self.open_one().write(work)
    }

    fn open_one(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes no process any more, so that none runs that is not there already.
    pub(crate) fn seal(&self) {
        self.open_one().is_sealed = true;
    }

    /// Closes it: what is written later is refused.
    pub(crate) fn close(&self) {
        drop(self.open_one().connection.take());
    }

    /// What is known of `service`.
    pub(crate) fn service(&self, service: &ServiceName) -> Result<Known, JournalError> {
        self.with(|db| {
            let mut query = db.prepare_cached(
                "SELECT version, next_number, given, recipe, made_by FROM service WHERE name = ?1",
            )?;
            let found = query.query_row([service.as_str()], |row| {
                let given: Option<String> = row.get(2)?;
                Ok(Known {
                    version: row.get(0)?,
                    next_number: row.get::<_, i64>(1)? as u64,
                    given: given.iter().flat_map(|it| it.lines()).map(str::to_owned).collect(),
                    recipe: recipe::read(row, 3)?,
                    made_by: row.get(4)?,
                })
            });
            Ok(found.optional()?.unwrap_or_default())
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
        let Release { id, version, recipe, given } = release;
        let given: Vec<&str> = given.iter().map(String::as_str).collect();
        let recipe = recipe::text(recipe);
        self.write(|db| {
            let both = db.unchecked_transaction()?;
            both.execute(
                "INSERT INTO service (name, version, next_number, given, recipe, made_by)
                 VALUES (?1, ?2, 1, ?3, ?4, ?5)
                 ON CONFLICT (name) DO UPDATE
                 SET version = ?2, given = ?3, recipe = ?4, made_by = ?5",
                params![service.as_str(), version, given.join("\n"), recipe, id],
            )?;
            both.execute(
                "UPDATE deploy SET outcome = 'promoted', recipe = ?2 WHERE id = ?1",
                params![id, recipe],
            )?;
            both.commit()
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
        open.write(|db| {
            db.prepare_cached(
                "INSERT OR REPLACE INTO instance VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?
            .execute(params![
                record.service.as_str(),
                record.instance.as_str(),
                record.version,
                record.port,
                record.log.to_string_lossy(),
                record.log_start as i64,
                record.run,
                record.process.pid,
                record.process.start_ticks as i64,
                record.process.boot_id,
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
            let mut query =
                db.prepare("SELECT * FROM instance WHERE service = ?1 ORDER BY name")?;
            let row = |row: &Row<'_>| Ok((record(row)?, row.get(10)?));
            query.query_map([service.as_str()], row)?.collect()
        })
    }

    /// A deploy begins. Its number.
    pub(crate) fn begin(
        &self,
        service: &ServiceName,
        (former, fresh): (Option<&str>, &str),
        strategy: &str,
        who: &str,
        now: SystemTime,
    ) -> Result<i64, JournalError> {
        self.write(|db| {
            db.execute(
                "INSERT INTO deploy (service, former, fresh, who, began_at, strategy)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![service.as_str(), former, fresh, who, millis(now), strategy],
            )?;
            Ok(db.last_insert_rowid())
        })
    }

    /// This is about to happen in a deploy.
    pub(crate) fn note(&self, deploy: i64, lines: &[Line]) -> Result<(), JournalError> {
        self.write(|db| {
            let all = db.unchecked_transaction()?;
            for Line { at, event, instance, text } in lines {
                let instance = instance.as_ref().map(InstanceName::as_str);
                all.prepare_cached("INSERT INTO event VALUES (?1, ?2, ?3, ?4, ?5)")?
                    .execute(params![deploy, at.as_millis() as i64, event, instance, text])?;
            }
            all.commit()
        })
    }

    /// What was noted of a deploy that has not ended.
    pub(crate) fn noted(&self, deploy: i64) -> Result<Vec<Line>, JournalError> {
        self.with(|db| {
            let mut query = db.prepare(
                "SELECT at_ms, event, instance, text FROM event WHERE deploy = ?1 ORDER BY rowid",
            )?;
            let line = |row: &Row<'_>| {
                Ok(Line {
                    at: Duration::from_millis(row.get::<_, i64>(0)? as u64),
                    event: row.get::<_, String>(1)?.into(),
                    instance: row.get::<_, Option<String>>(2)?.map(InstanceName::from),
                    text: row.get(3)?,
                })
            };
            query.query_map([deploy], line)?.collect()
        })
    }

    /// A deploy has ended. Its receipt has what was noted.
    pub(crate) fn end(
        &self,
        id: i64,
        outcome: &str,
        receipt: &str,
        now: SystemTime,
    ) -> Result<(), JournalError> {
        self.write(|db| {
            let both = db.unchecked_transaction()?;
            both.execute(
                "UPDATE deploy SET ended_at = ?2, outcome = ?3, receipt = ?4 WHERE id = ?1",
                params![id, millis(now), outcome, receipt],
            )?;
            both.execute("DELETE FROM event WHERE deploy = ?1", [id])?;
            both.commit()
        })
    }

    /// Every deploy that has no end. One whose release has come to stay has its outcome already.
    pub(crate) fn open_deploys(&self) -> Result<Vec<Deploy>, JournalError> {
        self.with(|db| {
            let mut query =
                db.prepare("SELECT * FROM deploy WHERE ended_at IS NULL ORDER BY id")?;
            query.query_map([], deploy)?.collect()
        })
    }

    /// The release that `version` replaced when it last came to stay.
    pub(crate) fn before(
        &self,
        service: &ServiceName,
        version: &str,
    ) -> Result<Option<String>, JournalError> {
        self.with(|db| {
            db.query_row(
                "SELECT former FROM deploy WHERE service = ?1 AND fresh = ?2 AND former <> fresh
                 AND outcome = 'promoted' ORDER BY id DESC LIMIT 1",
                params![service.as_str(), version],
                |row| row.get(0),
            )
            .optional()
        })
    }

    /// What the release `version` was made of when it last came to stay, if that is known.
    pub(crate) fn recipe(
        &self,
        service: &ServiceName,
        version: &str,
    ) -> Result<Option<Recipe>, JournalError> {
        self.with(|db| {
            let found = db.query_row(
                "SELECT recipe FROM deploy WHERE service = ?1 AND fresh = ?2
                 AND outcome = 'promoted' ORDER BY id DESC LIMIT 1",
                params![service.as_str(), version],
                |row| recipe::read(row, 0),
            );
            Ok(found.optional()?.flatten())
        })
    }

    /// The deploys of `service`, the latest first, at most `limit`.
    pub(crate) fn deploys(
        &self,
        service: &ServiceName,
        limit: usize,
    ) -> Result<Vec<Deploy>, JournalError> {
        self.with(|db| {
            let mut query =
                db.prepare("SELECT * FROM deploy WHERE service = ?1 ORDER BY id DESC LIMIT ?2")?;
            query.query_map(params![service.as_str(), limit as i64], deploy)?.collect()
        })
    }
}

fn upgrade(connection: &Connection) -> Result<(), JournalError> {
    let found: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let known = VERSIONS.len() as u32;
    if found > known {
        return Err(JournalError::Newer { found, known });
    }
    for (version, tables) in (1u32..).zip(VERSIONS).skip(found as usize) {
        let step = format!("BEGIN; {tables} PRAGMA user_version = {version}; COMMIT;");
        connection.execute_batch(&step)?;
    }
    Ok(())
}

fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    let name: String = row.get(1)?;
    Ok(Record {
        service: row.get::<_, String>(0)?.into(),
        instance: InstanceName::from(name),
        version: row.get(2)?,
        port: row.get(3)?,
        log: row.get::<_, String>(4)?.into(),
        log_start: row.get::<_, i64>(5)? as u64,
        run: row.get(6)?,
        process: ProcessIdentity {
            pid: row.get(7)?,
            start_ticks: row.get::<_, i64>(8)? as u64,
            boot_id: row.get(9)?,
        },
    })
}

fn deploy(row: &Row<'_>) -> rusqlite::Result<Deploy> {
    Ok(Deploy {
        id: row.get(0)?,
        service: row.get::<_, String>(1)?.into(),
        former: row.get(2)?,
        fresh: row.get(3)?,
        who: row.get(4)?,
        began_at: time(row.get(5)?),
        ended_at: row.get::<_, Option<i64>>(6)?.map(time),
        outcome: row.get(7)?,
        receipt: row.get(8)?,
        strategy: row.get(10)?,
    })
}

fn millis(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64
}

fn time(millis: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(millis.max(0) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(instance: &str, run: &str) -> Record {
        Record {
            service: "api".into(),
            instance: instance.into(),
            version: "1.4.2".into(),
            port: 8123,
            log: "/var/log/api.log".into(),
            log_start: 7,
            run: run.into(),
            process: ProcessIdentity { pid: 42, start_ticks: u64::MAX, boot_id: "b".into() },
        }
    }

    fn release(version: &str) -> Release {
        let recipe = Recipe {
            command: model::Command::Line(format!("server {version}")),
            directory: "/srv".into(),
            env: [("LEVEL".to_owned(), "a\nb".to_owned())].into(),
            env_file: Some("/srv/.env".into()),
            secrets: vec!["DB_URL".into()],
        };
        let given = ["DB_URL", "LEVEL"].map(str::to_owned);
        Release { id: 7, version: version.into(), recipe, given: given.into() }
    }

    #[test]
    fn what_is_written_is_there_after_a_restart() {
        let room = tempfile::tempdir().unwrap();
        let api = ServiceName::from("api");
        let journal = Journal::open(room.path(), None).unwrap();
        assert_eq!(journal.service(&api).unwrap(), Known::default());
        journal.count_from(&api, 3).unwrap();
        journal.count_from(&api, 2).unwrap();
        let release = release("1.4.1");
        journal.commit(&api, &release).unwrap();
        journal.remember(&record("api-1", "a"), 6).unwrap();
        journal.remember(&record("api-2", "b"), 7).unwrap();
        let id =
            journal.begin(&api, (Some("1.4.1"), "1.4.2"), "canary", "ops", UNIX_EPOCH).unwrap();
        drop(journal);

        let journal = Journal::open(room.path(), None).unwrap();
        let known = Known {
            version: Some(release.version),
            made_by: Some(7),
            recipe: Some(release.recipe),
            next_number: 3,
            given: release.given,
        };
        assert_eq!(journal.service(&api).unwrap(), known);
        assert_eq!(journal.services().unwrap(), ["api".into()]);
        let records = [(record("api-1", "a"), Some(6)), (record("api-2", "b"), Some(7))];
        assert_eq!(journal.records(&api).unwrap(), records);
        let open = journal.deploys(&api, 10).unwrap().remove(0);
        assert_eq!((open.id, open.fresh.as_str(), open.ended_at), (id, "1.4.2", None));
        journal.end(id, "promoted", "{}", UNIX_EPOCH + Duration::from_secs(9)).unwrap();
        let ended = journal.deploys(&api, 10).unwrap().remove(0);
        assert_eq!(ended.outcome.as_deref(), Some("promoted"));
        assert_eq!(ended.ended_at, Some(UNIX_EPOCH + Duration::from_secs(9)));
    }

    #[test]
    fn the_release_before_is_what_was_replaced_by_the_one_that_runs() {
        let room = tempfile::tempdir().unwrap();
        let (api, journal) = (ServiceName::from("api"), Journal::open(room.path(), None).unwrap());
        for (former, fresh, outcome) in [
            (None, "1", "promoted"),
            (Some("1"), "2", "promoted"),
            (Some("2"), "3", "rolled-back"),
            (Some("2"), "2", "promoted"),
        ] {
            let id = journal.begin(&api, (former, fresh), "rolling", "ops", UNIX_EPOCH).unwrap();
            journal.end(id, outcome, "{}", UNIX_EPOCH).unwrap();
        }
        let before = |version| journal.before(&api, version).unwrap();
        assert_eq!([before("1"), before("2"), before("3")], [None, Some("1".into()), None]);
        let stays = journal.begin(&api, (Some("2"), "3"), "rolling", "ops", UNIX_EPOCH).unwrap();
        journal.commit(&api, &Release { id: stays, ..release("3") }).unwrap();
        assert_eq!(journal.recipe(&api, "3").unwrap(), Some(release("3").recipe));
        assert_eq!(journal.recipe(&api, "2").unwrap(), None, "it was not written down");
        assert_eq!(
            journal.before(&api, "3").unwrap(),
            Some("2".into()),
            "though it has no end yet"
        );
    }

    #[test]
    fn what_was_noted_of_a_deploy_is_there_until_it_has_a_receipt() {
        let room = tempfile::tempdir().unwrap();
        let (api, journal) = (ServiceName::from("api"), Journal::open(room.path(), None).unwrap());
        let id = journal.begin(&api, (Some("2"), "3"), "canary", "ops", UNIX_EPOCH).unwrap();
        let line = |millis, event: &'static str, instance: Option<&str>| Line {
            at: Duration::from_millis(millis),
            event: event.into(),
            instance: instance.map(InstanceName::from),
            text: format!("it is {event}"),
        };
        let lines = [line(0, "starting", Some("api-3")), line(70, "step", None)];
        journal.note(id, &lines[..1]).unwrap();
        journal.note(id, &lines[1..]).unwrap();
        drop(journal);
        let journal = Journal::open(room.path(), None).unwrap();
        let open = journal.open_deploys().unwrap();
        assert_eq!((open.len(), open[0].id, open[0].strategy.as_deref()), (1, id, Some("canary")));
        assert_eq!(journal.noted(id).unwrap(), lines);
        journal.end(id, "interrupted", "{}", UNIX_EPOCH).unwrap();
        assert_eq!(journal.open_deploys().unwrap(), []);
        assert_eq!(journal.noted(id).unwrap(), []);
    }

    #[test]
    fn a_later_run_under_the_same_name_is_not_forgotten() {
        let room = tempfile::tempdir().unwrap();
        let journal = Journal::open(room.path(), None).unwrap();
        journal.remember(&record("api-1", "first"), 1).unwrap();
        journal.remember(&record("api-1", "second"), 1).unwrap();
        journal.forget(&record("api-1", "first")).unwrap();
        assert_eq!(journal.records(&"api".into()).unwrap(), [(record("api-1", "second"), Some(1))]);
        journal.forget(&record("api-1", "second")).unwrap();
        assert_eq!(journal.records(&"api".into()).unwrap(), []);
    }

    #[test]
    fn a_sealed_journal_takes_no_process_and_still_forgets_one() {
        let room = tempfile::tempdir().unwrap();
        let journal = Journal::open(room.path(), None).unwrap();
        journal.remember(&record("api-1", "a"), 1).unwrap();
        journal.seal();
        let refused = journal.remember(&record("api-2", "b"), 1);
        assert!(matches!(refused, Err(JournalError::Closed)), "{refused:?}");
        journal.forget(&record("api-1", "a")).unwrap();
        assert_eq!(journal.records(&"api".into()).unwrap(), []);
        journal.close();
        assert!(matches!(journal.services(), Err(JournalError::Closed)));
    }

    #[test]
    fn a_journal_of_a_later_version_is_left_alone() {
        let room = tempfile::tempdir().unwrap();
        drop(Journal::open(room.path(), None).unwrap());
        let db = Connection::open(room.path().join(FILE)).unwrap();
        db.pragma_update(None, "user_version", 7).unwrap();
        drop(db);
        let error = Journal::open(room.path(), None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the journal is of version 7, and this Plimsoll knows only up to 3"
        );
    }
}
