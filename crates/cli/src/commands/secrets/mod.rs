//! `plimsoll secrets`: the encrypted file beside the configuration.

mod edit;
mod list;
mod rotate;
mod set;

use std::path::Path;

use secrets::{Key, Keys, Names, Plain, Recipients};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::options::Which;
use crate::sealed::{self, KeySource, Sealed, SealedError};
use crate::{output, who};

/// Keep secrets encrypted beside the configuration
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The file is secrets.age beside the configuration, in age's format; secrets.recipients says whose keys open it. Both can be kept
in version control. A service gets those that its `secrets` name. The key is the first that is there: in
PLIMSOLL_SECRETS_KEY, in the file that PLIMSOLL_SECRETS_KEY_FILE names, systemd's credential secrets.key, or secrets.key beside the file.

Examples:
  plimsoll secrets set DB_PASSWORD              makes the file and its key, if there is none
  plimsoll secrets edit
  plimsoll secrets list
  plimsoll secrets rotate")]
pub(crate) struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Set(set::Options),
    Edit(edit::Options),
    List(list::Options),
    Rotate(rotate::Options),
}

impl Options {
    /// Which configuration it is about.
    pub(crate) fn which_mut(&mut self) -> &mut Which {
        match &mut self.what {
            What::Set(options) => &mut options.which,
            What::Edit(options) => &mut options.which,
            What::List(options) => &mut options.which,
            What::Rotate(options) => &mut options.which,
        }
    }
}

pub(crate) fn run(options: Options) -> Result<Exit, Failure> {
    match options.what {
        What::Set(options) => set::run(options),
        What::Edit(options) => edit::run(options),
        What::List(options) => list::run(options),
        What::Rotate(options) => rotate::run(options),
    }
}

/// The file beside `configuration`; a new one, that is not written yet, where there is none.
fn open_or_new(configuration: &Path) -> Result<Sealed, SealedError> {
    if let Some(sealed) = Sealed::beside(configuration)? {
        return Ok(sealed);
    }
    let names = Names::beside(configuration);
    let (keys, source) = match sealed::keys(&names)? {
        Some(found) => found,
        None => made_key(&names)?,
    };
    let recipients = match std::fs::read_to_string(&names.recipients) {
        Ok(text) => Recipients::parse(text)
            .map_err(|source| SealedError::Recipients { path: names.recipients.clone(), source })?,
        Err(_) => Recipients::one(&keys.own(), &who::who()),
    };
    Ok(Sealed { names, plain: Plain::empty(), recipients, keys, source })
}

/// A key that was drawn and written just now.
fn made_key(names: &Names) -> Result<(Keys, KeySource), SealedError> {
    let keys = Keys::one(Key::draw());
    sealed::write(&names.key, keys.to_text().as_bytes(), 0o600)?;
    output::err(&format!(
        "{0} is a new key, and alone opens what is encrypted for it: keep a copy, and keep it out of version control\n",
        names.key.display()
    ));
    Ok((keys, KeySource::File(names.key.clone())))
}

/// What becomes of a change that was written.
const TAKEN_UP: &str =
    "`plimsoll reload` takes it up; instances that run keep what they were started with";
