//! Puts the commit, its day and the target into the version that `plimsoll --version` tells. Without git,
//! as in an archive of the sources, there is no commit; who packs one may set PLIMSOLL_COMMIT.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=PLIMSOLL_COMMIT");
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let target = env::var("TARGET").unwrap_or_default();
    let given = env::var("PLIMSOLL_COMMIT").ok().filter(|it| !it.trim().is_empty());
    let commit = given.or_else(of_git).map(|commit| format!(" ({})", commit.trim()));
    let commit = commit.unwrap_or_default();
    println!("cargo::rustc-env=PLIMSOLL_VERSION={version}{commit} {target}");
}

/// The commit that is checked out, and its day.
fn of_git() -> Option<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().ok()?;
    // Sources within another repository are not of its commit.
    let top = git(&["rev-parse", "--show-toplevel"])?;
    if Path::new(top.trim()).canonicalize().ok()? != root {
        return None;
    }
    // A commit writes the log of HEAD, and where no log is kept the branch alone.
    let branch = git(&["rev-parse", "--symbolic-full-name", "HEAD"]);
    let branch = branch.as_deref().map(str::trim).filter(|branch| *branch != "HEAD");
    for file in ["HEAD", "logs/HEAD"].into_iter().chain(branch) {
        let path = git(&["rev-parse", "--git-path", file])?;
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path.trim());
        if path.exists() {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }
    git(&["log", "-1", "--format=%h %cs"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8(output.stdout).ok()).flatten()
}
