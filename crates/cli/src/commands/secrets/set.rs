//! `plimsoll secrets set`: gives one secret its value.

use std::io::{self, IsTerminal, Read};

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use super::{TAKEN_UP, open_or_new};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::options::Which;
use crate::output;
use crate::sealed::SealedError;

/// No larger value is read, in bytes.
const BYTES_MAX: u64 = 1 << 20;

/// Give a secret its value, which is read from standard input
#[derive(Debug, clap::Args)]
#[command(after_help = "\
On a terminal the value is one line, which is not shown; otherwise it is all of standard input, without the line end at its end.

Examples:
  plimsoll secrets set DB_PASSWORD
  openssl rand -hex 32 | plimsoll secrets set JWT_SECRET
  plimsoll secrets set SIGNING_KEY < key.pem")]
pub(super) struct Options {
    /// Its name, as a variable of the environment
    #[arg(value_parser = name)]
    name: String,
    #[command(flatten)]
    pub(super) which: Which,
}

fn name(text: &str) -> Result<String, secrets::NameError> {
    secrets::check_name(text).map(|()| text.to_owned())
}

pub(super) fn run(options: Options) -> Result<Exit, Failure> {
    let Options { name, which } = options;
    let file = which.file()?;
    let value =
        value(&name).map_err(|source| Failure::System { what: "read the value", source })?;
    if value.is_empty() {
        return Err(Failure::NoSecretGiven);
    }
    let mut sealed = open_or_new(&file)?;
    let path = sealed.names.sealed.clone();
    let before = sealed.plain.secrets().get(&name).cloned();
    let set = sealed.plain.set(&name, &value);
    set.map_err(|source| SealedError::Plain { path: path.clone(), source })?;
    sealed.write()?;
    let done = match before {
        Some(before) if before.expose() == value.as_bytes() => "is as it was",
        Some(_) => "is changed",
        None => "is set",
    };
    output::out(&format!("{name} {done} in {}; {TAKEN_UP}\n", path.display()));
    Ok(Exit::Done)
}

fn value(name: &str) -> io::Result<Zeroizing<String>> {
    let stdin = io::stdin();
    let mut text = Zeroizing::new(String::new());
    if stdin.is_terminal() {
        output::err(&format!("{name}: "));
        let read = unechoed(|| io::stdin().read_line(&mut text));
        output::err("\n");
        read?;
    } else {
        stdin.lock().take(BYTES_MAX + 1).read_to_string(&mut text)?;
        if text.len() as u64 > BYTES_MAX {
            return Err(io::Error::other("it is larger than 1 MiB"));
        }
    }
    let length = text.strip_suffix('\n').map_or(text.len(), str::len);
    text.truncate(length);
    Ok(text)
}

/// Does this while the terminal shows nothing of what is typed.
fn unechoed<T>(work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let stdin = io::stdin();
    let before = tcgetattr(&stdin)?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&stdin, OptionalActions::Flush, &silent)?;
    let done = work();
    tcsetattr(&stdin, OptionalActions::Now, &before)?;
    done
}
