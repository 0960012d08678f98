//! Servers that something else runs: whether their names can be looked up, and whether something listens there.

use config::Severity;

use super::{Finding, Notes};
use crate::reach::{self, Reach};

pub(super) fn look(notes: &Notes<'_>) -> Vec<Finding> {
    let services = notes.intent.services.values();
    let targets = services.flat_map(|service| {
        service.targets.iter().map(|target| (service.name.as_str(), target.name.to_string()))
    });
    let (services, targets): (Vec<_>, Vec<_>) = targets.unzip();
    let faults = reach::faults(&targets).into_iter();
    let of_service = |fault: reach::Fault| {
        let index = targets.iter().position(|target| *target == fault.target)?;
        let service = services[index];
        // A server may be started later; a name that is wrong stays so.
        let severity = match fault.reach {
            Reach::NoSuchName => Severity::Error,
            Reach::NameUnanswered | Reach::Refused | Reach::Silent | Reach::NoWay => {
                Severity::Warning
            }
        };
        let path = ["services", service, "targets"];
        let about = format!("service `{service}`");
        Some(notes.finding(
            &path,
            about,
            severity,
            format!("{}: {}", fault.target, fault.reach.told()),
        ))
    };
    faults.filter_map(of_service).collect()
}
