//! `plimsoll man`: the manual pages, made of what the commands' help says.
//!
//! One page for the program and one for each command. Nothing is written for them alone: a page that
//! says what no help says would grow old.

mod page;

use std::fs;
use std::path::{Path, PathBuf};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::quantity::counted;
use page::Page;

/// Print a manual page, or write them all into a directory
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  plimsoll man | man -l -
  plimsoll man deploy | man -l -
  plimsoll man --dir /usr/local/share/man/man1")]
pub(crate) struct Options {
    /// The command, if not the program as a whole
    #[arg(value_name = "COMMAND", conflicts_with = "dir")]
    command: Option<String>,
    /// Write all pages into this directory
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Prints a page of `program`, the whole command line, or writes all.
pub(crate) fn run(options: &Options, program: clap::Command) -> Result<Exit, Failure> {
    let pages = page::all(program);
    match (&options.dir, &options.command) {
        (Some(dir), _) => {
            write(&pages, dir)?;
            let count = counted(pages.len(), "page");
            output::out(&format!("{count} written to {}\n", dir.display()));
        }
        (None, command) => output::out(&wanted(&pages, command.as_deref())?.text),
    }
    Ok(Exit::Done)
}

fn wanted<'a>(pages: &'a [Page], command: Option<&str>) -> Result<&'a Page, Failure> {
    let found = pages.iter().find(|page| page.command.as_deref() == command);
    found.ok_or_else(|| Failure::NoCommand { name: command.unwrap_or_default().to_owned() })
}

fn write(pages: &[Page], dir: &Path) -> Result<(), Failure> {
    let told = |path: &Path, source| Failure::Write { path: path.to_owned(), source };
    fs::create_dir_all(dir).map_err(|source| told(dir, source))?;
    for page in pages {
        let path = dir.join(&page.file);
        fs::write(&path, &page.text).map_err(|source| told(&path, source))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments;

    #[test]
    fn each_command_has_a_page_and_the_hidden_has_none() {
        let dir = tempfile::tempdir().unwrap();
        let pages = page::all(arguments::program());
        write(&pages, &dir.path().join("man1")).unwrap();
        let written: Vec<_> = fs::read_dir(dir.path().join("man1")).unwrap().collect();
        assert_eq!(written.len(), arguments::program().get_subcommands().count() + 1);
        assert_eq!(wanted(&pages, None).unwrap().file, "plimsoll.1");
        assert_eq!(wanted(&pages, Some("deploy")).unwrap().file, "plimsoll-deploy.1");
        assert!(wanted(&pages, Some("sample")).is_err());
        assert!(!pages.iter().any(|page| page.text.contains("crash\\-after")), "a hidden option");
    }
}
