//! What an earlier Plimsoll left of programs that it ran once: it is ended, for nobody would know how it ended.

use driver::{Adoption, Driver, Record, Upkeep};
use model::{HookMoment, Job, ServiceName, Stop};

use crate::journal::Journal;

/// Ends what is left of those processes of `service` for which `is_meant` holds, and forgets them. Answers when nothing of them is there.
pub(crate) async fn end_left(
    driver: &dyn Driver,
    journal: &Journal,
    service: &ServiceName,
    stop: Stop,
    is_meant: impl Fn(&Record) -> bool,
) {
    // Where that cannot be read nothing new can be recorded either.
    let records = journal.records(service).unwrap_or_default().into_iter();
    for record in records.map(|(record, _)| record).filter(is_meant) {
        match driver.adopt(record.clone(), Upkeep::default()).await {
            Ok(Adoption::Running(process)) => drop(process.stop(stop).await),
            Ok(Adoption::Gone(_)) => {}
            // The next one looks again.
            Err(_) => continue,
        }
        let _ = journal.forget(&record);
    }
}

/// Whether `record` is of a program of `service` that is run once, and of no instance: a hook, a job.
pub(crate) fn is_run_once(service: &ServiceName, record: &Record) -> bool {
    HookMoment::of(service, &record.instance).is_some()
        || Job::of(service, &record.instance).is_some()
}
