//! What is run by the clock: `[jobs]`.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::id::{InstanceName, JobName, ServiceName};
use crate::run::Command;

/// A program that is run by the clock, or by hand, as the instances of a service are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The key under `[jobs]`.
    pub name: JobName,
    /// The service whose live release it is run with; Plimsoll runs its processes.
    pub service: ServiceName,
    /// What is run.
    pub command: Command,
    /// When it is due; only by hand without.
    pub schedule: Option<Schedule>,
    /// What becomes of it where it is due while it runs.
    pub overlap: Overlap,
    /// One attempt may take so long, above zero.
    pub timeout: Duration,
    /// What follows a failure.
    pub retry: JobRetry,
}

/// When a job is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Five fields of cron, or a name such as `@daily`.
    pub expression: String,
    /// In which time zone they are read, by its name in the tz database.
    pub time_zone: String,
}

/// What becomes of a job that is due while it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overlap {
    /// It is not run this time.
    #[default]
    Skip,
    /// It is run when the one that runs has ended. One waits at most.
    Queue,
    /// The one that runs is stopped, and it is run then.
    Replace,
}

impl Overlap {
    /// The word of the file for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Queue => "queue",
            Self::Replace => "replace",
        }
    }
}

/// What follows a failure of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobRetry {
    /// How often it is tried, the first time included.
    pub attempts: NonZeroU32,
    /// The first pause; each further one is twice as long.
    pub backoff: Duration,
    /// No pause is longer.
    pub max_backoff: Duration,
}

impl JobRetry {
    /// The pause after `attempts` that failed.
    pub fn pause(&self, attempts: u32) -> Duration {
        let factor = 2u32.saturating_pow(attempts.saturating_sub(1));
        self.backoff.saturating_mul(factor).min(self.max_backoff)
    }
}

/// Between the service and the name of its job.
const MARK: &str = "job-";

impl Job {
    /// What a run of it is called, beside the service's instances.
    pub fn run_name(&self, run: i64) -> InstanceName {
        format!("{}-{MARK}{}-{run}", self.service, self.name).into()
    }

    /// The job of `service` whose run is called this; `None` for an instance or a hook.
    pub fn of(service: &ServiceName, name: &InstanceName) -> Option<JobName> {
        let rest = name.as_str().strip_prefix(service.as_str())?.strip_prefix('-')?;
        let (job, number) = rest.strip_prefix(MARK)?.rsplit_once('-')?;
        number.parse::<u64>().ok()?;
        Some(job.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hook::HookMoment;

    fn job(service: &str, name: &str) -> Job {
        let retry = JobRetry {
            attempts: NonZeroU32::MIN,
            backoff: Duration::from_secs(10),
            max_backoff: Duration::from_secs(60),
        };
        Job {
            name: name.into(),
            service: service.into(),
            command: Command::Line("x".into()),
            schedule: None,
            overlap: Overlap::Skip,
            timeout: Duration::from_secs(1),
            retry,
        }
    }

    #[test]
    fn a_run_is_told_from_an_instance_and_a_hook_by_its_name() {
        for service in ["api", "api-job", "job-1"] {
            for name in ["crawl", "before", "job-crawl", "7"] {
                let job = job(service, name);
                let run = job.run_name(12);
                assert_eq!(Job::of(&job.service, &run), Some(name.into()), "{run}");
                assert_eq!(HookMoment::of(&job.service, &run), None, "{run}");
                assert_eq!(Job::of(&job.service, &format!("{service}-7").as_str().into()), None);
                let hook = HookMoment::Before.name(&job.service, 7);
                assert_eq!(Job::of(&job.service, &hook), None);
            }
        }
    }

    #[test]
    fn pauses_double_and_have_an_end() {
        let retry = job("api", "crawl").retry;
        let pauses = [1, 2, 3, 4, 5, 1000].map(|failed| retry.pause(failed).as_secs());
        assert_eq!(pauses, [10, 20, 40, 60, 60, 60]);
    }
}
