//! What became of each deploy, and what is about to happen in one that has no end yet.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::{InstanceName, Recipe, ServiceName};
use rusqlite::{OptionalExtension, Row, params};
use telemetry::{Events, event};

use super::prune::prune;
use super::{Journal, JournalError, recipe, reserve};
use crate::chain::chain;
use crate::finding::{Finding, Found};
use crate::line::Line;
use crate::release::Release;

/// A deploy as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deploy {
    /// Its number, over all services.
    pub id: i64,
    /// Of this service.
    pub service: ServiceName,
    /// The release that ran before.
    pub previous: Option<String>,
    /// The release that was to come.
    pub release: String,
    /// The person or program that asked for it.
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
    /// The deploy whose release it is to bring back, if it is a rollback.
    pub restores: Option<i64>,
}

/// A deploy that begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewDeploy<'a> {
    pub(crate) previous: Option<&'a str>,
    pub(crate) release: &'a str,
    pub(crate) strategy: &'a str,
    pub(crate) who: &'a str,
    pub(crate) restores: Option<i64>,
}

/// A release that came to stay once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PastRelease {
    /// The deploy that made it.
    pub(crate) deploy: i64,
    pub(crate) version: String,
    /// What it was made of; not kept by earlier versions.
    pub(crate) recipe: Option<Recipe>,
}

impl Journal {
    /// A deploy begins. Its number.
    ///
    /// # Errors
    /// When it cannot be written, or would leave less room than what runs may need.
    pub(crate) fn begin(
        &self,
        service: &ServiceName,
        new: &NewDeploy<'_>,
        now: SystemTime,
    ) -> Result<i64, JournalError> {
        let NewDeploy { previous, release, strategy, who, restores } = *new;
        self.write(|db| {
            reserve::keep(db)?;
            db.execute(
                "INSERT INTO deploy (service, previous, release, who, began_at, strategy, restores)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![service.as_str(), previous, release, who, millis(now), strategy, restores],
            )?;
            Ok(db.last_insert_rowid())
        })
    }

    /// A deploy that failed is tried once more, under its number: what became of it before is forgotten.
    ///
    /// # Errors
    /// As of [`begin`](Self::begin).
    pub(crate) fn begin_again(&self, id: i64, now: SystemTime) -> Result<i64, JournalError> {
        self.write(|db| {
            reserve::keep(db)?;
            db.execute(
                "UPDATE deploy SET began_at = ?2, ended_at = NULL, outcome = NULL, receipt = NULL
                 WHERE id = ?1",
                params![id, millis(now)],
            )?;
            Ok(id)
        })
    }

    /// This is about to happen in a deploy.
    pub(crate) fn note(
        &self,
        deploy: i64,
        lines: &[Line],
        write: fn(&Finding) -> String,
    ) -> Result<(), JournalError> {
        self.write(|db| {
            let all = db.unchecked_transaction()?;
            for Line { at, event, instance, text, finding } in lines {
                let finding = finding.as_ref().map(|found| match found {
                    Found::Now(finding) => write(finding),
                    Found::Kept(kept) => kept.clone(),
                });
                let instance = instance.as_ref().map(InstanceName::as_str);
                all.prepare_cached("INSERT INTO event VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?.execute(
                    params![deploy, at.as_millis() as i64, event, instance, text, finding],
                )?;
            }
            all.commit()
        })
    }

