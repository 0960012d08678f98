//! Which logs are meant where no instance is named: those of instances that run, and of those that have just died,
//! since in a crash loop the one that is starting has not written anything yet.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use admin::Past;
use driver::logs::Written;

/// An instance that wrote its last line within this time has just died. Longer than the longest pause between two
/// starts, unless `restart.max_backoff` says more.
pub(super) const JUST_DIED: Duration = Duration::from_mins(10);

/// What the running Plimsoll says of a service.
#[derive(Debug, Default)]
pub(super) struct Present {
    /// The names of its instances.
    pub(super) living: BTreeSet<String>,
    /// When the latest release was first deployed; instances that were made earlier are of one before.
    pub(super) deployed: Option<SystemTime>,
}

impl Present {
    /// Whether the log of `instance` is meant: it lives, or is of the latest release and wrote something after `from`.
    pub(super) fn means(&self, instance: &str, written: Written, from: SystemTime) -> bool {
        let is_latest = match (written.begun, self.deployed) {
            (Some(begun), Some(deployed)) => begun >= deployed,
            _ => true,
        };
        let is_recent = written.last.is_some_and(|last| last >= from);
        self.living.contains(instance) || (is_latest && is_recent)
    }
}

/// When the latest release was first deployed: several deploys of it in a row are one. Of a first release, which is
/// tried until it stays, only the last try's beginning is known; so what was tried before it tells.
pub(super) fn deployed(deploys: &[Past]) -> Option<SystemTime> {
    let latest = deploys.first()?;
    let tries = deploys.iter().take_while(|past| past.release == latest.release).count();
    let began = match &deploys[tries - 1] {
        Past { previous: None, .. } => deploys.get(tries)?.ended_at.as_ref()?,
        Past { began_at, .. } => began_at,
    };
    let began: jiff::Timestamp = began.parse().ok()?;
    Some(began.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(second)
    }

    #[test]
    fn who_has_just_died_is_meant_and_who_is_of_an_earlier_release_or_long_gone_is_not() {
        let present = Present { living: ["api-9".to_owned()].into(), deployed: Some(at(1_000)) };
        let written = |begun, last| Written { begun: Some(at(begun)), last: Some(at(last)) };
        let from = at(1_100);
        assert!(present.means("api-9", written(1, 2), from), "it lives");
        assert!(present.means("api-8", written(1_050, 1_200), from), "it has just died");
        assert!(!present.means("api-7", written(1_050, 1_099), from), "it died long ago");
        assert!(!present.means("api-6", written(999, 1_200), from), "an earlier release");
        let unknown = Written { begun: None, last: Some(at(1_200)) };
        assert!(present.means("api-5", unknown, from), "then its last line alone counts");
        assert!(!present.means("api-4", Written::default(), from), "it was removed");
    }

    #[test]
    fn deploys_of_one_release_in_a_row_are_one() {
        let time = |second| jiff::Timestamp::from_second(second).unwrap().to_string();
        let past = |previous: Option<&str>, release: &str, second| Past {
            id: 1,
            previous: previous.map(str::to_owned),
            release: release.to_owned(),
            who: String::new(),
            restores: None,
            began_at: time(second),
            ended_at: Some(time(second + 1)),
            outcome: None,
            receipt: None,
        };
        let (one, two) = (Some("1"), Some("2"));
        let deploys =
            [past(two, "2", 40), past(one, "2", 30), past(None, "1", 20), past(None, "0", 10)];
        assert_eq!(deployed(&deploys), Some(at(30)));
        assert_eq!(deployed(&deploys[1..]), Some(at(30)));
        assert_eq!(
            deployed(&deploys[2..]),
            Some(at(11)),
            "its first try may have been long before"
        );
        assert_eq!(deployed(&deploys[2..3]), None, "all that there are are of it");
        assert_eq!(deployed(&[]), None);
    }
}
