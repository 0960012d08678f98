//! The users of this machine: what a name or a number in the configuration means here.
//!
//! `/etc/passwd` and `/etc/group` are read first; what they do not have (LDAP, sssd, systemd's own
//! users) is asked of `getent`. Nothing here changes as whom this process runs.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use model::Principal;
use rustix::process::geteuid;
use rustix::thread::{CapabilitySet, capabilities};

/// Asks whatever the system is set up to ask.
const GETENT: &str = "/usr/bin/getent";

/// A user of this machine, with all that a process of theirs is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The user's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// The numbers of the other groups that the user is in.
    pub groups: Vec<u32>,
    /// The user's name and home, if it has an entry.
    pub entry: Option<Entry>,
}

/// What is known of a user beside its numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// `$USER` and `$LOGNAME`.
    pub name: String,
    /// `$HOME`.
    pub home: String,
}

/// Why instances cannot run as somebody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountFault {
    /// There is no such user.
    #[error("this machine has no user `{0}`")]
    NoUser(String),
    /// There is no such group.
    #[error("this machine has no group `{0}`")]
    NoGroup(String),
    /// A number that no user has says nothing of a group.
    #[error("no user has the number {0}, so name its group, too: `{0}:GROUP`")]
    GroupUnsaid(u32),
    /// We may not.
    #[error(
        "Plimsoll must run as root to run instances as `{0}`, or have CAP_SETUID, CAP_SETGID and CAP_KILL"
    )]
    NotAllowed(String),
}

/// One line of `/etc/passwd`.
struct User {
    name: String,
    uid: u32,
    gid: u32,
    home: String,
}

/// One line of `/etc/group`.
struct Group {
    name: String,
    gid: u32,
    members: Vec<String>,
}

impl Account {
    /// What `wanted` means on this machine, if instances may run as that.
    ///
    /// # Errors
    /// There is no such user or group, or we may not become it.
    pub fn find(wanted: &model::Account) -> Result<Self, AccountFault> {
        let account = Self::resolve(wanted)?;
        let is_ours = account.uid == geteuid().as_raw() && wanted.group.is_none();
        match is_ours || may_change() {
            true => Ok(account),
            false => Err(AccountFault::NotAllowed(wanted.to_string())),
        }
    }

    fn resolve(wanted: &model::Account) -> Result<Self, AccountFault> {
        let user = user(&wanted.user);
        let uid = match (&user, &wanted.user) {
            (Some(user), _) => user.uid,
            (None, Principal::Id(uid)) => *uid,
            (None, Principal::Name(name)) => return Err(AccountFault::NoUser(name.clone())),
        };
        let gid = match (&wanted.group, &user) {
            (Some(Principal::Id(gid)), _) => *gid,
            (Some(Principal::Name(name)), _) => {
                group(name).ok_or_else(|| AccountFault::NoGroup(name.clone()))?.gid
            }
            (None, Some(user)) => user.gid,
            (None, None) => return Err(AccountFault::GroupUnsaid(uid)),
        };
        let groups = user.as_ref().map(|user| groups_of(&user.name)).unwrap_or_default();
        let groups = groups.into_iter().filter(|other| *other != gid).collect();
        let entry = user.map(|user| Entry { name: user.name, home: user.home });
        Ok(Self { uid, gid, groups, entry })
    }
}

/// Whether this process runs as root, and so its instances unless they are given a user.
pub fn is_root() -> bool {
    geteuid().is_root()
}

fn may_change() -> bool {
    let needed = CapabilitySet::SETUID | CapabilitySet::SETGID | CapabilitySet::KILL;
    capabilities(None).is_ok_and(|sets| sets.effective.contains(needed))
}

fn user(wanted: &Principal) -> Option<User> {
    let is_it = |user: &User| match wanted {
        Principal::Name(name) => user.name == *name,
        Principal::Id(uid) => user.uid == *uid,
    };
    let local = lines("/etc/passwd").iter().filter_map(|line| User::of(line)).find(is_it);
    local.or_else(|| User::of(&ask("passwd", &wanted.to_string())?).filter(is_it))
}

