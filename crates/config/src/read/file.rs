//! Paths of files: where they lead, and whether something is there.

use std::io;
use std::path::{Path, PathBuf};

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