    /// What was noted of a deploy that has not ended.
    pub(crate) fn noted(&self, deploy: i64) -> Result<Vec<Line>, JournalError> {
        self.with(|db| {
            let mut query = db.prepare(
                "SELECT at_ms, event, instance, text, finding FROM event WHERE deploy = ?1 ORDER BY rowid",
            )?;
            let line = |row: &Row<'_>| {
                Ok(Line {
                    at: Duration::from_millis(row.get::<_, i64>(0)? as u64),
                    event: row.get::<_, String>(1)?.into(),
                    instance: row.get::<_, Option<String>>(2)?.map(InstanceName::from),
                    text: row.get(3)?,
                    finding: row.get::<_, Option<String>>(4)?.map(Found::Kept),
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
            let of = both.query_row("SELECT service FROM deploy WHERE id = ?1", [id], |row| {
                row.get::<_, String>(0)
            });
            if let Some(service) = of.optional()? {
                prune(&both, &service.into())?;
            }
            both.commit()
        })?;
        if let Err(error) = self.with(reserve::keep) {
            self.events.emit(event::JournalNotReserved { why: chain(&error) });
        }
        self.wipe();
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

    /// The release that ran before `current`: the last that came to stay before it and was made of
    /// something else. One that was deployed again as it was is the same.
    pub(crate) fn before(
        &self,
        service: &ServiceName,
        current: &Release,
    ) -> Result<Option<PastRelease>, JournalError> {
        // An earlier version did not write down which deploy it was.
        let before = if current.id == 0 { i64::MAX } else { current.id };
        let (version, recipe) = (&current.version, recipe::text(&current.recipe));
        self.with(|db| {
            db.query_row(
                "SELECT id, release, recipe FROM deploy
                 WHERE service = ?1 AND outcome = 'promoted' AND id < ?2
                 AND (release <> ?3 OR recipe IS NOT NULL AND recipe <> ?4)
                 ORDER BY id DESC LIMIT 1",
                params![service.as_str(), before, version, recipe],
                |row| past(row, &self.events),
            )
            .optional()
        })
    }

    /// The release `version`, as it was when last promoted, if it ever did.
    pub(crate) fn last_of(
        &self,
        service: &ServiceName,
        version: &str,
    ) -> Result<Option<PastRelease>, JournalError> {
        self.with(|db| {
            db.query_row(
                "SELECT id, release, recipe FROM deploy WHERE service = ?1 AND release = ?2
                 AND outcome = 'promoted' ORDER BY id DESC LIMIT 1",
                params![service.as_str(), version],
                |row| past(row, &self.events),
            )
            .optional()
        })
    }

    /// The deploy `id` of `service`.
    pub(crate) fn deploy(
        &self,
        service: &ServiceName,
        id: i64,
    ) -> Result<Option<(Deploy, PastRelease)>, JournalError> {
        self.with(|db| {
            let sql = "SELECT * FROM deploy WHERE service = ?1 AND id = ?2";
            let both = |row: &Row<'_>| {
                let (deploy, recipe) = (deploy(row)?, recipe::read(row, 9, &self.events)?);
                let past =
                    PastRelease { deploy: deploy.id, version: deploy.release.clone(), recipe };
                Ok((deploy, past))
            };
            db.query_row(sql, params![service.as_str(), id], both).optional()
        })
    }

    /// The latest `kept` releases of each service that came to stay and were made of something else than each other.
    pub(crate) fn latest(&self, kept: usize) -> Result<Vec<(String, Recipe)>, JournalError> {
        self.with(|db| {
            let mut query = db.prepare(
                "SELECT id, release, recipe, service FROM deploy
                 WHERE outcome = 'promoted' AND recipe IS NOT NULL ORDER BY service, id DESC",
            )?;
            let all = query
                .query_map([], |row| Ok((row.get::<_, String>(3)?, past(row, &self.events)?)))?;
            let mut found: BTreeMap<String, Vec<(String, Recipe)>> = BTreeMap::new();
            for row in all {
                let (service, PastRelease { version, recipe, .. }) = row?;
                let of_service = found.entry(service).or_default();
                let release = recipe.map(|recipe| (version, recipe));
                let is_new = |it: &(String, Recipe)| !of_service.contains(it);
                if of_service.len() < kept
                    && let Some(release) = release.filter(is_new)
                {
                    of_service.push(release);
                }
            }
            Ok(found.into_values().flatten().collect())
        })
    }

    /// Every release that ever came to stay, the latest first.
    pub(crate) fn stayed(&self, service: &ServiceName) -> Result<Vec<String>, JournalError> {
        self.with(|db| {
            let mut query = db.prepare(
                "SELECT release FROM deploy WHERE service = ?1 AND outcome = 'promoted'
                 GROUP BY release ORDER BY max(id) DESC",
            )?;
            query.query_map([service.as_str()], |row| row.get(0))?.collect()
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
        previous: row.get(2)?,
        release: row.get(3)?,
        who: row.get(4)?,
        began_at: time(row.get(5)?),
        ended_at: row.get::<_, Option<i64>>(6)?.map(time),
        outcome: row.get(7)?,
        receipt: row.get(8)?,
        strategy: row.get(10)?,
        restores: row.get(11)?,
    })
}

fn past(row: &Row<'_>, events: &Events) -> rusqlite::Result<PastRelease> {
    let recipe = recipe::read(row, 2, events)?;
    Ok(PastRelease { deploy: row.get(0)?, version: row.get(1)?, recipe })
}

pub(super) fn millis(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64
}

pub(super) fn time(millis: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(millis.max(0) as u64)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{new_deploy, release};
    use super::*;

    /// Deploys that came to stay: each is what ran before the next one.
    fn history(journal: &Journal, releases: &[Release]) -> Vec<Release> {
        let (api, mut previous) = (ServiceName::from("api"), None);
        let deploy = |release: &Release| {
            let before = previous.replace(release.version.clone());
            let new = new_deploy(before.as_deref(), &release.version);
            let id = journal.begin(&api, &new, UNIX_EPOCH).unwrap();
            let release = Release { id, ..release.clone() };
            journal.commit(&api, &release).unwrap();
            journal.end(id, "promoted", "{}", UNIX_EPOCH).unwrap();
            release
        };
        releases.iter().map(deploy).collect()
    }

    #[test]
    fn the_release_before_is_the_last_that_stayed_and_was_another() {
        let room = tempfile::tempdir().unwrap();
        let (api, journal) = (
            ServiceName::from("api"),
            Journal::open(room.path(), None, Default::default()).unwrap(),
        );
        let mut other = release("2");
        other.recipe.env.insert("X".to_owned(), "new".to_owned());
        let ran = history(&journal, &[release("1"), release("2"), other.clone(), other]);
        let before = |current: &Release| {
            journal.before(&api, current).unwrap().map(|past| (past.deploy, past.version))
        };
        assert_eq!(before(&ran[0]), None);
        assert_eq!(before(&ran[1]), Some((1, "1".to_owned())));
        let same_version = Some((2, "2".to_owned()));
        assert_eq!(before(&ran[2]), same_version, "another recipe is another release");
        assert_eq!(before(&ran[3]), same_version, "deployed again as it was, it is the same");
        assert_eq!(journal.last_of(&api, "2").unwrap().map(|past| past.deploy), Some(4));
        assert_eq!(journal.last_of(&api, "3").unwrap(), None);
        assert_eq!(journal.stayed(&api).unwrap(), ["2", "1"]);
        let latest = |kept| {
            let latest = journal.latest(kept).unwrap().into_iter();
            latest.map(|(version, recipe)| (version, recipe.env.len())).collect::<Vec<_>>()
        };
        let all = [("2".to_owned(), 2), ("2".to_owned(), 1), ("1".to_owned(), 1)];
        assert_eq!((&latest(5)[..], &latest(2)[..]), (&all[..], &all[..2]));

        let bad = journal.begin(&api, &new_deploy(Some("2"), "3"), UNIX_EPOCH).unwrap();
        journal.end(bad, "rolled-back", "{}", UNIX_EPOCH).unwrap();
        let stays = journal.begin(&api, &new_deploy(Some("2"), "4"), UNIX_EPOCH).unwrap();
        let stays = Release { id: stays, ..release("4") };
        journal.commit(&api, &stays).unwrap();
        assert_eq!(before(&stays), Some((4, "2".to_owned())), "though it has no end yet");
        let (deploy, past) = journal.deploy(&api, 3).unwrap().unwrap();
        assert_eq!(
            (deploy.outcome.as_deref(), past.recipe),
            (Some("promoted"), Some(ran[2].recipe.clone()))
        );
        assert_eq!(journal.deploy(&"web".into(), 3).unwrap(), None, "it is another service's");
    }

    #[test]
    fn a_deploy_that_is_tried_again_keeps_its_number() {
        let room = tempfile::tempdir().unwrap();
        let (api, journal) = (
            ServiceName::from("api"),
            Journal::open(room.path(), None, Default::default()).unwrap(),
        );
        let id = journal.begin(&api, &new_deploy(None, "1"), UNIX_EPOCH).unwrap();
        journal.end(id, "rolled-back", "{}", UNIX_EPOCH).unwrap();
        let later = UNIX_EPOCH + Duration::from_secs(9);
        assert_eq!(journal.begin_again(id, later).unwrap(), id);
        let open = journal.open_deploys().unwrap();
        assert_eq!((open.len(), open[0].began_at, &open[0].outcome), (1, later, &None));
        assert_eq!(journal.deploys(&api, 9).unwrap().len(), 1);
    }

    #[test]
    fn what_was_noted_of_a_deploy_is_there_until_it_has_a_receipt() {
        let room = tempfile::tempdir().unwrap();
        let (api, journal) = (
            ServiceName::from("api"),
            Journal::open(room.path(), None, Default::default()).unwrap(),
        );
        let id = journal.begin(&api, &new_deploy(Some("2"), "3"), UNIX_EPOCH).unwrap();
        let line = |millis, event: &'static str, instance: Option<&str>| Line {
            at: Duration::from_millis(millis),
            event: event.into(),
            instance: instance.map(InstanceName::from),
            text: format!("it is {event}"),
            finding: None,
        };
        let found = crate::finding::tests::fault();
        let now = crate::finding::Moment {
            machine: Duration::from_secs(103),
            world: UNIX_EPOCH,
            deploy: Duration::from_secs(3),
        };
        let found = Found::Now(Finding::of(&found, 0.99, now).into());
        let mut lines = [line(0, "starting", Some("api-3")), line(70, "returning", None)];
        lines[1].finding = Some(found);
        let write = |finding: &Finding| format!("{{\"hits\":{}}}", finding.fault.canary.hits);
        journal.note(id, &lines[..1], write).unwrap();
        journal.note(id, &lines[1..], write).unwrap();
        lines[1].finding = Some(Found::Kept("{\"hits\":12}".to_owned()));
        drop(journal);
        let journal = Journal::open(room.path(), None, Default::default()).unwrap();
        let open = journal.open_deploys().unwrap();
        assert_eq!((open.len(), open[0].id, open[0].strategy.as_deref()), (1, id, Some("canary")));
        assert_eq!(journal.noted(id).unwrap(), lines);
        journal.end(id, "interrupted", "{}", UNIX_EPOCH).unwrap();
        assert_eq!(journal.open_deploys().unwrap(), []);
        assert_eq!(journal.noted(id).unwrap(), []);
    }
}
