//! A reload that is watched, until it is over.

use std::io::{self, IsTerminal};
use std::time::Duration;

use admin::{Client, ReloadOutcome, ReloadWatch};

use super::patience::Patience;
use crate::canvas::Canvas;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::foreign::shown;
use crate::options::Form;
use crate::output;
use crate::quantity::{counted, rough};

/// Shows how the reload to `revision` stands until it is over, or somebody has seen enough of it; its exit code is the truth.
pub(crate) async fn follow(client: &Client, revision: u64, form: &Form) -> Result<Exit, Failure> {
    let canvas = Canvas::default();
    let is_drawn = !form.json && io::stdout().is_terminal();
    let followed = async {
        let mut patience = Patience::default();
        loop {
            let asked = patience.of(client, async || client.reload_watch(revision).await);
            let watch = asked.await?;
            if watch.outcome.is_some() {
                return Ok::<_, Failure>(watch);
            }
            if is_drawn {
                canvas.draw(&line(&watch));
            }
        }
    };
    let watch = tokio::select! {
        watch = followed => watch,
        Ok(()) = tokio::signal::ctrl_c() => {
            canvas.wipe();
            output::err(&format!("revision {revision} is still watched, and rolled back if requests fail\n"));
            return Ok(Exit::Interrupted);
        }
    };
    canvas.wipe();
    let watch = watch?;
    match form.json {
        true => output::json_line(&watch),
        false => output::out(&told(&watch)),
    }
    Ok(exit(&watch))
}

fn exit(watch: &ReloadWatch) -> Exit {
    match watch.outcome {
        Some(ReloadOutcome::Stands | ReloadOutcome::NotCompared) => Exit::Done,
        _ => Exit::Failed,
    }
}

/// How one stands that is watched: "watched for another 40 s: 120 requests by what it changes, 0 failed".
pub(crate) fn line(watch: &ReloadWatch) -> String {
    let left = rough(Duration::from_secs(watch.left_s.max(0.0).ceil() as u64));
    let requests = counted(watch.requests as usize, "request");
    let failed = watch.failed;
    format!(
        "revision {} is watched for another {left}: {requests} by what it changes, {failed} failed\n",
        watch.revision
    )
}

fn told(watch: &ReloadWatch) -> String {
    let text = watch.text.as_deref().unwrap_or("its watch is over");
    let word = match watch.outcome {
        Some(ReloadOutcome::Stands | ReloadOutcome::NotCompared) => "stands: ",
        Some(ReloadOutcome::NotRolledBack) => "cannot be rolled back: ",
        Some(ReloadOutcome::Superseded) => "was superseded: ",
        Some(ReloadOutcome::RolledBack) => "was ",
        None => "",
    };
    format!("revision {} {word}{}\n", watch.revision, shown(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_of_it_is_a_line_and_an_exit_code() {
        let watch = |outcome, text: &str| ReloadWatch {
            revision: 3,
            length_s: 60.0,
            left_s: 39.2,
            requests: 120,
            failed: 1,
            client_errors: 0,
            outcome,
            text: Some(text.to_owned()),
        };
        assert_eq!(
            line(&watch(None, "")),
            "revision 3 is watched for another 40 s: 120 requests by what it changes, 1 failed\n"
        );
        let rolled_back =
            watch(Some(ReloadOutcome::RolledBack), "rolled back: route /a: it failed");
        assert_eq!(told(&rolled_back), "revision 3 was rolled back: route /a: it failed\n");
        assert_eq!(exit(&rolled_back), Exit::Failed);
        let stands = watch(Some(ReloadOutcome::NotCompared), "not compared: 2 requests");
        assert_eq!(told(&stands), "revision 3 stands: not compared: 2 requests\n");
        assert_eq!(exit(&stands), Exit::Done);
        assert_eq!(exit(&watch(Some(ReloadOutcome::Superseded), "")), Exit::Failed);
    }
}
