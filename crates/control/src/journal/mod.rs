//! What was meant to run, and what became of each deploy: in SQLite, written before it is done.
//!
//! A crash at any point leaves what the next start needs: which release runs, each process that may
//! be there, and the deploys that have no end yet. `LIFECYCLE.md` of `driver` says why a process is
//! never there without its row.

mod container;
mod deploys;
mod evidence;
mod identity;
mod jobs;
mod prune;
mod recipe;
mod reserve;
mod services;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use telemetry::{Events, event};

pub use deploys::Deploy;
pub(crate) use deploys::{NewDeploy, PastRelease};
pub(crate) use evidence::EVIDENCE_KEPT;
pub(crate) use jobs::{JobEnd, NewJobRun};
pub use jobs::{JobOutcome, JobRun};
pub(crate) use services::Known;

use crate::chain::chain;
use crate::state_dir::{StateDirError, open_file, read_file};

/// The file's name in the state directory.
const FILE: &str = "journal.db";

/// What SQLite may have left beside it, and would believe.
const BESIDE: [&str; 3] = ["-journal", "-wal", "-shm"];

/// The tables of each version, the first being 1. What stands here is never changed: a new version
/// is a new entry.
const VERSIONS: [&str; 11] = ["
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
", "
    CREATE TABLE instance_by_identity (
        service TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL, address TEXT NOT NULL,
        run TEXT NOT NULL, identity TEXT NOT NULL, made_by INTEGER, PRIMARY KEY (service, name)
    );
    INSERT INTO instance_by_identity
        SELECT service, name, version, '127.0.0.1:' || port, run,
            json_object('process', json_object('pid', pid, 'start_ticks', start_ticks,
                'boot_id', boot_id, 'log', log, 'log_start', log_start)),
            made_by
        FROM instance;
    DROP TABLE instance;
    ALTER TABLE instance_by_identity RENAME TO instance;
", "
    ALTER TABLE deploy RENAME COLUMN former TO previous;
    ALTER TABLE deploy RENAME COLUMN fresh TO release;
", "
    UPDATE service SET recipe = json_object(
            'workload', json_object('process', json(CASE WHEN recipe ->> 'user' IS NULL THEN
                json_object('command', recipe -> 'command', 'directory', recipe -> 'directory',
                    'inherit', coalesce(recipe -> 'inherit', json('[\"PATH\",\"HOME\",\"LANG\",\"LC_*\",\"TZ\"]')))
            ELSE
                json_object('command', recipe -> 'command', 'directory', recipe -> 'directory',
                    'user', recipe -> 'user', 'inherit', coalesce(recipe -> 'inherit', json('[\"PATH\",\"HOME\",\"LANG\",\"LC_*\",\"TZ\"]')))
            END)),
            'env', recipe -> 'env', 'env_file', recipe -> 'env_file', 'secrets', recipe -> 'secrets')
        WHERE json_valid(recipe);
    UPDATE deploy SET recipe = json_object(
            'workload', json_object('process', json(CASE WHEN recipe ->> 'user' IS NULL THEN
                json_object('command', recipe -> 'command', 'directory', recipe -> 'directory',
                    'inherit', coalesce(recipe -> 'inherit', json('[\"PATH\",\"HOME\",\"LANG\",\"LC_*\",\"TZ\"]')))
            ELSE
                json_object('command', recipe -> 'command', 'directory', recipe -> 'directory',
                    'user', recipe -> 'user', 'inherit', coalesce(recipe -> 'inherit', json('[\"PATH\",\"HOME\",\"LANG\",\"LC_*\",\"TZ\"]')))
            END)),
            'env', recipe -> 'env', 'env_file', recipe -> 'env_file', 'secrets', recipe -> 'secrets')
        WHERE json_valid(recipe);
", "
    CREATE TABLE evidence (deploy INTEGER PRIMARY KEY, service TEXT NOT NULL, document BLOB NOT NULL);
", "
    ALTER TABLE event ADD COLUMN finding TEXT;
", "
    ALTER TABLE service ADD COLUMN by_hand INTEGER;
    ALTER TABLE service ADD COLUMN by_hand_of_file INTEGER;
", "
    CREATE TABLE job (name TEXT PRIMARY KEY, schedule TEXT NOT NULL, heeded INTEGER NOT NULL);
    CREATE TABLE job_run (
        id INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT NOT NULL, service TEXT NOT NULL, release TEXT,
        due INTEGER, who TEXT, began_at INTEGER NOT NULL, ended_at INTEGER, attempts INTEGER NOT NULL,
        outcome TEXT, code INTEGER, why TEXT, output TEXT NOT NULL
    );
    CREATE INDEX job_run_job ON job_run (job, id);
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
pub(crate) struct Journal {
    open: Arc<Mutex<Open>>,
    events: Events,
}

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
    pub(crate) fn open(
        state_dir: &Path,
        crash: Option<CrashPoint>,
        events: Events,
    ) -> Result<Self, JournalError> {
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
            events.emit(event::JournalNotReserved { why: chain(&error) });
        }
        let open = Open { connection: Some(connection), is_sealed: false, crash };
        Ok(Self { open: Arc::new(Mutex::new(open)), events })
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
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
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
    use driver::{Identity, ProcessIdentity, ProcessRecord, Record};
    use model::{ProcessRecipe, Recipe, Workload};

    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::release::Release;

    pub(super) fn record(instance: &str, run: &str) -> Record {
        Record {
            service: "api".into(),
            instance: instance.into(),
            version: "1.4.2".into(),
            address: "127.0.0.1:8123".parse().unwrap(),
            run: run.into(),
            identity: Identity::Process(ProcessRecord {
                leader: ProcessIdentity { pid: 42, start_ticks: u64::MAX, boot_id: "b".into() },
                log: "/var/log/api.log".into(),
                log_start: 7,
            }),
        }
    }

    pub(super) fn new_deploy<'a>(previous: Option<&'a str>, release: &'a str) -> NewDeploy<'a> {
        NewDeploy { previous, release, strategy: "canary", who: "ops", restores: None }
    }

    pub(super) fn release(version: &str) -> Release {
        let recipe = Recipe {
            workload: Workload::Process(ProcessRecipe {
                command: model::Command::Line(format!("server {version}")),
                directory: "/srv".into(),
                user: Some("app:www".parse().unwrap()),
                inherit: vec!["PATH".into()],
            }),
            env: [("LEVEL".to_owned(), "a\nb".to_owned())].into(),
            env_file: Some("/srv/.env".into()),
            secrets: vec!["DB_URL".into()],
        };
        let given = ["DB_URL", "LEVEL"].map(str::to_owned);
        let file_version = Some("1.4.0".to_owned());
        Release { id: 7, version: version.into(), recipe, given: given.into(), file_version }
    }

    #[test]
    fn a_sealed_journal_takes_no_process_and_still_forgets_one() {
        let room = tempfile::tempdir().unwrap();
        let journal = Journal::open(room.path(), None, Default::default()).unwrap();
        journal.remember(&record("api-1", "a"), 1).unwrap();
        journal.seal();
        let refused = journal.remember(&record("api-2", "b"), 1);
        assert!(matches!(refused, Err(JournalError::Closed)), "{refused:?}");
        journal.forget(&record("api-1", "a")).unwrap();
        assert_eq!(journal.records(&"api".into()).unwrap(), []);
        journal.close();
        assert!(matches!(journal.services(), Err(JournalError::Closed)));
    }

    /// A journal as the version before this one left it, with what runs.
    fn of_version_4(room: &Path) {
        let db = Connection::open(room.join(FILE)).unwrap();
        for tables in &VERSIONS[..4] {
            db.execute_batch(tables).unwrap();
        }
        db.execute_batch(
            "INSERT INTO service (name, version, next_number, made_by) VALUES ('api', '1.4.2', 3, 7);
             INSERT INTO instance VALUES ('api', 'api-1', '1.4.2', 20107, '/state/logs/api/api-1.log', 512,
                 'k3Xw9QdLrT0bZ5aP', 31337, 84215577, '0f3e6d1c-5b7a-4d8e-9a60-2c1b7e4f9d35', 7);
             INSERT INTO instance VALUES ('api', 'api-2', '1.4.1', 20108, '/a \"quoted\" log', 0,
                 'x', 1, 2, 'b', NULL);
             INSERT INTO deploy (service, former, fresh, who, began_at)
                 VALUES ('api', '1.4.1', '1.4.2', 'ops', 5);
             PRAGMA user_version = 4;",
        )
        .unwrap();
        drop(db);
        std::fs::set_permissions(room.join(FILE), Permissions::from_mode(0o600)).unwrap();
    }

    #[test]
    fn what_an_earlier_version_has_written_down_of_its_processes_is_found_again() {
        let room = tempfile::tempdir().unwrap();
        of_version_4(room.path());
        let journal = Journal::open(room.path(), None, Default::default()).unwrap();
        let api = "api".into();
        let first = Record {
            service: "api".into(),
            instance: "api-1".into(),
            version: "1.4.2".into(),
            address: "127.0.0.1:20107".parse().unwrap(),
            run: "k3Xw9QdLrT0bZ5aP".into(),
            identity: Identity::Process(ProcessRecord {
                leader: ProcessIdentity {
                    pid: 31337,
                    start_ticks: 84_215_577,
                    boot_id: "0f3e6d1c-5b7a-4d8e-9a60-2c1b7e4f9d35".into(),
                },
                log: "/state/logs/api/api-1.log".into(),
                log_start: 512,
            }),
        };
        let records = journal.records(&api).unwrap();
        assert_eq!(records[0], (first.clone(), Some(7)));
        let (second, made_by) = &records[1];
        let process = second.identity.process().unwrap();
        assert_eq!((process.log.to_str(), *made_by), (Some("/a \"quoted\" log"), None));
        assert_eq!(journal.service(&api).unwrap().next_number, 3);
        let deploys = journal.deploys(&api, 10).unwrap();
        assert_eq!(
            (deploys[0].previous.as_deref(), &*deploys[0].release),
            (Some("1.4.1"), "1.4.2")
        );
        // And it goes on as any other.
        journal.forget(&first).unwrap();
        journal.remember(&record("api-3", "c"), 8).unwrap();
        drop(journal);
        let journal = Journal::open(room.path(), None, Default::default()).unwrap();
        let records = journal.records(&api).unwrap();
        let names: Vec<_> = records.iter().map(|(record, _)| record.instance.as_str()).collect();
        assert_eq!(names, ["api-2", "api-3"]);
        assert_eq!(records[1].0, record("api-3", "c"));
    }

    /// A journal whose recipes are flat, as the version before this one wrote them, and earlier ones.
    fn of_version_6(room: &Path, recipes: &[(&str, &str)]) {
        let db = Connection::open(room.join(FILE)).unwrap();
        for tables in &VERSIONS[..6] {
            db.execute_batch(tables).unwrap();
        }
        for (service, recipe) in recipes {
            let values = [service, recipe];
            db.execute(
                "INSERT INTO service (name, version, next_number, recipe) VALUES (?1, '1', 3, ?2)",
                values,
            )
            .unwrap();
            db.execute(
                "INSERT INTO deploy (service, release, who, began_at, outcome, recipe)
                 VALUES (?1, '1', 'ops', 5, 'promoted', ?2)",
                values,
            )
            .unwrap();
        }
        db.pragma_update(None, "user_version", 6).unwrap();
        drop(db);
        std::fs::set_permissions(room.join(FILE), Permissions::from_mode(0o600)).unwrap();
    }

    #[test]
    fn recipes_that_earlier_versions_wrote_flat_are_the_same_recipes_by_kind() {
        let room = tempfile::tempdir().unwrap();
        let text = "\\\"quoted\\\"\\n\\u0001 gr\u{fc}n";
        let whole = format!(
            "{{\"command\":{{\"line\":\"server {text}\"}},\"directory\":\"/srv\",\"env\":{{\"LEVEL\":\"{text}\"}},\
             \"env_file\":\"/srv/.env\",\"secrets\":[\"DB_URL\"],\"user\":\"app:www\",\"inherit\":[\"PATH\"]}}"
        );
        let first = "{\"command\":{\"arguments\":[\"a\",\"b c\"]},\"directory\":\"/\",\"env\":{},\"env_file\":null,\
             \"secrets\":[]}";
        of_version_6(room.path(), &[("whole", &whole), ("first", first), ("unreadable", "{")]);
        let journal = Journal::open(room.path(), None, Default::default()).unwrap();
        let of = |service: &str| journal.service(&service.into()).unwrap().recipe;
        let said = "\"quoted\"\n\u{1} gr\u{fc}n";
        let mut expected = release("x").recipe;
        let Workload::Process(process) = &mut expected.workload else { panic!("it is a process") };
        process.command = model::Command::Line(format!("server {said}"));
        expected.env = [("LEVEL".to_owned(), said.to_owned())].into();
        assert_eq!(of("whole"), Some(expected.clone()));
        let earliest = of("first").unwrap();
        let Workload::Process(process) = &earliest.workload else { panic!("it is a process") };
        let words = ["a", "b c"].map(str::to_owned).into();
        assert_eq!(process.command, model::Command::Arguments(words));
        assert_eq!(
            (&process.user, &*process.inherit),
            (&None, &model::INHERITED.map(str::to_owned)[..])
        );
        assert_eq!(of("unreadable"), None);
        // Whether a release is another is told by these texts.
        for (service, recipe) in [("whole", expected), ("first", earliest)] {
            for table in [
                "SELECT recipe FROM service WHERE name = ?1",
                "SELECT recipe FROM deploy WHERE service = ?1",
            ] {
                let written: String =
                    journal.with(|db| db.query_row(table, [service], |row| row.get(0))).unwrap();
                assert_eq!(Some(written), recipe::text(&recipe));
            }
        }
    }

    #[test]
    fn what_version_8_noted_of_a_deploy_that_was_cut_short_is_read_and_has_no_finding() {
        let room = tempfile::tempdir().unwrap();
        let db = Connection::open(room.path().join(FILE)).unwrap();
        for tables in &VERSIONS[..8] {
            db.execute_batch(tables).unwrap();
        }
        db.execute_batch(
            "INSERT INTO deploy (service, release, who, began_at) VALUES ('api', '2', 'ops', 5);
             INSERT INTO event VALUES (1, 70, 'returning', NULL, 'it is worse');
             PRAGMA user_version = 8;",
        )
        .unwrap();
        drop(db);
        std::fs::set_permissions(room.path().join(FILE), Permissions::from_mode(0o600)).unwrap();
        let journal = Journal::open(room.path(), None, Default::default()).unwrap();
        let noted = journal.noted(1).unwrap();
        assert_eq!(
            (noted.len(), noted[0].text.as_str(), &noted[0].finding),
            (1, "it is worse", &None)
        );
        journal.note(1, &noted, |_| String::new()).unwrap();
        assert_eq!(journal.noted(1).unwrap().len(), 2);
    }

    #[test]
    fn a_journal_of_a_later_version_is_left_alone() {
        let room = tempfile::tempdir().unwrap();
        drop(Journal::open(room.path(), None, Default::default()).unwrap());
        let db = Connection::open(room.path().join(FILE)).unwrap();
        db.pragma_update(None, "user_version", VERSIONS.len() as u32 + 1).unwrap();
        drop(db);
        let error = Journal::open(room.path(), None, Default::default()).unwrap_err();
        let (found, known) = (VERSIONS.len() + 1, VERSIONS.len());
        let told = format!(
            "the journal is of version {found}, and this Plimsoll knows only up to {known}"
        );
        assert_eq!(error.to_string(), told);
    }
}
