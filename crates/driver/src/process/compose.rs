//! Working out what a process is started with: what its release says, its files, its user, and what it
//! inherits of us.

use super::apart;
use crate::account::Account;
use crate::driver::LaunchError;
use crate::env_file::EnvFile;
use crate::environment::{Environment, Sources, Value};
use crate::launch::{Composed, ProcessStart, Spec};
use model::{ProcessRecipe, Recipe, Workload};

/// What an instance by `spec` is started with, now.
pub(super) async fn compose(spec: Spec) -> Result<Composed, LaunchError> {
    apart(move || of_process(spec)).await?
}

fn of_process(spec: Spec) -> Result<Composed, LaunchError> {
    let Spec { version, recipe, withheld, sealed, .. } = spec;
    let Recipe { workload, env, env_file, secrets } = recipe.of_version(&version);
    let Workload::Process(ProcessRecipe { command, directory, user, inherit }) = workload else {
        return Err(LaunchError::OtherKind);
    };
    let file = env_file.as_deref().map(EnvFile::read).transpose()?;
    let account = user.as_ref().map(Account::find).transpose()?;
    let environment = Environment::compose(Sources {
        given: Environment::of_this_process(),
        inherit: &inherit,
        withheld,
        secrets: &secrets,
        sealed: Some(&sealed),
        account: account.as_ref(),
        file: file.as_ref(),
        env: env.into_iter().map(|(name, value)| (name, Value(value))).collect(),
    });
    Ok(Composed::Process(ProcessStart { command, directory, environment, account }))
}
