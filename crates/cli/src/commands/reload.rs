//! `plimsoll reload`: the running Plimsoll takes up a change of its configuration.

use std::path::Path;
use std::time::SystemTime;

use admin::{Changes, ClientError, Kind, Reloaded};
use config::Severity;

use crate::certificates;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::foreign::shown;
use crate::options::{Form, Which};
use crate::output;

/// Reload the configuration without dropping connections
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A file that does not pass `plimsoll check` changes nothing, says why, and exits with 1.
SIGHUP does the same, and reports to the log. Variables of the file (${NAME}) are those that the
running Plimsoll was started with.

Examples:
  plimsoll reload
  plimsoll check && plimsoll reload --json")]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) which: Which,
    #[command(flatten)]
    form: Form,
}

pub(crate) fn run(options: Options) -> Result<Exit, Failure> {
    let client = options.which.client()?;
    let (file, named) = (options.which.served_file()?, options.which.named()?);
    let reloaded = super::block_on(async {
        named.must_be_served(&client).await?;
        Ok(client.reload().await.map_err(|error| placed(error, &file)))
    })??;
    match options.form.json {
        true => output::json(&reloaded),
        false => output::out(&describe(&reloaded)),
    }
    Ok(Exit::Done)
}

/// Why `file` was not taken up. Certificates that cannot be used are told with their places, as by `check`.
fn placed(error: ClientError, file: &Path) -> Failure {
    let is_drawn = match &error {
        ClientError::Problem(problem) if problem.kind == Kind::InvalidConfiguration => {
            problem.drawing.is_some()
        }
        _ => true,
    };
    if is_drawn {
        return error.into();
    }
    let mut findings = certificates::check(file, SystemTime::now());
    findings.retain(|finding| finding.severity == Severity::Error);
    match findings.is_empty() {
        true => error.into(),
        false => Failure::Certificates { file: file.to_owned(), findings },
    }
}

fn describe(reloaded: &Reloaded) -> String {
    let mut text = format!("revision {} is served", reloaded.revision);
    if reloaded.is_empty() {
        text.push_str(": nothing has changed\n");
        return text;
    }
    text.push('\n');
    list(&mut text, "listener", &reloaded.listeners);
    list(&mut text, "service", &reloaded.services);
    if reloaded.routes_changed {
        text.push_str("  ~ routes\n");
    }
    for key in &reloaded.needs_restart {
        text.push_str(&format!("  ! {key} takes effect after a restart\n"));
    }
    for service in &reloaded.needs_deploy {
        text.push_str(&format!("  ! service {}: {}\n", service.service, service.text));
    }
    text
}

fn list(text: &mut String, noun: &str, changes: &Changes) {
    let all = [('+', &changes.added), ('-', &changes.removed), ('~', &changes.changed)];
    for (sign, names) in all {
        for name in names {
            text.push_str(&format!("  {sign} {noun} {}\n", shown(name)));
        }
    }
}

#[cfg(test)]
mod tests {
    use admin::NeedsDeploy;

    use super::*;

    #[test]
    fn each_change_is_a_line() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let reloaded = Reloaded {
            revision: 3,
            listeners: Changes { added: names(&["secure"]), ..Changes::default() },
            services: Changes {
                added: Vec::new(),
                removed: names(&["old"]),
                changed: names(&["api", "chat"]),
            },
            routes_changed: true,
            needs_restart: names(&["server.workers"]),
            needs_deploy: vec![NeedsDeploy {
                service: "api".to_owned(),
                runs: "1".to_owned(),
                file: Some("2".to_owned()),
                text: "the file says version 2, 1 runs".to_owned(),
            }],
        };
        insta::assert_snapshot!(describe(&reloaded), @r"
        revision 3 is served
          + listener secure
          - service old
          ~ service api
          ~ service chat
          ~ routes
          ! server.workers takes effect after a restart
          ! service api: the file says version 2, 1 runs
        ");
    }
}
