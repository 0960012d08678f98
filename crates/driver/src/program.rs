//! Finding the program of a command, as the system will when it runs it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};

/// Where is looked if the environment has no `PATH`.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The longest first line of a script that the system reads.
const INTERPRETER_LINE: u64 = 256;

/// Why a program cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum ProgramFault {
    /// No directory of `PATH` has it.
    #[error(
        "no directory of PATH ({}) has the program `{program}`{}",
        brief(path),
        suggest::instead(near)
    )]
    NotInPath {
        /// The program.
        program: String,
        /// Where was looked.
        path: String,
        /// What may have been meant.
        near: Vec<String>,
    },
    /// There is no such file.
    #[error("there is no program {}{}", program.display(), suggest::instead(near))]
    Missing {
        /// The program.
        program: PathBuf,
        /// What may have been meant.
        near: Vec<String>,
    },
    /// It is a directory, or something else that is no file.
    #[error("{} is not a file", program.display())]
    NotAFile {
        /// The program.
        program: PathBuf,
    },
    /// We may not run it.
    #[error("{} is not executable for this user; `chmod +x` makes it so", program.display())]
    NotExecutable {
        /// The program.
        program: PathBuf,
    },
    /// A script's first line names a program that cannot be run.
    #[error("the first line of {} asks for `{interpreter}`, which cannot be run", script.display())]
    Interpreter {
        /// The script.
        script: PathBuf,
        /// What it asks for.
        interpreter: String,
    },
    /// It cannot be looked at.
    #[error("cannot look at {}", program.display())]
    Unreadable {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A search path for a line of text: its first directories, and how many there are beside.
fn brief(path: &str) -> String {
    const TOLD: usize = 4;
    let all: Vec<&str> = path.split(':').collect();
    match all.len() > TOLD + 1 {
        true => format!("{}:... and {} more", all[..TOLD].join(":"), all.len() - TOLD),
        false => path.to_owned(),
    }
}

/// The file that is run as `program` from within `directory`, `path` being the `PATH` of the
/// environment in which it runs.
///
/// # Errors
///
/// There is none, or it cannot be run.
pub fn find(
    program: &str,
    directory: &Path,
    path: Option<&OsStr>,
) -> Result<PathBuf, ProgramFault> {
    if program.contains('/') {
        let file = directory.join(program);
        return check(&file).map(|()| file);
    }
    let path = path.filter(|path| !path.is_empty()).unwrap_or(OsStr::new(PATH));
    let files = || std::env::split_paths(path).map(|part| directory.join(part).join(program));
    if let Some(file) = files().find(|file| check(file).is_ok()) {
        return Ok(file);
    }
    match files().find(|file| file.is_file()) {
        Some(file) => check(&file).map(|()| file),
        None => Err(ProgramFault::NotInPath {
            program: program.to_owned(),
            path: path.to_string_lossy().into_owned(),
            near: alike(program, std::env::split_paths(path).map(|part| directory.join(part))),
        }),
    }
}

fn check(program: &Path) -> Result<(), ProgramFault> {
    let owned = || program.to_owned();
    let metadata = fs::metadata(program).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            let name = program.file_name().unwrap_or_default().to_string_lossy();
            let near = alike(&name, program.parent().map(Path::to_owned).into_iter());
            ProgramFault::Missing { program: owned(), near }
        }
        _ => ProgramFault::Unreadable { program: owned(), source },
    })?;
    if !metadata.is_file() {
        return Err(ProgramFault::NotAFile { program: owned() });
    }
    if accessat(CWD, program, Access::EXEC_OK, AtFlags::EACCESS).is_err() {
        return Err(ProgramFault::NotExecutable { program: owned() });
    }
    match interpreter(program) {
        Some(asked) if !Path::new(&asked).is_file() => {
            Err(ProgramFault::Interpreter { script: owned(), interpreter: asked })
        }
        _ => Ok(()),
    }
}

/// What the first line of a script asks for. A file that cannot be read may still be run.
fn interpreter(script: &Path) -> Option<String> {
    let mut head = Vec::new();
    File::open(script).ok()?.take(INTERPRETER_LINE).read_to_end(&mut head).ok()?;
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let line = String::from_utf8_lossy(line);
    let asked = line.trim_start_matches([' ', '\t']).split([' ', '\t']).next()?;
    // A relative one is looked for from the directory of the process; nobody means that.
    asked.starts_with('/').then(|| asked.escape_debug().to_string())
}

fn alike(program: &str, directories: impl Iterator<Item = PathBuf>) -> Vec<String> {
    let names: Vec<String> = directories
        .filter_map(|directory| fs::read_dir(directory).ok())
        .flat_map(Iterator::flatten)
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    suggest::near(program, names.iter().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn room() -> tempfile::TempDir {
        let room = tempfile::tempdir().unwrap();
        for (name, text, mode) in [
            ("serve", "#!/bin/sh\n", 0o755),
            ("plain", "#!/bin/sh\n", 0o644),
            ("dos", "#!/bin/sh\r\n", 0o755),
            ("lost", "#! /no/such/python -u\n", 0o755),
        ] {
            let file = room.path().join(name);
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        }
        room
    }

    fn told(program: &str, room: &Path, path: Option<&str>) -> String {
        find(program, room, path.map(OsStr::new)).unwrap_err().to_string()
    }

    #[test]
    fn a_long_search_path_is_told_by_its_beginning() {
        assert_eq!(brief("/a:/b"), "/a:/b");
        assert_eq!(brief("/a:/b:/c:/d:/e"), "/a:/b:/c:/d:/e");
        assert_eq!(brief("/a:/b:/c:/d:/e:/f"), "/a:/b:/c:/d:... and 2 more");
    }

    #[test]
    fn a_program_is_found_in_its_directory_or_in_the_path() {
        let room = room();
        let file = room.path().join("serve");
        assert_eq!(find("./serve", room.path(), None).unwrap(), room.path().join("./serve"));
        assert_eq!(find(file.to_str().unwrap(), Path::new("/"), None).unwrap(), file);
        let path = format!("/no/such:{}", room.path().display());
        assert_eq!(find("serve", Path::new("/"), Some(OsStr::new(&path))).unwrap(), file);
        assert!(find("sh", Path::new("/"), None).is_ok());
    }

    #[test]
    fn each_reason_why_it_cannot_run_is_told() {
        let room = room();
        let path = room.path().to_str();
        assert!(told("./serv", room.path(), None).ends_with("; there is `serve`"));
        assert!(told("serv", room.path(), path).ends_with("`serv`; there is `serve`"));
        assert!(told("./plain", room.path(), None).contains("chmod +x"));
        assert!(told("plain", room.path(), path).contains("chmod +x"));
        assert!(told("./", room.path(), None).ends_with("is not a file"));
        assert!(told("./dos", room.path(), None).contains(r"`/bin/sh\r`"));
        assert!(told("./lost", room.path(), None).contains("`/no/such/python`"));
        assert!(told("./serve/x", room.path(), None).contains("there is no program"));
    }
}
