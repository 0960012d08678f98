//! `plimsoll secrets edit`: the whole file in an editor.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io::{self, IsTerminal};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use secrets::{Plain, PlainError};
use zeroize::Zeroizing;

use super::{TAKEN_UP, open_or_new};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::options::Which;
use crate::output;
use crate::sealed::SealedError;

/// Where files are in memory, the first that is there: what is decrypted is not to lie on a disk.
const IN_MEMORY: &str = "/dev/shm";

/// Edit all secrets in $VISUAL, $EDITOR or vi
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The decrypted text is in a file in memory (XDG_RUNTIME_DIR, or /dev/shm) that only this user can read, and is removed when the editor
ends. A text that is not right is shown again with its fault.

Examples:
  plimsoll secrets edit
  EDITOR='code --wait' plimsoll secrets edit")]
pub(super) struct Options {
    #[command(flatten)]
    pub(super) which: Which,
}

pub(super) fn run(options: Options) -> Result<Exit, Failure> {
    let mut sealed = open_or_new(&options.which.file()?)?;
    let before = sealed.plain.to_text();
    let room = Room::new(&before)
        .map_err(|source| Failure::System { what: "keep the text in memory", source })?;
    let edited = edited(&room, &before, &sealed.names.sealed)?;
    let path = sealed.names.sealed.clone();
    let Some(plain) = edited else {
        output::out(&format!("nothing is changed in {}\n", path.display()));
        return Ok(Exit::Done);
    };
    sealed.plain = plain;
    sealed.write()?;
    output::out(&format!("{} is changed; {TAKEN_UP}\n", path.display()));
    Ok(Exit::Done)
}

/// What the text is after the editor; `None` if it is as it was.
fn edited(room: &Room, before: &str, sealed: &Path) -> Result<Option<Plain>, Failure> {
    loop {
        open_editor(&room.file)?;
        let text = room
            .text()
            .map_err(|source| Failure::System { what: "read what was edited", source })?;
        if *text == before {
            return Ok(None);
        }
        match Plain::parse(&text) {
            Ok(plain) => return Ok(Some(plain)),
            Err(fault) if is_tried_again(&fault) => {}
            Err(source) => {
                return Err(SealedError::Plain { path: sealed.to_owned(), source }.into());
            }
        }
    }
}

/// Asks whether what was written is to be mended.
fn is_tried_again(fault: &PlainError) -> bool {
    if !io::stdin().is_terminal() {
        return false;
    }
    output::err(&format!(
        "{fault}\nPress Enter to edit it again, or n and Enter to leave everything as it was: "
    ));
    let mut said = String::new();
    io::stdin().read_line(&mut said).is_ok_and(|read| read > 0) && said.trim().is_empty()
}

/// Waits until the editor has ended.
fn open_editor(file: &Path) -> Result<(), Failure> {
    let set = |name| std::env::var_os(name).filter(|it: &OsString| !it.is_empty());
    let editor = set("VISUAL").or_else(|| set("EDITOR")).unwrap_or_else(|| "vi".into());
    // As git does: the variable is a piece of shell, with options and quotes.
    let mut words = OsString::from("exec ");
    words.push(&editor);
    words.push(" \"$1\"");
    let status = Command::new("/bin/sh").arg("-c").arg(words).arg("sh").arg(file).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::Editor { editor: editor.display().to_string(), status }),
        Err(source) => Err(Failure::System { what: "start the editor", source }),
    }
}

/// A directory in memory with the text, which goes with it.
struct Room {
    dir: tempfile::TempDir,
    file: PathBuf,
}

impl Room {
    fn new(text: &str) -> io::Result<Self> {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let place = runtime.filter(|dir| dir.is_dir()).unwrap_or_else(|| IN_MEMORY.into());
        let dir = tempfile::Builder::new().prefix("plimsoll-secrets-").tempdir_in(place)?;
        fs::set_permissions(dir.path(), Permissions::from_mode(0o700))?;
        let file = dir.path().join("secrets.toml");
        fs::write(&file, text)?;
        Ok(Self { dir, file })
    }

    fn text(&self) -> io::Result<Zeroizing<String>> {
        fs::read_to_string(&self.file).map(Zeroizing::new)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // The directory removes itself; what an editor left in it (its backups, its swap files) goes, too.
        let _ = fs::remove_dir_all(self.dir.path());
    }
}
