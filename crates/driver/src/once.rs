//! A program that is run once as the instances of a service are, in place of the process that asks for it: with their
//! environment, directory and user, and with that process's own terminal.
//!
//! It is no instance: nobody looks after it, and it carries no mark by which what is left of one is found.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use rustix::process::{Gid, Uid, getegid, geteuid, getgroups};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use crate::account::Account;
use crate::program::{self, ProgramFault};

/// As whom a process runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunsAs {
    /// The user's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// The numbers of the other groups.
    pub groups: Vec<u32>,
}

impl RunsAs {
    /// Ours.
    ///
    /// # Errors
    /// When the system does not say which groups we are in.
    pub fn of_this_process() -> io::Result<Self> {
        let groups = getgroups()?.into_iter().map(Gid::as_raw).collect();
        Ok(Self { uid: geteuid().as_raw(), gid: getegid().as_raw(), groups })
    }
}

impl From<&Account> for RunsAs {
    fn from(account: &Account) -> Self {
        Self { uid: account.uid, gid: account.gid, groups: account.groups.clone() }
    }
}

/// What is run.
#[derive(Clone, Debug)]
pub struct Once {
    /// The program and its arguments, as they are.
    pub words: Vec<OsString>,
    /// Where; absolute.
    pub directory: PathBuf,
    /// All of its environment.
    pub environment: Vec<(String, String)>,
    /// As whom.
    pub identity: RunsAs,
}

/// Why it does not run.
#[derive(Debug, thiserror::Error)]
pub enum OnceError {
    /// There is nothing to run.
    #[error("there is no program to run")]
    Empty,
    /// The program cannot be run.
    #[error(transparent)]
    Program(#[from] ProgramFault),
    /// We may not become its user.
    #[error("cannot run as user {uid}: run this as root, or as that user")]
    Identity {
        /// The user's number.
        uid: u32,
        /// Why.
        source: io::Error,
    },
    /// The system would not run it.
    #[error("cannot run {}", program.display())]
    Exec {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Once {
    /// Becomes that program: this process must have one thread. Comes back only where that cannot be.
    pub fn become_it(self) -> OnceError {
        let Self { words, directory, environment, identity } = self;
        let path = environment.iter().find(|(name, _)| name == "PATH");
        let path = path.map(|(_, value)| OsStr::new(value));
        let Some((first, rest)) = words.split_first() else { return OnceError::Empty };
        let program = match program::find(&first.to_string_lossy(), &directory, path) {
            Ok(program) => program,
            Err(fault) => return fault.into(),
        };
        if let Err(source) = identity.enter() {
            return OnceError::Identity { uid: identity.uid, source };
        }
        let mut command = Command::new(&program);
        command.arg0(first).args(rest).env_clear().envs(environment).current_dir(directory);
        OnceError::Exec { program, source: command.exec() }
    }
}

impl RunsAs {
    /// Becomes it, for good; where we are it already nothing is asked of the system.
    fn enter(&self) -> io::Result<()> {
        let ours = Self::of_this_process()?;
        if (ours.uid, ours.gid) == (self.uid, self.gid) && !geteuid().is_root() {
            return Ok(());
        }
        let groups: Vec<_> = self.groups.iter().map(|group| Gid::from_raw(*group)).collect();
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        set_thread_groups(&groups)?;
        set_thread_res_gid(gid, gid, gid)?;
        set_thread_res_uid(uid, uid, uid)?;
        Ok(())
    }
}
