//! `plimsoll fmt`: configurations in one layout.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use config::{Environment, LoadError, Origin};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::options::Which;
use crate::{output, regular_file, whole_file};

/// The name of standard input.
const STANDARD_INPUT: &str = "-";

/// One byte more than what is laid out, so that what is larger is known as such.
const BYTES_MAX: u64 = (64 << 20) + 1;

/// Lay out a configuration in one way
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Changes files in place, and never what they mean: comments stay, and what stands in quotes is not
touched. A file that is not TOML stays as it is. With - it writes standard input to standard output.

Examples:
  plimsoll fmt
  plimsoll fmt plimsoll.toml routes/*.toml
  plimsoll fmt --check || echo 'run plimsoll fmt'")]
pub(crate) struct Options {
    /// Files to lay out, or - [default: the configuration]
    #[arg(value_name = "FILE", conflicts_with = "file")]
    named: Vec<PathBuf>,
    /// Change nothing; exit with 1 if a file is not laid out
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    pub(crate) which: Which,
}

/// Whether files are only looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    Yes,
    No,
}

/// What came of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Same,
    Different,
}

pub(crate) fn run(options: Options) -> Result<Exit, Failure> {
    let Options { named, check, which } = options;
    let check = if check { Check::Yes } else { Check::No };
    let files = if named.is_empty() { vec![which.file()?] } else { named };
    let mut exit = Exit::Done;
    let mut failed = None;
    for file in files {
        let outcome = match file.as_os_str() == STANDARD_INPUT {
            true => standard_input(check),
            false => in_place(&file, check),
        };
        match outcome {
            Ok(Outcome::Different) if check == Check::Yes => exit = Exit::Failed,
            Ok(_) => {}
            // Those behind it are laid out all the same; the last failure is told where all others are.
            Err(failure) => {
                if let Some(earlier) = failed.replace(failure) {
                    earlier.report();
                }
            }
        }
    }
    failed.map_or(Ok(exit), Err)
}

fn standard_input(check: Check) -> Result<Outcome, Failure> {
    let mut text = String::new();
    let read = io::stdin().lock().take(BYTES_MAX).read_to_string(&mut text);
    read.map_err(|source| Failure::System { what: "read standard input", source })?;
    let laid_out = laid_out(&text, Path::new("standard input"))?;
    if check == Check::No {
        output::out(&laid_out);
    }
    Ok(Outcome::of(&text, &laid_out))
}

fn in_place(file: &Path, check: Check) -> Result<Outcome, Failure> {
    let unreadable = |source| Failure::Load(LoadError::Read { path: file.to_owned(), source });
    let mut text = String::new();
    let opened = regular_file::open(file).map_err(unreadable)?;
    opened.take(BYTES_MAX).read_to_string(&mut text).map_err(unreadable)?;
    let laid_out = laid_out(&text, file)?;
    let outcome = Outcome::of(&text, &laid_out);
    match (outcome, check) {
        (Outcome::Same, _) => {}
        (Outcome::Different, Check::Yes) => {
            output::out(&format!("{} is not laid out\n", file.display()));
        }
        (Outcome::Different, Check::No) => {
            let written = whole_file::replace(file, laid_out.as_bytes());
            written.map_err(|source| Failure::Write { path: file.to_owned(), source })?;
            output::out(&format!("{} is laid out\n", file.display()));
        }
    }
    Ok(outcome)
}

fn laid_out(text: &str, file: &Path) -> Result<String, Failure> {
    let origin = Origin {
        name: file.display().to_string(),
        dir: file.parent().unwrap_or(Path::new("")).to_owned(),
        environment: Environment::of_process(),
    };
    config::format(text, &origin).map_err(Failure::Format)
}

impl Outcome {
    fn of(text: &str, laid_out: &str) -> Self {
        if text == laid_out { Self::Same } else { Self::Different }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_that_is_laid_out_keeps_its_rights_and_a_link_stays_one() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("a.toml"), dir.path().join("link.toml"));
        fs::write(&file, "a=1\n").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("a.toml", &link).unwrap();
        assert_eq!(in_place(&link, Check::Yes).unwrap(), Outcome::Different);
        assert_eq!(fs::read_to_string(&file).unwrap(), "a=1\n");
        assert_eq!(in_place(&link, Check::No).unwrap(), Outcome::Different);
        assert_eq!(fs::read_to_string(&file).unwrap(), "a = 1\n");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(in_place(&link, Check::No).unwrap(), Outcome::Same);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn files_of_others_stay_and_a_name_may_be_long() {
        let dir = tempfile::tempdir().unwrap();
        let name = format!("{}.toml", "a".repeat(250));
        let file = dir.path().join(&name);
        fs::write(&file, "a=1\n").unwrap();
        let other = dir.path().join(format!(".a.toml.{}", std::process::id()));
        fs::write(&other, "mine").unwrap();
        assert_eq!(in_place(&file, Check::No).unwrap(), Outcome::Different);
        assert_eq!(fs::read_to_string(&other).unwrap(), "mine");
        fs::hard_link(&file, dir.path().join("b.toml")).unwrap();
        fs::write(&file, "a=2\n").unwrap();
        assert!(matches!(in_place(&file, Check::No), Err(Failure::Write { .. })));
        assert_eq!(fs::read_to_string(dir.path().join("b.toml")).unwrap(), "a=2\n");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
    }

    #[test]
    fn what_cannot_be_laid_out_keeps_nothing_else_from_being_so() {
        let dir = tempfile::tempdir().unwrap();
        let paths = ["a.toml", "none.toml", "b.toml", "c.toml"].map(|name| dir.path().join(name));
        fs::write(&paths[0], "a=\n").unwrap();
        fs::write(&paths[2], "b=1\n").unwrap();
        fs::write(&paths[3], "c=1\n").unwrap();
        let which = Which { file: None };
        let options = Options { named: paths.to_vec(), check: false, which };
        assert!(run(options).is_err());
        let texts = [2, 3].map(|at: usize| fs::read_to_string(&paths[at]).unwrap());
        assert_eq!(texts, ["b = 1\n", "c = 1\n"]);
    }

    #[test]
    fn a_file_that_is_no_toml_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.toml");
        fs::write(&file, "a=\n").unwrap();
        assert!(matches!(in_place(&file, Check::No), Err(Failure::Format(_))));
        assert_eq!(fs::read_to_string(&file).unwrap(), "a=\n");
    }
}
