//! What the journal forgets: what may be secret is kept no longer than somebody may want it back.
//!
//! A recipe has the values of `env`, a receipt the last lines of instances that failed; either may
//! hold a secret. Recipes are kept for the way back, receipts for `plimsoll history`. Nothing else of
//! a deploy is ever taken out: its number, its releases, its end.

use model::ServiceName;
use rusqlite::{Connection, params};
use telemetry::event;

use super::{Journal, reserve};
use crate::chain::chain;

/// So many releases of a service can be gone back to: the latest that came to stay.
pub(crate) const RECIPES_KEPT: i64 = 20;
/// Of so many deploys of a service the receipts are kept: the latest.
pub(crate) const RECEIPTS_KEPT: i64 = 100;

/// Takes out of the deploys of `service` what nobody can ask for any more.
pub(super) fn prune(db: &Connection, service: &ServiceName) -> rusqlite::Result<()> {
    db.prepare_cached(
        "UPDATE deploy SET recipe = NULL WHERE service = ?1 AND recipe IS NOT NULL AND id NOT IN
         (SELECT id FROM deploy WHERE service = ?1 AND recipe IS NOT NULL ORDER BY id DESC LIMIT ?2)",
    )?
    .execute(params![service.as_str(), RECIPES_KEPT])?;
    db.prepare_cached(
        "UPDATE deploy SET receipt = NULL WHERE service = ?1 AND receipt IS NOT NULL AND id NOT IN
         (SELECT id FROM deploy WHERE service = ?1 ORDER BY id DESC LIMIT ?2)",
    )?
    .execute(params![service.as_str(), RECEIPTS_KEPT])?;
    Ok(())
}

impl Journal {
    /// Nothing of what was deleted stays on the disk.
    pub(super) fn wipe(&self) {
        if let Err(error) = self.with(reserve::wipe_way_back) {
            self.events.emit(event::DeletedDataNotErased { why: chain(&error) });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::time::UNIX_EPOCH;

    use super::super::tests::{new_deploy, release};
    use super::*;
    use crate::release::Release;

    /// One deploy that stays, with a secret in its recipe and one in its receipt.
    fn deploy(journal: &Journal, number: i64) {
        let (api, version) = (ServiceName::from("api"), number.to_string());
        let id = journal.begin(&api, &new_deploy(None, &version), UNIX_EPOCH).unwrap();
        let mut made = Release { id, ..release(&version) };
        made.recipe.env.insert("KEY".to_owned(), format!("in-recipe-{number}."));
        journal.commit(&api, &made).unwrap();
        let receipt = format!("in-receipt-{number}.{}", "x".repeat(3000));
        journal.end(id, "promoted", &receipt, UNIX_EPOCH).unwrap();
    }

    #[test]
    fn what_is_too_old_to_be_asked_for_is_on_the_disk_no_more() {
        let room = tempfile::tempdir().unwrap();
        let journal = Journal::open(room.path(), None, Default::default()).unwrap();
        let all = RECEIPTS_KEPT + 5;
        (1..=all).for_each(|number| deploy(&journal, number));
        let api = ServiceName::from("api");
        let recipe = |number: i64| {
            let past = journal.last_of(&api, &number.to_string()).unwrap();
            past.and_then(|past| past.recipe)
        };
        assert!(recipe(all).is_some() && recipe(all - RECIPES_KEPT + 1).is_some());
        assert_eq!(recipe(all - RECIPES_KEPT), None);
        let receipts = journal.deploys(&api, all as usize).unwrap();
        assert_eq!(receipts.len(), all as usize, "the deploys themselves are kept");
        assert_eq!(receipts.iter().filter(|it| it.receipt.is_some()).count(), 100);

        let mut names = Vec::new();
        let mut bytes = Vec::new();
        for entry in fs::read_dir(room.path()).unwrap().flatten() {
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600);
            names.push(entry.file_name());
            bytes.extend(fs::read(entry.path()).unwrap());
        }
        names.sort();
        assert_eq!(names, ["journal.db", "journal.db-journal"]);
        let has = |text: String| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(has(format!("in-recipe-{all}.")) && has(format!("in-receipt-{all}.")));
        for number in 1..=all - RECIPES_KEPT {
            assert!(!has(format!("in-recipe-{number}.")), "the recipe of deploy {number}");
        }
        for number in 1..=5 {
            assert!(!has(format!("in-receipt-{number}.")), "the receipt of deploy {number}");
        }
    }
}
