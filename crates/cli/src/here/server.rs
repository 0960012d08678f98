//! What Plimsoll itself needs: its directory, its log, descriptors.

use std::io;
use std::path::{Path, PathBuf};

use config::Severity;
use model::{AccessLog, TokenSource};
use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::process::{Resource, getrlimit};

use super::{Finding, Notes};
use crate::secret_file;

/// Descriptors beyond which nobody has to think about them.
const DESCRIPTORS_MIN: u64 = 4096;

pub(super) fn look(notes: &Notes<'_>) -> Vec<Finding> {
    let server = &notes.intent.server;
    let state = writable(&server.state_dir).err().map(|(place, error)| {
        let what = format!(
            "cannot keep state in {}: {}: {error}",
            server.state_dir.display(),
            place.display()
        );
        notes
            .finding(
                &["server", "state_dir"],
                "the state directory".to_owned(),
                Severity::Error,
                what,
            )
            .hint("let this user write there, or name another directory by `server.state_dir`")
    });
    let log = match &notes.intent.log.access {
        AccessLog::File(path) => log(notes, path),
        AccessLog::Stdout | AccessLog::Off => None,
    };
    [state, log, token(notes), descriptors(notes)].into_iter().flatten().collect()
}

/// The admin API's token: a variable may be set where Plimsoll is started, as in a unit, and not here.
fn token(notes: &Notes<'_>) -> Option<Finding> {
    let admin = &notes.intent.admin;
    admin.bind?;
    let about = "the admin API's token".to_owned();
    match admin.token.as_ref()? {
        TokenSource::Variable(name)
            if std::env::var_os(name).is_none() && !notes.intent.secrets.contains_key(name) =>
        {
            let what = format!("the environment variable {name} is not set");
            let found = notes.finding(&["admin", "token_env"], about, Severity::Warning, what);
            Some(found.hint("it comes from the environment of `plimsoll run`; `openssl rand -hex 32` makes a token"))
        }
        TokenSource::File(path) => {
            let error = secret_file::read(path).err()?;
            let what = format!("cannot use {}: {error}", path.display());
            Some(notes.finding(&["admin", "token_file"], about, Severity::Error, what))
        }
        TokenSource::Variable(_) => None,
    }
}

fn log(notes: &Notes<'_>, path: &Path) -> Option<Finding> {
    let is_there = path.exists();
    let tried = match is_there {
        true => may_write(path).map_err(|error| (path.to_owned(), error)),
        false => writable(path.parent().unwrap_or(Path::new("/"))),
    };
    let (place, error) = tried.err()?;
    let what =
        format!("cannot write the access log {}: {}: {error}", path.display(), place.display());
    let about = "the access log".to_owned();
    let hint = "let this user write there, or name another file, or \"stdout\", by `log.access`";
    Some(notes.finding(&["log", "access"], about, Severity::Error, what).hint(hint))
}

fn descriptors(notes: &Notes<'_>) -> Option<Finding> {
    let limit = getrlimit(Resource::Nofile).maximum.filter(|limit| *limit < DESCRIPTORS_MIN)?;
    let what = format!(
        "this process may have {limit} open files: about {} connections, each with its request to an instance",
        limit * 3 / 8
    );
    let about = "the limit of open files".to_owned();
    let hint = "LimitNOFILE=100000 in the unit, `ulimit -Hn` in a shell, --ulimit nofile=100000 for Docker";
    Some(notes.finding(&["server"], about, Severity::Warning, what).hint(hint))
}

/// Whether a directory can be written, or made below the nearest one that is there.
fn writable(path: &Path) -> Result<(), (PathBuf, io::Error)> {
    let mut nearest = path;
    while !nearest.exists() {
        nearest = nearest.parent().unwrap_or(Path::new("/"));
    }
    let told = |error| (nearest.to_owned(), error);
    if !nearest.is_dir() {
        return Err(told(io::ErrorKind::NotADirectory.into()));
    }
    may_write(nearest).map_err(told)
}

fn may_write(path: &Path) -> io::Result<()> {
    let access = if path.is_dir() { Access::WRITE_OK | Access::EXEC_OK } else { Access::WRITE_OK };
    Ok(accessat(CWD, path, access, AtFlags::EACCESS)?)
}
