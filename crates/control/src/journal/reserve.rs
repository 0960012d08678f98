//! Room in the journal that is kept for what has to be written on a full disk.
//!
//! What runs has to be started again when it ends, and nothing runs that is not written down; so
//! there is room for that, whatever else has filled the disk. SQLite writes what is new into pages
//! that were given back before the file grows, and what it needs for the way back into a file that
//! stays as large as it was: both are made large beforehand, and are the disk's no more. (A file
//! system that writes every change to a new place, as Btrfs and ZFS do, may refuse it all the same.)
//!
//! Only a deploy that begins has to find the reserve whole: one that runs may finish out of it, and
//! what it took is made good when it ends, if there is room by then.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Error, ErrorCode, ffi};
use rustix::fs::OFlags;

use super::with_ending;

/// Pages that have to be free when a deploy begins.
const PAGES: i64 = 64;
/// As many are made, so that it is not done for every deploy.
const PAGES_MADE: i64 = PAGES + PAGES / 2;
/// Bytes for the way back: more than any change takes that is made out of the reserve.
const WAY_BACK: u64 = 256 << 10;
/// No link is written through.
const NOFOLLOW: i32 = OFlags::NOFOLLOW.bits() as i32;

/// Sees to it that there is room. Outside of a transaction.
///
/// # Errors
/// When there is none on the disk either.
pub(super) fn keep(db: &Connection) -> rusqlite::Result<()> {
    db.execute_batch("CREATE TABLE IF NOT EXISTS reserve (room BLOB NOT NULL)")?;
    // A crash may have left it full: what follows are two transactions, for in one nothing would be
    // written.
    db.execute("DELETE FROM reserve", [])?;
    let free: i64 = db.query_row("PRAGMA freelist_count", [], |row| row.get(0))?;
    if free < PAGES {
        let page: i64 = db.query_row("PRAGMA page_size", [], |row| row.get(0))?;
        db.execute("INSERT INTO reserve VALUES (zeroblob(?1))", [PAGES_MADE * page])?;
        // There is nothing to be written over in them, and the way back would not hold them.
        db.pragma_update(None, "secure_delete", "OFF")?;
        let freed = db.execute("DELETE FROM reserve", []);
        db.pragma_update(None, "secure_delete", "ON")?;
        freed?;
    }
    let Some(path) = way_back(db) else { return Ok(()) };
    extend(&path).map_err(full)
}

/// Writes over what the last change left in the file for the way back: the pages as they were before,
/// with what has been deleted since. Outside of a transaction, when all of it means nothing.
///
/// # Errors
/// When the system refuses.
pub(super) fn wipe_way_back(db: &Connection) -> rusqlite::Result<()> {
    let Some(path) = way_back(db) else { return Ok(()) };
    let wipe = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).custom_flags(NOFOLLOW).open(path)?;
        let length = file.metadata()?.len();
        io::copy(&mut io::Read::take(io::repeat(0), length), &mut file)?;
        file.sync_data()
    };
    wipe().map_err(full)
}

/// The file that SQLite keeps for the way back.
fn way_back(db: &Connection) -> Option<PathBuf> {
    let path = db.path().filter(|path| !path.is_empty())?;
    Some(with_ending(Path::new(path), "-journal"))
}

/// Makes the file longer if it is too short. What is behind the last change's end means nothing.
fn extend(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.create(true).append(true).mode(0o600).custom_flags(NOFOLLOW);
    let mut file = options.open(path)?;
    let missing = WAY_BACK.saturating_sub(file.metadata()?.len());
    if missing > 0 {
        io::copy(&mut io::Read::take(io::repeat(0), missing), &mut file)?;
        file.sync_all()?;
    }
    Ok(())
}

fn full(error: io::Error) -> Error {
    let code = ffi::Error { code: ErrorCode::DiskFull, extended_code: ffi::SQLITE_FULL };
    Error::SqliteFailure(code, Some(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::super::tests::{new_deploy, record, release};
    use super::super::{FILE, Journal, with_ending};
    use crate::chain::chain;
    use crate::release::Release;

    /// No page more than there are.
    fn fill(journal: &Journal) {
        let fill = |db: &rusqlite::Connection| {
            let pages: i64 = db.query_row("PRAGMA page_count", [], |row| row.get(0))?;
            db.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
        };
        journal.with(fill).unwrap();
    }

    #[test]
    fn on_a_full_disk_what_runs_is_started_again_and_a_deploy_finishes_and_none_begins_for_long() {
        let room = tempfile::tempdir().unwrap();
        let (api, journal) =
            ("api".into(), Journal::open(room.path(), None, Default::default()).unwrap());
        let way_back = with_ending(&room.path().join(FILE), "-journal");
        let long = || std::fs::metadata(&way_back).unwrap().len();
        let (began, others) = (journal.begin(&api, &new_deploy(None, "1"), UNIX_EPOCH), long());
        assert!(others >= super::WAY_BACK);
        fill(&journal);
        let instances: Vec<_> = (0..20).map(|number| format!("api-{number}")).collect();
        let restart_all = || {
            for (instance, run) in instances.iter().flat_map(|it| [(it, "a"), (it, "b")]) {
                journal.remember(&record(instance, run), 1).unwrap();
            }
        };
        restart_all();
        journal.count_from(&api, 40).unwrap();
        journal.commit(&api, &Release { id: began.unwrap(), ..release("1") }).unwrap();
        journal.end(1, "promoted", &"x".repeat(20_000), UNIX_EPOCH).unwrap();
        let receipt = "x".repeat(30_000);
        let begins = || {
            let id = journal.begin(&api, &new_deploy(None, "2"), UNIX_EPOCH)?;
            journal.end(id, "rolled-back", &receipt, UNIX_EPOCH)
        };
        let refused = (0..100).find_map(|_| begins().err()).expect("the reserve is kept");
        assert!(chain(&refused).ends_with("full"), "{refused:?}");
        restart_all();
        restart_all();
        assert_eq!(long(), others);
        drop(journal);
        let journal = Journal::open(room.path(), None, Default::default()).unwrap();
        assert_eq!(journal.records(&api).unwrap().len(), 20);
        journal.begin(&api, &new_deploy(None, "3"), UNIX_EPOCH).unwrap();
    }
}
