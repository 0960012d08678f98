//! What an instance finds in its environment, and from where it comes.
//!
//! Values may be secrets: nothing here prints one, neither in `Debug` nor in an error.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStringExt;

use model::Secret;

use crate::account::{Account, Entry};
use crate::command::Facts;
use crate::env_file::EnvFile;

/// The variable that marks an instance and all its descendants, wherever they went: a process that
/// left the session is still found by it.
pub const RUN: &str = "PLIMSOLL_RUN";

/// What is meant for Plimsoll from its own service manager, and would mislead an instance.
const OURS: [&str; 9] = [
    "CREDENTIALS_DIRECTORY",
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
];

/// Names and values. Its `Debug` shows the names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<OsString, OsString>);

/// Where an instance's environment comes from; the later wins.
#[derive(Debug, Default)]
pub struct Sources<'a> {
    /// 1. What Plimsoll itself was given, or nothing.
    pub given: Environment,
    /// What is passed on of it: names, and beginnings of names followed by `*`.
    pub inherit: &'a [String],
    /// Names that no beginning passes on: the secrets of other services, our own tokens.
    pub withheld: BTreeSet<String>,
    /// Names that are passed on besides: the service's own `secrets`.
    pub secrets: &'a [String],
    /// Where those are found that we were not given.
    pub sealed: Option<&'a BTreeMap<String, Secret>>,
    /// 2. As whom it runs, if not as we do: its home and its name.
    pub account: Option<&'a Account>,
    /// 3. The service's `env_file`.
    pub file: Option<&'a EnvFile>,
    /// 4. The service's `env`.
    pub env: BTreeMap<String, Value>,
}

/// Whether `name` is passed on. What is meant for us, or for others, is so only if it was named in full.
fn is_inherited(name: &str, inherit: &[String], withheld: &BTreeSet<String>) -> bool {
    let is_kept = OURS.contains(&name) || name.starts_with("PLIMSOLL_") || withheld.contains(name);
    inherit.iter().any(|wanted| match wanted.strip_suffix('*') {
        Some(beginning) => !is_kept && name.starts_with(beginning),
        None => wanted == name,
    })
}

/// A value that is not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Value(pub String);

impl Environment {
    /// What this process was given.
    pub fn of_this_process() -> Self {
        Self(std::env::vars_os().collect())
    }

    /// This, with what is `sealed` where it has nothing, or a blank.
    #[must_use]
    pub fn with_sealed(mut self, sealed: &BTreeMap<String, Secret>) -> Self {
        sealed.iter().for_each(|(name, secret)| self.add_sealed(name, secret));
        self
    }

    fn add_sealed(&mut self, name: &str, secret: &Secret) {
        if self.get(name).is_none_or(OsStr::is_empty) {
            self.set(name, OsString::from_vec(secret.expose().to_vec()));
        }
    }

    /// Puts the sources together.
    pub fn compose(sources: Sources<'_>) -> Self {
        let Sources { given, inherit, withheld, secrets, sealed, account, file, env } = sources;
        let mut made = Self(given.0);
        made.0.retain(|name, _| {
            name.to_str().is_some_and(|name| {
                secrets.iter().any(|secret| secret == name)
                    || is_inherited(name, inherit, &withheld)
            })
        });
        let named = |(name, _): &(&String, &Secret)| secrets.contains(name);
        for (name, secret) in sealed.into_iter().flatten().filter(named) {
            made.add_sealed(name, secret);
        }
        if let Some(Entry { name, home }) = account.and_then(|account| account.entry.as_ref()) {
            made.set("HOME", home);
            made.set("USER", name);
            made.set("LOGNAME", name);
        } else if account.is_some() {
            // Ours would be somebody else's.
            made.set("HOME", "/");
        }
        for (name, value) in file.into_iter().flat_map(EnvFile::entries) {
            made.set(name, &value.0);
        }
        for (name, value) in env {
            made.set(name, value.0);
        }
        made
    }

    /// The value of `name`.
    pub fn get(&self, name: impl AsRef<OsStr>) -> Option<&OsStr> {
        self.0.get(name.as_ref()).map(OsString::as_os_str)
    }

    /// Gives `name` this value.
    pub fn set(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) {
        self.0.insert(name.into(), value.into());
    }

    /// Takes a variable out.
    pub fn unset(&mut self, name: &str) {
        self.0.remove(OsStr::new(name));
    }