fn group(name: &str) -> Option<Group> {
    let is_it = |group: &Group| group.name == name;
    let local = lines("/etc/group").iter().filter_map(|line| Group::of(line)).find(is_it);
    local.or_else(|| Group::of(&ask("group", name)?).filter(is_it))
}

/// The groups that the user `name` is in beside its own.
fn groups_of(name: &str) -> Vec<u32> {
    if let Some(line) = ask("initgroups", name) {
        return line.split_whitespace().skip(1).filter_map(|gid| gid.parse().ok()).collect();
    }
    let all = lines("/etc/group");
    let groups = all.iter().filter_map(|line| Group::of(line));
    let is_in = |group: &Group| group.members.iter().any(|member| member == name);
    groups.filter(is_in).map(|group| group.gid).collect()
}

fn lines(file: impl AsRef<Path>) -> Vec<String> {
    let text = fs::read(file).unwrap_or_default();
    String::from_utf8_lossy(&text).lines().map(str::to_owned).collect()
}

/// The first line that `getent` has of `key`.
fn ask(database: &str, key: &str) -> Option<String> {
    let mut getent = Command::new(GETENT);
    getent.args([database, key]).env_clear().stdin(Stdio::null()).stderr(Stdio::null());
    let output = getent.output().ok().filter(|output| output.status.success())?;
    String::from_utf8_lossy(&output.stdout).lines().next().map(str::to_owned)
}

impl User {
    /// passwd(5): `name:password:uid:gid:comment:home:shell`.
    fn of(line: &str) -> Option<Self> {
        let fields: Vec<_> = line.split(':').collect();
        let [name, _, uid, gid, _, home, ..] = fields[..] else { return None };
        let (uid, gid) = (uid.parse().ok()?, gid.parse().ok()?);
        Some(Self { name: name.to_owned(), uid, gid, home: home.to_owned() })
    }
}

impl Group {
    /// group(5): `name:password:gid:member,member`.
    fn of(line: &str) -> Option<Self> {
        let fields: Vec<_> = line.split(':').collect();
        let [name, _, gid, members] = fields[..] else { return None };
        let members = members.split(',').filter(|member| !member.is_empty()).map(str::to_owned);
        Some(Self { name: name.to_owned(), gid: gid.parse().ok()?, members: members.collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str) -> Result<Account, AccountFault> {
        Account::resolve(&text.parse().unwrap())
    }

    #[test]
    fn a_user_is_found_by_its_name_and_by_its_number() {
        let root = resolve("root").unwrap();
        assert_eq!((root.uid, root.gid), (0, 0));
        assert_eq!(root.entry, Some(Entry { name: "root".to_owned(), home: "/root".to_owned() }));
        assert_eq!(resolve("0"), Ok(root));
        let other = resolve("root:54321").unwrap();
        assert_eq!((other.uid, other.gid), (0, 54321));
    }

    #[test]
    fn a_number_without_an_entry_needs_its_group() {
        assert_eq!(resolve("4294900001"), Err(AccountFault::GroupUnsaid(4_294_900_001)));
        let number = resolve("4294900001:7").unwrap();
        assert_eq!(number, Account { uid: 4_294_900_001, gid: 7, groups: vec![], entry: None });
    }

    #[test]
    fn who_is_not_there_is_said() {
        let (user, group) = ("no-such-user", "no-such-group");
        assert_eq!(resolve(user), Err(AccountFault::NoUser(user.to_owned())));
        let both = format!("root:{group}");
        assert_eq!(resolve(&both), Err(AccountFault::NoGroup(group.to_owned())));
    }

    #[test]
    fn lines_of_the_system_s_files_are_read() {
        let user = User::of("www-data:x:33:34:www, data:/var/www:/usr/sbin/nologin").unwrap();
        assert_eq!((user.uid, user.gid, user.home.as_str()), (33, 34, "/var/www"));
        let group = Group::of("adm:x:4:syslog,app").unwrap();
        assert_eq!((group.gid, group.members), (4, vec!["syslog".to_owned(), "app".to_owned()]));
        assert!(Group::of("adm:x:4:").unwrap().members.is_empty());
        for line in ["", "#comment", "+::::::", "a:b", "a:x:no:4:c:/:sh"] {
            assert!(User::of(line).is_none() && Group::of(line).is_none(), "{line}");
        }
    }
}
