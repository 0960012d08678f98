//! What deploys were judged by, as documents. They tell nothing that is needed to run, so that one that cannot be written
//! is only said to be lost.

use model::ServiceName;
use rusqlite::{OptionalExtension, params};

use super::{Journal, JournalError};

/// Of so many deploys of a service it is kept: the latest.
pub(crate) const EVIDENCE_KEPT: i64 = 20;

impl Journal {
    /// A deploy that has ended was judged by this.
    pub(crate) fn keep_evidence(
        &self,
        service: &ServiceName,
        deploy: i64,
        document: &[u8],
    ) -> Result<(), JournalError> {
        self.write(|db| {
            let both = db.unchecked_transaction()?;
            both.execute(
                "INSERT OR REPLACE INTO evidence VALUES (?1, ?2, ?3)",
                params![deploy, service.as_str(), document],
            )?;
            both.execute(
                "DELETE FROM evidence WHERE service = ?1 AND deploy NOT IN
                 (SELECT deploy FROM evidence WHERE service = ?1 ORDER BY deploy DESC LIMIT ?2)",
                params![service.as_str(), EVIDENCE_KEPT],
            )?;
            both.commit()
        })
    }

    /// What the deploy `deploy` of `service` was judged by, if that is kept.
    pub(crate) fn evidence(
        &self,
        service: &ServiceName,
        deploy: i64,
    ) -> Result<Option<Vec<u8>>, JournalError> {
        self.with(|db| {
            let sql = "SELECT document FROM evidence WHERE service = ?1 AND deploy = ?2";
            db.query_row(sql, params![service.as_str(), deploy], |row| row.get(0)).optional()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_of_each_service_are_kept() {
        let room = tempfile::tempdir().unwrap();
        let journal = Journal::open(room.path(), None, Default::default()).unwrap();
        let (api, web) = (ServiceName::from("api"), ServiceName::from("web"));
        journal.keep_evidence(&web, 1, b"web").unwrap();
        for deploy in 2..=EVIDENCE_KEPT + 3 {
            journal.keep_evidence(&api, deploy, &deploy.to_be_bytes()).unwrap();
        }
        assert_eq!(journal.evidence(&web, 1).unwrap().unwrap(), b"web");
        let of = |deploy| journal.evidence(&api, deploy).unwrap();
        assert_eq!((of(1), of(3)), (None, None), "of another service, and too old");
        assert_eq!(of(4), Some(4_i64.to_be_bytes().to_vec()));
        assert_eq!(of(EVIDENCE_KEPT + 3), Some((EVIDENCE_KEPT + 3).to_be_bytes().to_vec()));
    }
}
