//! The processes that an instance started, wherever they went.
//!
//! One belongs to an instance if it is in its session, if it wears its [`Tag`], which every descendant
//! inherits, or if it was started with its mark in the environment, as those of an earlier Plimsoll
//! were; and so does each child of one that belongs to it. A daemon that made a session of its own is
//! found, one that was started with a clean environment, as another user, or whose parent is gone.

use std::collections::BTreeMap;
use std::{io, process};

use rustix::process::{Pid, Signal, getpgid, kill_process_group};

use super::apart;
use super::pidfd::Pidfd;
use super::tag::Tag;
use crate::environment::RUN;
use crate::procfs::{self, Stat};
use crate::record::ProcessRecord;

/// An instance's processes besides its first.
#[derive(Clone, Debug)]
pub(super) struct Family {
    leader: u32,
    start_ticks: u64,
    mark: String,
    tag: Tag,
}

/// The session that the first process has led.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Session {
    Ours,
    /// There is none any more, or none that could be told by its number.
    Over,
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
    /// The family of `process`, which has this mark.
    pub(super) fn of(mark: &str, process: &ProcessRecord) -> Self {
        let leader = &process.leader;
        Self {
            leader: leader.pid,
            start_ticks: leader.start_ticks,
            mark: mark.to_owned(),
            tag: Tag::of_mark(mark),
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
        self.running().into_keys().collect()
    }

    fn find(&self) -> io::Result<Vec<Member>> {
        let running = self.running().into_iter().filter(|(pid, _)| *pid != self.leader);
        running.filter_map(|(pid, started)| self.member(pid, started).transpose()).collect()
    }

    /// All of the family, with when they started. (A child whose parent ends while we look is missed
    /// only if it has taken off all that it inherited; who acts on this looks until none is left.)
    fn running(&self) -> BTreeMap<u32, u64> {
        let session = self.session();
        // We may have been started by one of them; what we start is not its.
        let others = procfs::pids().into_iter().filter(|pid| *pid != process::id());
        let stats = others.filter_map(|pid| Some((pid, procfs::stat(pid)?)));
        let stats = stats.filter(|(_, stat)| stat.start_ticks >= self.start_ticks);
        let young: Vec<_> =
            stats.filter(|(pid, stat)| !stat.is_zombie || *pid == self.leader).collect();
        let is_its_own = |(pid, stat): &&(u32, Stat)| self.claims(*pid, stat, session);
        let mut family: BTreeMap<_, _> =
            young.iter().filter(is_its_own).map(|(pid, stat)| (*pid, stat.start_ticks)).collect();
        loop {
            let before = family.len();
            for (pid, stat) in &young {
                if family.contains_key(&stat.parent) {
                    family.insert(*pid, stat.start_ticks);
                }
            }
            if family.len() == before {
                break;
            }
        }
        if young.iter().any(|(pid, stat)| *pid == self.leader && stat.is_zombie) {
            family.remove(&self.leader);
        }
        family
    }

    /// What the first process's number stands for: where it is another's now, the session is over, for the system
    /// gives it out again only when no session has it any more.
    fn session(&self) -> Session {
        match procfs::stat(self.leader) {
            Some(stat) if stat.start_ticks != self.start_ticks => Session::Over,
            // Nobody leads session 0: the system's own threads are in it, and what came into our PID
            // namespace from outside.
            _ if self.leader == 0 => Session::Over,
            _ => Session::Ours,
        }
    }

    fn member(&self, number: u32, started: u64) -> io::Result<Option<Member>> {
        let Some(pidfd) = Pidfd::open(number)? else { return Ok(None) };
        // Looked at again now that the pidfd holds: before, the number may have been another's.
        if procfs::stat(number).is_none_or(|stat| stat.start_ticks != started) {
            return Ok(None);
        }
        let group = getpgid(pid(number)).ok();
        Ok(Some(Member { pid: number, pidfd, is_in_group: group == pid(self.leader) }))
    }

    /// Whether the process `number` says itself that it is one of the family.
    fn claims(&self, number: u32, stat: &Stat, session: Session) -> bool {
        let is_in_session = session == Session::Ours && stat.session == self.leader;
        is_in_session || self.tag.is_worn_by(number) || procfs::was_given(number, RUN, &self.mark)
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
        let family = Family {
            leader: 0,
            start_ticks: 0,
            mark: "nobody's".into(),
            tag: Tag::of_mark("nobody's"),
        };
        assert_eq!(family.pids(), Vec::<u32>::new());
    }
}
