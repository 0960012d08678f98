//! `plimsoll bans`: who is banned, until when and why.

use std::time::Duration;

use admin::{Ban, BanKey, Bans};
use jiff::Timestamp;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::foreign::shown;
use crate::options::{Endpoint, Form};
use crate::output;
use crate::quantity::rough;
use crate::table::{Column, Table};
use crate::width::columns;

/// Show who is banned, until when and why
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  plimsoll bans
  plimsoll bans --json | jq '.bans[].banned.subject'")]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) at: Endpoint,
    #[command(flatten)]
    form: Form,
}

pub(crate) fn run(options: Options) -> Result<Exit, Failure> {
    let client = options.at.client()?;
    let bans = super::block_on(async { Ok(client.bans().await?) })?;
    match options.form.json {
        true => output::json(&bans),
        false => output::out(&draw(&bans, Timestamp::now(), columns())),
    }
    Ok(Exit::Done)
}

fn draw(bans: &Bans, now: Timestamp, width: usize) -> String {
    if bans.bans.is_empty() {
        return "nobody is banned\n".to_owned();
    }
    let mut table =
        Table::new([Column::Left("BANNED"), Column::Left("ENDS"), Column::Left("REASON")]);
    for ban in &bans.bans {
        let reason = ban.reason.as_deref().map(shown).unwrap_or_default();
        table.row([
            described(&ban.banned).into(),
            ends(ban, now).into(),
            reason.to_string().into(),
        ]);
    }
    table.fit(width, &[])
}

/// When it ends, as of `now`.
pub(super) fn ends(ban: &Ban, now: Timestamp) -> String {
    let Ok(until) = ban.until.parse::<Timestamp>() else { return shown(&ban.until).to_string() };
    let left = Duration::try_from(until.duration_since(now)).unwrap_or_default();
    format!("in {}", rough(Duration::from_secs(left.as_secs())))
}

/// What is banned, in words.
pub(super) fn described(banned: &BanKey) -> String {
    let BanKey { subject, token_id, issuer, token_sha256, issued_before, address } = banned;
    let text = match (subject, token_id, token_sha256, issued_before, address) {
        (subject, _, _, Some(before), _) => match subject {
            Some(subject) => format!("tokens of {subject} from before {before}"),
            None => format!("tokens from before {before}"),
        },
        (Some(subject), ..) => format!("subject {subject}"),
        (_, Some(id), ..) => match issuer {
            Some(issuer) => format!("token {id} of {issuer}"),
            None => format!("token {id}"),
        },
        (_, _, Some(digits), ..) => format!("token with SHA-256 {digits}"),
        (.., Some(address)) => format!("address {address}"),
        _ => String::new(),
    };
    shown(&text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ban_is_a_line() {
        let key = BanKey::default();
        let ban = |banned, minutes: u8, reason: Option<&str>| Ban {
            banned,
            until: format!("2026-01-02T03:{minutes:02}:00Z"),
            reason: reason.map(str::to_owned),
        };
        let bans = vec![
            ban(BanKey { subject: Some("alice".into()), ..key.clone() }, 34, None),
            ban(BanKey { token_id: Some("7".into()), ..key.clone() }, 34, None),
            ban(
                BanKey {
                    token_id: Some("7".into()),
                    issuer: Some("https://id.example".into()),
                    ..key.clone()
                },
                34,
                None,
            ),
            ban(
                BanKey { issued_before: Some("2026-01-01T00:00:00Z".into()), ..key.clone() },
                35,
                None,
            ),
            ban(
                BanKey { address: Some("203.0.113.0/24".into()), ..key },
                36,
                Some("guesses\u{1b}[31m passwords"),
            ),
        ];
        let now = "2026-01-02T03:04:00Z".parse().unwrap();
        let text = draw(&Bans { bans }, now, 100);
        insta::assert_snapshot!(anstream::adapter::strip_str(&text).to_string());
        assert_eq!(draw(&Bans { bans: Vec::new() }, now, 100), "nobody is banned\n");
    }
}
