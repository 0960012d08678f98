//! What was meant to run, and what became of each deploy: in SQLite, written before it is done.
//!
//! A crash at any point leaves what the next start needs: which release runs, each process that may
//! be there, and the deploys that have no end yet. `LIFECYCLE.md` of `driver` says why a process is
//! never there without its row.

mod deploys;
mod prune;
mod recipe;
mod reserve;
mod services;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

pub use deploys::Deploy;
pub(crate) use deploys::{NewDeploy, Past};
pub(crate) use services::Known;

use crate::state_dir::{StateDirError, open_file, read_file};
use crate::status::chain;

/// The file's name in the state directory.
const FILE: &str = "journal.db";

/// What SQLite may have left beside it, and would believe.
const BESIDE: [&str; 3] = ["-journal", "-wal", "-shm"];

/// The tables of each version, the first being 1. What stands here is never changed: a new version
/// is a new entry.
const VERSIONS: [&str; 4] = ["
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
", "
    ALTER TABLE service ADD COLUMN file_version TEXT;
    ALTER TABLE deploy ADD COLUMN restores INTEGER;
"];

/// Why the journal cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// It, or what lies beside it, is not ours alone.
    #[error(transparent)]
    StateDir(#[from] StateDirError),
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

impl Journal {
    /// Opens the journal in `state_dir`, or begins one.
    ///
    /// # Errors
    /// When it cannot be read, or is of a later version.
    pub(crate) fn open(state_dir: &Path, crash: Option<CrashPoint>) -> Result<Self, JournalError> {
        let file = state_dir.join(FILE);
        // It holds what may be secret, and says what is started: SQLite would make it readable for all.
        drop(open_file(&file)?);
        for beside in BESIDE {
            drop(read_file(&with_ending(&file, beside))?);
        }
        let connection = Connection::open(&file)?;
        // What was deleted is gone from the file, too.
        connection.pragma_update(None, "secure_delete", "ON")?;
        // Nobody else uses it, from now on.
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        connection.execute_batch("BEGIN EXCLUSIVE; COMMIT")?;
        // The file that SQLite keeps for the way back stays as large as it was: part of the reserve.
        connection.pragma_update(None, "journal_mode", "PERSIST")?;
        // What is written is on the disk when it is answered for.
        connection.pragma_update(None, "synchronous", "FULL")?;
        upgrade(&connection)?;
        if let Err(error) = reserve::keep(&connection) {
            let why = chain(&error);
            tracing::error!(
                why,
                "journal has no room in reserve: instances that end may stay down"
            );
        }
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
}

/// The file beside `path` whose name goes on with `ending`.
fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
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

#[cfg(test)]
mod tests {
    use driver::{ProcessIdentity, Record};
    use model::Recipe;

    use super::*;
    use crate::runs::Release;

    pub(super) fn record(instance: &str, run: &str) -> Record {
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

    pub(super) fn new_deploy<'a>(former: Option<&'a str>, fresh: &'a str) -> NewDeploy<'a> {
        NewDeploy { former, fresh, strategy: "canary", who: "ops", restores: None }
    }

    pub(super) fn release(version: &str) -> Release {
        let recipe = Recipe {
            command: model::Command::Line(format!("server {version}")),
            directory: "/srv".into(),
            env: [("LEVEL".to_owned(), "a\nb".to_owned())].into(),
            env_file: Some("/srv/.env".into()),
            secrets: vec!["DB_URL".into()],
            user: Some("app:www".parse().unwrap()),
            inherit: vec!["PATH".into()],
        };
        let given = ["DB_URL", "LEVEL"].map(str::to_owned);
        let file_version = Some("1.4.0".to_owned());
        Release { id: 7, version: version.into(), recipe, given: given.into(), file_version }
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
            "the journal is of version 7, and this Plimsoll knows only up to 4"
        );
    }
}
