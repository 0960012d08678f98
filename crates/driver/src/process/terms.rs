//! What the launcher sees to before it becomes an instance's program: as whom it runs, and that it
//! gets what Plimsoll was started with, not what Plimsoll made of that for itself.
//!
//! They are handed over as one argument of the launcher, as text: `key=value`, separated by spaces.

use std::fs;
use std::io;

use rustix::fs::Mode;
use rustix::process::{Gid, Resource, Rlimit, Uid, getrlimit, setrlimit, umask};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, set_capabilities,
    set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

use super::descriptors;
use super::tag::Tag;
use crate::account::Account;

/// What this process was started with, of what a server changes for itself and its instances are to
/// have as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Started {
    /// What no new file may be for others.
    umask: u32,
    /// The soft limit of open files; `None` is no limit.
    open_files: Option<u64>,
}

impl Started {
    /// To be asked before anything of it is changed.
    pub fn of_this_process() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
        let known = line.and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok());
        let open_files = getrlimit(Resource::Nofile).current;
        Self { umask: known.unwrap_or(UMASK), open_files }
    }
}

/// What every system sets, where the kernel is too old to say.
const UMASK: u32 = 0o022;

/// What one instance is started under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) started: Started,
    /// What its processes are known by.
    pub(super) tag: Tag,
    pub(super) identity: Option<Credentials>,
}

/// The numbers of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) groups: Vec<u32>,
}

impl From<&Account> for Credentials {
    fn from(account: &Account) -> Self {
        Self { uid: account.uid, gid: account.gid, groups: account.groups.clone() }
    }
}

impl Terms {
    /// As the launcher's argument.
    pub(super) fn to_text(&self) -> String {
        let Self { started: Started { umask, open_files }, tag, identity } = self;
        let mut text = format!("tag={} umask={umask:o}", tag.number());
        if let Some(limit) = open_files {
            text.push_str(&format!(" files={limit}"));
        }
        if let Some(Credentials { uid, gid, groups }) = identity {
            let groups: Vec<_> = groups.iter().map(u32::to_string).collect();
            text.push_str(&format!(" uid={uid} gid={gid} groups={}", groups.join(",")));
        }
        text
    }

    /// What [`Self::to_text`] wrote.
    pub(super) fn of_text(text: &str) -> Option<Self> {
        let value = |key: &str| value_in(text, key);
        let number = |key: &str| value(key).map(str::parse::<u64>);
        let id = |key: &str| value(key)?.parse::<u32>().ok();
        let identity = match value("uid") {
            None => None,
            Some(_) => {
                let groups = value("groups")?.split(',').filter(|group| !group.is_empty());
                let groups: Result<_, _> = groups.map(str::parse).collect();
                Some(Credentials { uid: id("uid")?, gid: id("gid")?, groups: groups.ok()? })
            }
        };
        Some(Self {
            started: Started {
                umask: u32::from_str_radix(value("umask")?, 8).ok()?,
                open_files: number("files").transpose().ok()?,
            },
            tag: Tag::of_number(number("tag")?.ok()?),
            identity,
        })
    }

    /// Puts all of it into effect in this process, which must have one thread. The identity comes
    /// last: what is before may need the rights that it gives up.
    ///
    /// # Errors
    /// When the system does not let us become another. Without that nothing may be run.
    pub(super) fn enter(&self) -> io::Result<()> {
        descriptors::close_on_exec()?;
        umask(Mode::from_raw_mode(self.started.umask));
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        // The hard limit was not touched, so this is no more than that.
        setrlimit(Resource::Nofile, Rlimit { current: self.started.open_files, maximum })?;
        give_up_capabilities()?;
        if let Some(Credentials { uid, gid, groups }) = &self.identity {
            let groups: Vec<_> = groups.iter().map(|group| Gid::from_raw(*group)).collect();
            let (uid, gid) = (Uid::from_raw(*uid), Gid::from_raw(*gid));
            set_thread_groups(&groups)?;
            set_thread_res_gid(gid, gid, gid)?;
            set_thread_res_uid(uid, uid, uid)?;
        }
        Ok(())
    }
}

fn value_in<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.split(' ').find_map(|part| part.strip_prefix(key)?.strip_prefix('='))
}

/// What Plimsoll was lent, such as the right to ports below 1024, is not its instances'. (Root's
/// rights are not lent: a program that runs as root has them whatever is set here.)
fn give_up_capabilities() -> io::Result<()> {
    match clear_ambient_capability_set() {
        // A kernel before 4.3 has none to clear.
        Ok(()) | Err(rustix::io::Errno::INVAL) => {}
        Err(error) => return Err(error.into()),
    }
    let sets = capabilities(None)?;
    set_capabilities(None, CapabilitySets { inheritable: CapabilitySet::empty(), ..sets })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_handed_over_is_read_as_it_was_meant() {
        let identity = Credentials { uid: 1000, gid: 33, groups: vec![4, 27] };
        for identity in
            [None, Some(Credentials { groups: Vec::new(), ..identity.clone() }), Some(identity)]
        {
            for open_files in [None, Some(1024)] {
                let started = Started { umask: 0o027, open_files };
                let terms = Terms { started, tag: Tag::of_number(7), identity: identity.clone() };
                assert_eq!(Terms::of_text(&terms.to_text()), Some(terms));
            }
        }
    }

    #[test]
    fn half_an_identity_is_none() {
        for text in [
            "",
            "tag=1",
            "tag=1 umask=22 uid=5",
            "tag=1 umask=22 uid=5 gid=x groups=",
            "tag=1 umask=22 uid=5 gid=6",
            "tag=x umask=22",
            "tag=1 umask=9",
        ] {
            assert_eq!(Terms::of_text(text), None, "{text}");
        }
    }

    #[test]
    fn what_this_process_was_started_with_is_known() {
        let started = Started::of_this_process();
        assert_eq!(started.open_files, getrlimit(Resource::Nofile).current);
        assert!(started.umask < 0o1000);
    }
}
