//! `plimsoll reload`: the running Plimsoll takes up a change of its configuration.

use std::path::Path;
use std::time::{Duration, SystemTime};

use admin::{Changes, ClientError, IfRolledBack, Kind, ReloadRequest, Reloaded};
use config::Severity;

use crate::certificates;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::foreign::shown;
use crate::options::{Elsewhere, Form, Placed};
use crate::output;
use crate::progress;
use crate::quantity::duration;

/// Reload the configuration without dropping connections
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A file that does not pass `plimsoll check` changes nothing, says why, and exits with 1.
SIGHUP does the same, and reports to the log. Variables of the file (${NAME}) are those that the
running Plimsoll was started with.

With --watch, requests are compared with those of the last ten minutes, by each route and service
that the file changes: where more fail, or get a 4xx, what was served before is served again, and the
file is refused until it changes. Exits with 0 where the change stands, with 1 where it was rolled
back.

Examples:
  plimsoll reload
  plimsoll reload --watch 1m
  plimsoll check && plimsoll reload --json")]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) placed: Placed,
    #[command(flatten)]
    pub(crate) elsewhere: Elsewhere,
    /// Watch it for so long, from 1s to 1h, and roll it back if requests fail more often than before
    #[arg(long, value_name = "TIME", value_parser = duration)]
    watch: Option<Duration>,
    /// Apply a file that was rolled back, though it has not changed since
    #[arg(long)]
    anyway: bool,
    #[command(flatten)]
    form: Form,
}

pub(crate) fn run(mut options: Options) -> Result<Exit, Failure> {
    let which = options.placed.which();
    let client = options.elsewhere.client_or_of(which)?;
    // One elsewhere has its own, which is not read here.
    let here = match client.is_remote() {
        true => None,
        false => Some((which.served_file()?, which.named()?)),
    };
    let refused = if options.anyway { IfRolledBack::TakeUp } else { IfRolledBack::Refuse };
    let how = ReloadRequest { watch: options.watch, refused };
    super::block_on(async {
        let file = match here {
            Some((file, named)) => {
                named.must_be_served(&client).await?;
                Some(file)
            }
            None => None,
        };
        let reloaded = client.reload_as(&how).await.map_err(|error| match &file {
            Some(file) => placed(error, file),
            None => error.into(),
        })?;
        match (options.form.json, reloaded.watch_s) {
            (true, None) => output::json(&reloaded),
            (true, Some(_)) => output::json_line(&reloaded),
            (false, _) => output::out(&describe(&reloaded)),
        }
        match reloaded.watch_s {
            None => Ok(Exit::Done),
            Some(_) => progress::reload::follow(&client, reloaded.revision, &options.form).await,
        }
    })
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
    list(&mut text, "job", &reloaded.jobs);
    list(&mut text, "authentication", &reloaded.auth);
    list(&mut text, "limit", &reloaded.limits);
    list(&mut text, "abuse", &reloaded.abuse);
    if reloaded.routes_changed {
        text.push_str("  ~ routes\n");
    }
    if reloaded.acme_changed {
        text.push_str("  ~ acme\n");
    }
    if reloaded.store_changed {
        text.push_str("  ~ store\n");
    }
    if reloaded.secrets_changed {
        text.push_str("  ~ secrets (instances that run keep what they were started with)\n");
    }
    if reloaded.admin_changed {
        text.push_str("  ~ certificate of the admin API\n");
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
            jobs: Changes { added: names(&["crawl"]), ..Changes::default() },
            auth: Changes { changed: names(&["users"]), ..Changes::default() },
            limits: Changes { added: names(&["per-user"]), ..Changes::default() },
            abuse: Changes::default(),
            routes_changed: true,
            acme_changed: true,
            store_changed: true,
            secrets_changed: true,
            admin_changed: true,
            needs_restart: names(&["server.workers"]),
            needs_deploy: vec![NeedsDeploy {
                service: "api".to_owned(),
                runs: "1".to_owned(),
                file: Some("2".to_owned()),
                text: "the file says version 2, 1 runs".to_owned(),
            }],
            watch_s: None,
        };
        insta::assert_snapshot!(describe(&reloaded), @r"
        revision 3 is served
          + listener secure
          - service old
          ~ service api
          ~ service chat
          + job crawl
          ~ authentication users
          + limit per-user
          ~ routes
          ~ acme
          ~ store
          ~ secrets (instances that run keep what they were started with)
          ~ certificate of the admin API
          ! server.workers takes effect after a restart
          ! service api: the file says version 2, 1 runs
        ");
    }
}
