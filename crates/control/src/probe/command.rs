//! A check by a program, which is run beside the instance as the instance itself was.

use driver::{Examination, LaunchError};
use model::Command;

use super::{Passed, ProbeFault, ProbePlan};
use crate::chain::chain;

pub(super) async fn ask(plan: &ProbePlan, command: &Command) -> Result<Passed, ProbeFault> {
    let unknown = |why: &str| ProbeFault::Unknown(why.to_owned());
    let inside = plan.checker.inside(plan.address);
    let inside = inside.ok_or_else(|| unknown("its process is not known"))?;
    let launch = inside.launch.ok_or_else(|| unknown("its environment is not known any more"))?;
    let (limit, record) = (plan.check.timeout, inside.process.record().clone());
    let command = command.clone();
    let examination = Examination { launch, command, record, timeout: limit };
    match inside.driver.examine(examination).await {
        Ok(examined) if examined.is_well() => Ok(Passed(examined.words(limit))),
        Ok(examined) => Err(ProbeFault::Said(examined.words(limit))),
        Err(LaunchError::Process(error)) if wire::system::is_shortage(&error) => {
            Err(ProbeFault::NotMade(wire::system::words(&error)))
        }
        Err(error) => Err(ProbeFault::Said(chain(&error))),
    }
}
