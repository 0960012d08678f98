//! Who has a port that somebody else wants: for a message that names it.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::sockets;
use crate::procfs;

/// What the system calls this program.
const PLIMSOLL: &str = "plimsoll";

/// A program that listens on a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its process.
    pub pid: u32,
    /// What the system calls it.
    pub program: String,
    /// The configuration that it serves, if it is a Plimsoll and that can be told.
    pub file: Option<PathBuf>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "already listened on by {}, pid {}", self.program, self.pid)?;
        match &self.file {
            Some(file) => write!(f, " ({})", file.display()),
            None => Ok(()),
        }
    }
}

impl Holder {
    /// Who listens on `port`, on whichever address, as far as we may see. A Plimsoll lets nobody but root
    /// look into it; where nobody else can be it, and one Plimsoll runs beside us, it is that.
    pub fn of(port: u16) -> Option<Self> {
        let all = sockets::listening().ok()?;
        let there = all.iter().filter(|it| it.address.port() == port);
        let listening: BTreeSet<u64> = there.map(|it| it.inode).collect();
        if listening.is_empty() {
            return None;
        }
        let mut shut = Vec::new();
        for pid in procfs::pids().into_iter().filter(|pid| *pid != std::process::id()) {
            match procfs::sockets(pid) {
                Ok(sockets) if sockets.iter().any(|socket| listening.contains(socket)) => {
                    return Self::new(pid);
                }
                Ok(_) => {}
                Err(_) => shut.push(pid),
            }
        }
        let runs = |pid: &u32| arguments(*pid).get(1).is_some_and(|command| command == "run");
        let plimsolls = shut.into_iter().filter(runs).filter_map(Self::new);
        let mut plimsolls = plimsolls.filter(|holder| holder.program == PLIMSOLL);
        plimsolls.next().filter(|_| plimsolls.next().is_none())
    }

    fn new(pid: u32) -> Option<Self> {
        let program = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        // It may be anything, and is printed.
        let program: String = program.trim_end().escape_debug().collect();
        let file = (program == PLIMSOLL).then(|| file_of(pid)).flatten();
        Some(Self { pid, program, file })
    }
}

/// The configuration that a Plimsoll was told to serve; absolute where that can be seen.
fn file_of(pid: u32) -> Option<PathBuf> {
    let file = file_in(&arguments(pid));
    match fs::read_link(format!("/proc/{pid}/cwd")) {
        Ok(directory) => {
            let file = directory.join(file.as_deref().unwrap_or("plimsoll.toml"));
            file.exists().then_some(file)
        }
        Err(_) => file.map(|file| Path::new(&file).to_owned()),
    }
}

fn file_in(arguments: &[String]) -> Option<String> {
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        if word == "-c" || word == "--config" {
            return words.next().cloned();
        }
        let joined = word.strip_prefix("--config=").or(word.strip_prefix("-c"));
        if let Some(file) = joined.filter(|file| !file.is_empty() && !file.starts_with('-')) {
            return Some(file.trim_start_matches('=').to_owned());
        }
    }
    None
}

fn arguments(pid: u32) -> Vec<String> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = line.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    words.map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_nobody_has_has_no_holder() {
        let port = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port()
        };
        assert_eq!(Holder::of(port), None);
    }

    #[test]
    fn the_file_is_found_on_the_command_line() {
        for (line, file) in [
            ("plimsoll run -c a.toml", Some("a.toml")),
            ("plimsoll run --config=/b.toml --leave", Some("/b.toml")),
            ("plimsoll run --config b.toml", Some("b.toml")),
            ("plimsoll run -cb.toml", Some("b.toml")),
            ("plimsoll run --leave", None),
            ("plimsoll run --crash-after 3", None),
        ] {
            let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
            assert_eq!(file_in(&words).as_deref(), file, "{line}");
        }
    }

    #[test]
    fn a_holder_is_told_in_one_line() {
        let file = Some(PathBuf::from("/srv/one/plimsoll.toml"));
        let holder = Holder { pid: 7, program: "plimsoll".into(), file };
        assert_eq!(
            holder.to_string(),
            "already listened on by plimsoll, pid 7 (/srv/one/plimsoll.toml)"
        );
        let other = Holder { pid: 8, program: "nginx".into(), file: None };
        assert_eq!(other.to_string(), "already listened on by nginx, pid 8");
    }
}
