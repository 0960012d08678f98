//! Paths of files: where they lead, and whether something is there.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use model::Document;

use crate::diagnostic::Code;
use crate::environment::Origin;
use crate::faults::Flaw;
use crate::node::Node;
use crate::value::shown;

/// Reads a path; a relative one starts at the directory of the file in which it stands.
pub(crate) fn path(node: &Node<'_>) -> Option<PathBuf> {
    // Without what leads nowhere, as the `.` of `./state`.
    let whole = |text: &str| node.dir().join(text).components().collect();
    node.parse(|text| check(text).map(|()| whole(text)))
}

/// Reads the path of a file that must be there; `noun` is what it holds.
pub(crate) fn existing(node: &Node<'_>, noun: &str, origin: &Origin) -> Option<PathBuf> {
    let path = path(node)?;
    if let Err(error) = (origin.environment.probe)(&path) {
        let what = format!("{noun} cannot be read");
        let hint = format!(
            "looked for {}; relative paths start at the directory of the file in which they stand",
            path.display()
        );
        node.report(Flaw::new(Code::UnreadableFile, what, reason(&error), hint));
    }
    Some(path)
}

/// The largest list of keys or users that is read, in bytes: a thousand keys of RSA have less than half of it.
const DOCUMENT_BYTES_MAX: u64 = 1 << 20;

/// Reads the file that a text names; `noun` is what it holds.
pub(crate) fn document(node: &Node<'_>, noun: &str, origin: &Origin) -> Option<Document> {
    let path = path(node)?;
    let unreadable = |why: String| {
        let hint = format!(
            "looked for {}; relative paths start at the directory of the file in which they stand",
            path.display()
        );
        node.report(Flaw::new(Code::UnreadableFile, format!("{noun} cannot be read"), why, hint));
    };
    let mut bytes = Vec::new();
    let opened = (origin.environment.open)(&path);
    let read = opened.and_then(|file| file.take(DOCUMENT_BYTES_MAX + 1).read_to_end(&mut bytes));
    if let Err(error) = read {
        unreadable(reason(&error));
        return None;
    }
    if bytes.len() as u64 > DOCUMENT_BYTES_MAX {
        unreadable(format!("it is larger than {} MiB", DOCUMENT_BYTES_MAX >> 20));
        return None;
    }
    match String::from_utf8(bytes) {
        Ok(text) => Some(Document { name: path.display().to_string(), text: text.into() }),
        Err(_) => {
            unreadable("it is no text".to_owned());
            None
        }
    }
}

/// Warns where `directory` is to be made and more above it, too: `then` is what comes of it.
pub(crate) fn warn_of_parent(node: &Node<'_>, directory: &Path, origin: &Origin, then: &str) {
    let is_missing = |path: &Path| {
        let probed = (origin.environment.probe)(path);
        probed.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    };
    let Some(parent) = directory.parent() else { return };
    if is_missing(directory) && is_missing(parent) {
        let what = format!("there is no directory {}", parent.display());
        let hint = "create it, or correct the path; relative paths start at the directory of the file \
                    in which they stand";
        node.report(Flaw::new(Code::MissingDirectory, what, then, hint));
    }
}

fn check(text: &str) -> Result<(), Flaw> {
    let flaw = |why: &str, hint: &str| {
        Err(Flaw::invalid(format!("\"{}\" is not a path", shown(text)), why, hint))
    };
    if text.is_empty() {
        return flaw("it is empty", "write the path of a file");
    }
    if text.contains('\0') {
        return flaw("a path has no NUL", "leave it out");
    }
    if text == "~" || text.starts_with("~/") {
        return flaw("`~` is only known to shells", "write the path in full");
    }
    if text.contains("$(") || text.starts_with('$') {
        return flaw(
            "only `${NAME}` is substituted",
            "write `${NAME}` for a variable of Plimsoll's environment, or the path in full",
        );
    }
    Ok(())
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "this user may not read it".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        _ => error.to_string(),
    }
}
