//! The processes that an instance started, wherever they went.
//!
//! One belongs to an instance if it is in its session, or if it was started with its mark in the
//! environment, which every descendant inherits: a daemon that made a session of its own is found
//! by that. (Jenkins' process tree killer finds its builds' the same way.)

use std::{io, process};

use rustix::process::{Pid, Signal, getpgid, kill_process_group};

use super::apart;
use super::pidfd::Pidfd;
use crate::environment::RUN;
use crate::procfs;
use crate::record::Record;

/// An instance's processes besides its first.
#[derive(Clone, Debug)]
pub(super) struct Family {
    leader: u32,
    start_ticks: u64,
    mark: String,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Member {
    /// Its number.
    pub(super) pid: u32,
    /// What its end and signals to it go by.
    pub(super) pidfd: Pidfd,
    /// It is in the instance's process group.
    pub(super) is_in_group: bool,
}

impl Family {
    /// The family of what `record` remembers.
    pub(super) fn of(record: &Record) -> Self {
        Self {
            leader: record.process.pid,
            start_ticks: record.process.start_ticks,
            mark: record.run.clone(),
        }
    }

    /// All who still run, without the first process.
    ///
    /// # Errors
    ///
    /// The system does not let us hold one of them.
    pub(super) async fn others(&self) -> io::Result<Vec<Member>> {
        let family = self.clone();
        apart(move || family.find()).await?
    }

    /// Sends `signal` to the process group. Only while the first process is known not to have been
    /// reaped: until then nobody else can have its number.
    pub(super) fn signal_group(&self, signal: Signal) {
        if let Some(leader) = pid(self.leader) {
            // It fails only if nobody is left to hear it.
            let _ = kill_process_group(leader, signal);
        }
    }

    /// The number of the first process, which is another's once that was reaped.
    pub(super) fn leader(&self) -> u32 {
        self.leader
    }

    /// Whether the first process is still there, run or unreaped.
    pub(super) fn has_leader(&self) -> bool {
        procfs::stat(self.leader).is_some_and(|stat| stat.start_ticks == self.start_ticks)
    }

    /// The numbers of all of them and of the first process, as of now.
    pub(super) fn pids(&self) -> Vec<u32> {
        let session_is_over = self.session_is_over();
        let is_one = |pid: &u32| self.start_of(*pid, session_is_over).is_some();
        procfs::pids().into_iter().filter(is_one).collect()
    }

    fn find(&self) -> io::Result<Vec<Member>> {
        let session_is_over = self.session_is_over();
        let is_other = |pid: &u32| *pid != self.leader && *pid != process::id();
        let pids = procfs::pids().into_iter().filter(is_other);
        pids.filter_map(|pid| self.member(pid, session_is_over).transpose()).collect()
    }

    /// Whether the first process's number is another's now: the system gives it out again only
    /// when no session has it any more.
    fn session_is_over(&self) -> bool {
        procfs::stat(self.leader).is_some_and(|stat| stat.start_ticks != self.start_ticks)
    }

    fn member(&self, number: u32, session_is_over: bool) -> io::Result<Option<Member>> {
        let Some(started) = self.start_of(number, session_is_over) else { return Ok(None) };
        let Some(pidfd) = Pidfd::open(number)? else { return Ok(None) };
        // Looked at again now that the pidfd holds: before, the number may have been another's.
        if procfs::stat(number).is_none_or(|stat| stat.start_ticks != started) {
            return Ok(None);
        }
        let group = getpgid(pid(number)).ok();
        Ok(Some(Member { pid: number, pidfd, is_in_group: group == pid(self.leader) }))
    }

    /// When the process `number` started, if it is one of the family.
    fn start_of(&self, number: u32, session_is_over: bool) -> Option<u64> {
        let stat = procfs::stat(number).filter(|stat| !stat.is_zombie)?;
        let is_younger = stat.start_ticks >= self.start_ticks;
        // Nobody leads session 0: the system's own threads are in it, and whoever came into our
        // PID namespace from outside.
        let has_session = self.leader != 0 && !session_is_over;
        let is_in_session = has_session && stat.session == self.leader;
        let is_marked = || procfs::was_given(number, RUN, &self.mark);
        (is_younger && (is_in_session || is_marked())).then_some(stat.start_ticks)
    }
}

fn pid(number: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(number).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_without_a_number_has_none_of_those_whose_session_has_none() {
        let family = Family { leader: 0, start_ticks: 0, mark: "nobody's".into() };
        assert_eq!(family.pids(), Vec::<u32>::new());
    }
}
