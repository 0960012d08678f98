//! A program that is run once within a container: a health check.
//!
//! The engine runs it and cannot be told to end it: where its time is over, or nobody waits for it any more, its first process
//! is killed by its number on the engine's machine.

use std::time::Duration;

use bollard::exec::StartExecResults;
use bollard::models::ExecConfig;
use driver::command::{self, Facts};
use driver::{Examination, Examined, ExitCause, LaunchError};
use futures_util::StreamExt;

use crate::daemon::Daemon;
use crate::error::EngineError;
use crate::machine;

const WHAT: &str = "run a program in a container";
/// So much of the output is kept, to tell its first line.
const OUTPUT_BYTES_MAX: usize = 4 * 1024;
/// How long the engine may take for what it does itself.
const ENGINE: Duration = Duration::from_secs(10);

/// Runs what `examination` says, to its end or to the end of its time.
pub(crate) async fn examine(
    daemon: &Daemon,
    examination: Examination,
) -> Result<Examined, LaunchError> {
    let Examination { launch, command, record, timeout } = examination;
    let own = record.identity.container().ok_or(LaunchError::OtherKind)?;
    let facts = Facts {
        port: own.port,
        version: &launch.version,
        instance: launch.instance.as_str(),
        service: launch.service.as_str(),
    };
    let words = command::words(&command, facts)?;
    let program = Program::begin(daemon, &own.id, words).await?;
    let mut kept = Vec::new();
    let ending = match tokio::time::timeout(timeout, program.run(&mut kept)).await {
        Ok(Ok(())) => Some(program.ending().await?),
        Ok(Err(error)) => return Err(error.into()),
        Err(_) => None,
    };
    Ok(Examined::of(ending, &kept))
}

/// A program that is run. Dropped, it is killed, if it still runs.
struct Program {
    daemon: Daemon,
    id: String,
}

impl Program {
    async fn begin(
        daemon: &Daemon,
        container: &str,
        words: Vec<String>,
    ) -> Result<Self, EngineError> {
        let config = ExecConfig {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(words),
            ..ExecConfig::default()
        };
        let made = daemon.client(ENGINE).await?.create_exec(container, config).await;
        let made = made.map_err(|error| daemon.error(WHAT, ENGINE, error))?;
        Ok(Self { daemon: daemon.clone(), id: made.id })
    }

    /// Lets it run, and keeps what it writes, until it has ended.
    async fn run(&self, kept: &mut Vec<u8>) -> Result<(), EngineError> {
        let failed = |error| self.daemon.error(WHAT, ENGINE, error);
        let client = self.daemon.client(ENGINE).await?;
        let started = client.start_exec(&self.id, None).await.map_err(failed)?;
        let StartExecResults::Attached { mut output, .. } = started else { return Ok(()) };
        while let Some(piece) = output.next().await {
            let piece = piece.map_err(failed)?.into_bytes();
            let room = OUTPUT_BYTES_MAX - kept.len();
            kept.extend_from_slice(&piece[..piece.len().min(room)]);
        }
        Ok(())
    }

    async fn ending(&self) -> Result<ExitCause, EngineError> {
        let looked = self.daemon.client(ENGINE).await?.inspect_exec(&self.id).await;
        let looked = looked.map_err(|error| self.daemon.error(WHAT, ENGINE, error))?;
        let code = looked.exit_code.and_then(|code| i32::try_from(code).ok());
        Ok(code.map_or(ExitCause::Unknown, ExitCause::Code))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let (daemon, id) = (self.daemon.clone(), self.id.clone());
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            let Ok(client) = daemon.client(ENGINE).await else { return };
            let Ok(looked) = client.inspect_exec(&id).await else { return };
            let pid = looked.pid.and_then(|pid| i32::try_from(pid).ok()).filter(|pid| *pid > 0);
            if let (Some(true), Some(pid)) = (looked.running, pid) {
                machine::kill(daemon.remote(), pid).await;
            }
        });
    }
}
