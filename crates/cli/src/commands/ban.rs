//! `plimsoll ban`: whom requests are refused for a while.

use std::io::{self, IsTerminal, Read};
use std::path::PathBuf;
use std::time::Duration;

use admin::{BanKey, NewBan};
use jiff::Timestamp;
use wire::tls::ClientCertificate;

use super::bans::{described, ends};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::options::{Endpoint, Form};
use crate::{output, quantity};

/// No token that is read is longer, in bytes.
const TOKEN_BYTES_MAX: u64 = 1 << 20;

/// What is banned, in words of the command line
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
pub(crate) struct What {
    /// A subject; with --issued-before, its older tokens alone
    #[arg(long, conflicts_with_all = ["token_id", "token", "certificate", "address"])]
    subject: Option<String>,
    /// A token by its id (`jti`)
    #[arg(long, value_name = "ID", conflicts_with_all = ["token", "certificate", "issued_before", "address"])]
    token_id: Option<String>,
    /// Whose token it is (`iss`); without it that of any issuer
    #[arg(long, requires = "token_id")]
    issuer: Option<String>,
    /// A token itself, which is read from standard input: its SHA-256 is kept, and nothing else of it
    #[arg(long, conflicts_with_all = ["certificate", "issued_before", "address"])]
    token: bool,
    /// A client's certificate, the first in a PEM file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["issued_before", "address"])]
    certificate: Option<PathBuf>,
    /// Tokens that were issued before this time, as 2026-11-27T08:00:00Z or `now`
    #[arg(long, value_name = "TIME", conflicts_with = "address")]
    issued_before: Option<String>,
    /// An address, or a network, as 203.0.113.0/24
    #[arg(long)]
    address: Option<String>,
}

/// Refuse a subject, a token or an address for a while
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Who is banned gets 401, or 403 from a banned address. Holds over reloads and restarts, and on all edges that share a store.

Examples:
  plimsoll ban --subject alice --for 30m
  plimsoll ban --token --for 12h < stolen-token
  plimsoll ban --certificate ci.pem --for 90d
  plimsoll ban --issued-before now --for 12h      everybody signs in anew
  plimsoll ban --address 203.0.113.0/24 --for 1d --reason \"guesses passwords\"")]
pub(crate) struct Options {
    #[command(flatten)]
    what: What,
    /// For how long; for a token: until it expires
    #[arg(long = "for", value_name = "DURATION", value_parser = quantity::duration)]
    duration: Duration,
    /// Why, for people
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    pub(crate) at: Endpoint,
    #[command(flatten)]
    form: Form,
}

pub(crate) fn run(options: Options) -> Result<Exit, Failure> {
    let client = options.at.client()?;
    let banned = options.what.key()?;
    let for_s = options.duration.as_secs().max(1);
    let new = NewBan { banned, for_s, reason: options.reason.clone() };
    let ban = super::block_on(async { Ok(client.ban(&new).await?) })?;
    match options.form.json {
        true => output::json(&ban),
        false => {
            let (what, end) = (described(&ban.banned), ends(&ban, Timestamp::now()));
            output::out(&format!("{what} is banned; ends {end}\n"));
        }
    }
    Ok(Exit::Done)
}

impl What {
    /// As the API has it. Reads the token, where that is what is meant.
    pub(super) fn key(&self) -> Result<BanKey, Failure> {
        let token_sha256 = match (self.token, &self.certificate) {
            (true, _) => Some(admin::token_sha256(&token_of_stdin()?)),
            (false, Some(file)) => Some(ClientCertificate::load(file)?.fingerprint_text()),
            (false, None) => None,
        };
        let issued_before = self.issued_before.as_ref().map(|time| match time.as_str() {
            "now" => Timestamp::now().to_string(),
            time => time.to_owned(),
        });
        Ok(BanKey {
            subject: self.subject.clone(),
            token_id: self.token_id.clone(),
            issuer: self.issuer.clone(),
            token_sha256,
            issued_before,
            address: self.address.clone(),
        })
    }
}

/// The token on standard input, without what stands around it.
fn token_of_stdin() -> Result<Vec<u8>, Failure> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        output::err("reading the token from standard input; end with Ctrl-D\n");
    }
    let mut bytes = Vec::new();
    let read = stdin.lock().take(TOKEN_BYTES_MAX).read_to_end(&mut bytes);
    read.map_err(|source| Failure::System { what: "read the token from standard input", source })?;
    let token = bytes.trim_ascii();
    let token = token.strip_prefix(b"Bearer ").unwrap_or(token).trim_ascii();
    match token.is_empty() {
        true => Err(Failure::NoTokenGiven),
        false => Ok(token.to_vec()),
    }
}
