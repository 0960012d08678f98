//! One file for each command.

pub(crate) mod ban;
pub(crate) mod bans;
pub(crate) mod certificates;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod deploy;
pub(crate) mod deploy_action;
pub(crate) mod drain;
pub(crate) mod enable;
pub(crate) mod events;
pub(crate) mod exec;
pub(crate) mod explain;
pub(crate) mod fmt;
pub(crate) mod history;
pub(crate) mod init;
pub(crate) mod jobs;
pub(crate) mod judge;
pub(crate) mod logs;
pub(crate) mod man;
pub(crate) mod proxy;
pub(crate) mod reload;
pub(crate) mod restart;
pub(crate) mod rollback;
pub(crate) mod run;
pub(crate) mod run_job;
pub(crate) mod sample;
pub(crate) mod scale;
pub(crate) mod schema;
pub(crate) mod secrets;
pub(crate) mod status;
pub(crate) mod unban;
pub(crate) mod version;

use crate::failure::Failure;

/// Runs `work` on a runtime of its own: what a command needs that asks a running Plimsoll.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|source| Failure::System { what: "start a runtime", source })?.block_on(work)
}