    /// The names that can be written as text, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().filter_map(|name| name.to_str())
    }

    /// Whether `name` is set to more than white space.
    pub fn says(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| !value.to_string_lossy().trim().is_empty())
    }

    /// Names and values, for the instance that is started and nobody else.
    pub fn pairs(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// Names and values that can be written as text, for a program that another process starts with them.
    pub fn texts(&self) -> impl Iterator<Item = (String, String)> {
        self.0.iter().filter_map(|(name, value)| {
            Some((name.to_str()?.to_owned(), value.to_str()?.to_owned()))
        })
    }

    /// Adds what the driver alone knows. Nothing that was configured can hide it.
    #[must_use]
    pub fn with(mut self, facts: Facts<'_>, run: &str) -> Self {
        self.set("PORT", facts.port.to_string());
        self.set("VERSION", facts.version);
        self.set("INSTANCE", facts.instance);
        self.set("SERVICE", facts.service);
        self.set(RUN, run);
        self
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl<N: Into<OsString>, V: Into<OsString>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIVEN: [(&str, &str); 8] = [
        ("PATH", "/bin"),
        ("SMS", "ours"),
        ("PAY", "theirs"),
        ("A", "1"),
        ("LC_ALL", "C"),
        ("HOME", "/root"),
        ("PLIMSOLL_TOKEN", "our own"),
        ("CREDENTIALS_DIRECTORY", "our own"),
    ];

    /// All that may be inherited is.
    fn sources(secrets: &[String]) -> Sources<'_> {
        Sources {
            given: GIVEN.into_iter().collect(),
            inherit: ALL.get_or_init(|| vec!["*".to_owned()]),
            withheld: ["SMS", "PAY"].map(str::to_owned).into(),
            secrets,
            ..Sources::default()
        }
    }

    static ALL: std::sync::OnceLock<Vec<String>> = std::sync::OnceLock::new();

    #[test]
    fn a_sealed_secret_is_for_the_service_that_names_it_and_goes_behind_our_own_environment() {
        let sealed = [("KEY", "sealed"), ("MINE", "sealed"), ("OTHERS", "sealed")];
        let sealed = sealed.map(|(name, value)| (name.to_owned(), Secret::new(value.as_bytes())));
        let (sealed, secrets) = (sealed.into(), ["KEY".to_owned(), "MINE".to_owned()]);
        let inherit = ["*".to_owned()];
        let given = [("MINE", "ours"), ("BLANK", "")].into_iter().collect();
        let sealed = Some(&sealed);
        let sources =
            Sources { given, inherit: &inherit, secrets: &secrets, sealed, ..Sources::default() };
        let made = Environment::compose(sources);
        assert_eq!(made.get("KEY").unwrap(), "sealed");
        assert_eq!(made.get("MINE").unwrap(), "ours");
        assert_eq!(made.get("OTHERS"), None);
    }

    #[test]
    fn only_what_is_named_is_inherited() {
        let inherit = ["PATH", "LC_*", "PAY", "NONE"].map(str::to_owned);
        let made = Environment::compose(Sources { inherit: &inherit, ..sources(&[]) });
        assert_eq!(made.names().collect::<Vec<_>>(), ["LC_ALL", "PATH", "PAY"]);
        let nothing = Environment::compose(Sources { inherit: &[], ..sources(&[]) });
        assert_eq!(nothing.names().count(), 0);
    }

    #[test]
    fn what_is_ours_or_another_s_is_inherited_only_by_its_whole_name() {
        let all = Environment::compose(sources(&[]));
        assert_eq!(all.names().collect::<Vec<_>>(), ["A", "HOME", "LC_ALL", "PATH"]);
        let inherit = ["CRED*", "PLIMSOLL_*", "S*", "PLIMSOLL_TOKEN"].map(str::to_owned);
        let made = Environment::compose(Sources { inherit: &inherit, ..sources(&[]) });
        assert_eq!(made.names().collect::<Vec<_>>(), ["PLIMSOLL_TOKEN"]);
    }

    #[test]
    fn one_who_runs_as_another_user_is_at_home_there() {
        let entry = Entry { name: "app".to_owned(), home: "/srv/app".to_owned() };
        let account = Account { uid: 7, gid: 7, groups: vec![], entry: Some(entry) };
        let made = Environment::compose(Sources { account: Some(&account), ..sources(&[]) });
        let of = |name: &str| made.get(name).and_then(OsStr::to_str);
        assert_eq!(
            [of("HOME"), of("USER"), of("LOGNAME")],
            [Some("/srv/app"), Some("app"), Some("app")]
        );
        let nameless = Account { entry: None, ..account };
        let made = Environment::compose(Sources { account: Some(&nameless), ..sources(&[]) });
        assert_eq!(made.get("HOME"), Some(OsStr::new("/")));
        let env = [("HOME".to_owned(), Value::from("/tmp"))].into();
        let made = Environment::compose(Sources { account: Some(&nameless), env, ..sources(&[]) });
        assert_eq!(made.get("HOME"), Some(OsStr::new("/tmp")), "the file has the last word");
    }

    #[test]
    fn the_later_source_wins() {
        let file = EnvFile::parse("A=2\nB=2\n").unwrap();
        let env = [("B".to_owned(), Value::from("3"))].into();
        let made = Environment::compose(Sources { file: Some(&file), env, ..sources(&[]) });
        assert_eq!(made.get("A"), Some(OsStr::new("2")));
        assert_eq!(made.get("B"), Some(OsStr::new("3")));
        assert_eq!(made.get("PATH"), Some(OsStr::new("/bin")));
    }

    #[test]
    fn a_secret_goes_only_to_those_who_name_it() {
        let mine = ["SMS".to_owned()];
        let made = Environment::compose(sources(&mine));
        assert_eq!(made.get("SMS"), Some(OsStr::new("ours")));
        assert_eq!(made.get("PAY"), None);
    }

    #[test]
    fn debug_shows_no_value() {
        let file = EnvFile::parse("KEY=topsecret").unwrap();
        let env: BTreeMap<_, _> = [("B".to_owned(), Value::from("topsecret"))].into();
        let sources = Sources { file: Some(&file), env, ..sources(&[]) };
        assert!(!format!("{sources:?}").contains("topsecret"));
        let shown = format!("{:?}", Environment::compose(sources));
        assert!(!shown.contains("topsecret") && shown.contains("KEY"), "{shown}");
    }
}
