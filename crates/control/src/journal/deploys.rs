//! What became of each deploy, and what is about to happen in one that has no end yet.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::{InstanceName, Recipe, ServiceName};
use rusqlite::{OptionalExtension, Row, params};

use super::{Journal, JournalError, recipe, reserve};
use crate::runs::Line;
use crate::status::chain;

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
    /// A deploy begins. Its number.
    ///
    /// # Errors
    /// When it cannot be written, or would leave less room than what runs may need.
    pub(crate) fn begin(
        &self,
        service: &ServiceName,
        (former, fresh): (Option<&str>, &str),
        strategy: &str,
        who: &str,
        now: SystemTime,
    ) -> Result<i64, JournalError> {
        self.write(|db| {
            reserve::keep(db)?;
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
        })?;
        if let Err(error) = self.with(reserve::keep) {
            tracing::warn!(why = chain(&error), "journal has no room in reserve");
        }
        Ok(())
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

    /// Every release that ever came to stay, the latest first.
    pub(crate) fn stayed(&self, service: &ServiceName) -> Result<Vec<String>, JournalError> {
        self.with(|db| {
            let mut query = db.prepare(
                "SELECT fresh FROM deploy WHERE service = ?1 AND outcome = 'promoted'
                 GROUP BY fresh ORDER BY max(id) DESC",
            )?;
            query.query_map([service.as_str()], |row| row.get(0))?.collect()
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
    use super::super::tests::release;
    use super::*;
    use crate::runs::Release;

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
        assert_eq!(journal.stayed(&api).unwrap(), ["2", "1"]);
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
}
