//! What an instance says of itself, taken for a check.

use driver::{Notice, Readiness};
use model::HealthProbe;
use tokio::sync::watch;

use super::{Passed, ProbeFault, ProbePlan};

pub(super) fn ask(plan: &ProbePlan) -> Result<Passed, ProbeFault> {
    let unknown = |why: &str| ProbeFault::Unknown(why.to_owned());
    let inside = plan.checker.inside(plan.address);
    let inside = inside.ok_or_else(|| unknown("its process is not known"))?;
    let notices = inside.process.notices();
    let heard = notices.ok_or_else(|| {
        unknown("it was started before `notify` was configured, and reports nothing until it is restarted")
    })?;
    judge(&heard.borrow())
}

/// Listens to an instance that says by itself how it is.
#[derive(Default)]
pub(super) struct Ear(Option<watch::Receiver<Notice>>);

impl Ear {
    /// Waits until the instance says something new; for ever where it is asked in another way, or not known yet.
    pub(super) async fn changed(&mut self, plan: &ProbePlan) {
        if plan.check.probe != HealthProbe::Notify {
            return std::future::pending().await;
        }
        if self.0.is_none() {
            self.0 = plan.checker.inside(plan.address).and_then(|inside| inside.process.notices());
            // What was said until now is looked at with the first check.
            self.0.iter_mut().for_each(watch::Receiver::mark_unchanged);
        }
        if let Some(heard) = &mut self.0 {
            if heard.changed().await.is_ok() {
                return;
            }
            // It is gone; another may have its place.
            self.0 = None;
        }
        std::future::pending().await
    }
}

fn judge(notice: &Notice) -> Result<Passed, ProbeFault> {
    let with_status = |word: &str| match &notice.status {
        Some(status) => format!("{word} ({status})"),
        None => word.to_owned(),
    };
    match notice.word {
        Readiness::Ready => Ok(Passed(with_status("READY=1"))),
        Readiness::Before => Ok(Passed(with_status("it reported READY=1 to an earlier Plimsoll"))),
        Readiness::Silent => Err(ProbeFault::Said(with_status("it has not said READY=1"))),
        Readiness::Stopping => Err(ProbeFault::Said(with_status("STOPPING=1"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_what_it_says_that_it_is() {
        let said =
            |word, status: Option<&str>| judge(&Notice { word, status: status.map(str::to_owned) });
        let silent = said(Readiness::Silent, Some("loading 3 of 7")).unwrap_err();
        assert_eq!(silent.to_string(), "it has not said READY=1 (loading 3 of 7)");
        assert_eq!(said(Readiness::Ready, None).unwrap(), Passed("READY=1".to_owned()));
        let leaving = said(Readiness::Stopping, Some("bye")).unwrap_err();
        assert_eq!(leaving.to_string(), "STOPPING=1 (bye)");
        assert!(!leaving.is_ours() && said(Readiness::Before, None).is_ok());
    }
}
