//! `plimsoll secrets rotate`: a new key, and the file encrypted anew.

use std::path::PathBuf;

use secrets::{Key, Keys, Recipient};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::options::Which;
use crate::output;
use crate::sealed::{self, KeySource, Sealed};

/// Draw a new key in place of this one, and encrypt the secrets for it and all other recipients
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The old key opens the new file no more. It still opens older copies of the file: where it was stolen, change the values, too.
With --keep-key only the recipients are read again, after somebody was added to secrets.recipients, or taken out of it.

Examples:
  plimsoll secrets rotate
  plimsoll secrets rotate --keep-key
  plimsoll secrets rotate --key-file /etc/credstore/secrets.key")]
pub(super) struct Options {
    /// Keep the key; encrypt for those that secrets.recipients has now
    #[arg(long, conflicts_with = "key_file")]
    keep_key: bool,
    /// The file to write the new key into [default: the one with the old key]
    #[arg(long, value_name = "PATH")]
    key_file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) which: Which,
}

pub(super) fn run(options: Options) -> Result<Exit, Failure> {
    let Options { keep_key, key_file, which } = options;
    let file = which.file()?;
    let sealed = Sealed::beside(&file)?
        .ok_or_else(|| Failure::NoSealed { path: file.with_file_name(secrets::SEALED_FILE) })?;
    match keep_key {
        true => encrypt_anew(&sealed),
        false => rotate(sealed, key_file),
    }
}

fn encrypt_anew(sealed: &Sealed) -> Result<Exit, Failure> {
    sealed.write()?;
    let path = sealed.names.sealed.display();
    output::out(&format!("{path} is encrypted for {}\n", sealed.recipients.all().len()));
    Ok(Exit::Done)
}

fn rotate(mut sealed: Sealed, key_file: Option<PathBuf>) -> Result<Exit, Failure> {
    let place = match (key_file, &sealed.source) {
        (Some(path), _) => path,
        (None, KeySource::File(path)) => path.clone(),
        (None, KeySource::Variable) => return Err(Failure::NoKeyFile),
    };
    let old: Vec<Recipient> = sealed.keys.recipients().collect();
    let new = Key::draw();
    // Both keys are there until the file is encrypted for the new one: whenever this ends, one of them opens it.
    sealed.keys = sealed.keys.with_first(new.clone());
    sealed::write(&place, sealed.keys.to_text().as_bytes(), 0o600)?;
    sealed.recipients = sealed.recipients.with_instead(&new.recipient(), &old);
    sealed.write()?;
    sealed::write(&place, Keys::one(new).to_text().as_bytes(), 0o600)?;
    output::out(&format!(
        "{} is encrypted for a new key, which is in {}\n",
        sealed.names.sealed.display(),
        place.display()
    ));
    output::err(
        "the old key still opens older copies: where it was stolen, change the values, too\n",
    );
    Ok(Exit::Done)
}
