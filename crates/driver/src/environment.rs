//! What an instance finds in its environment, and from where it comes.
//!
//! Values may be secrets: nothing here prints one, neither in `Debug` nor in an error.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fmt;

use crate::command::Facts;
use crate::env_file::EnvFile;

/// The variable that marks an instance and all its descendants, wherever they went: a process that
/// left the session is still found by it.
pub const RUN: &str = "PLIMSOLL_RUN";

/// What is meant for Plimsoll from its own service manager, and would mislead an instance.
const OURS: [&str; 8] = [
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
    pub inherited: Environment,
    /// Names that are not passed on from there: the secrets of other services, our own token.
    pub withheld: BTreeSet<String>,
    /// Names that are passed on although they are withheld: the service's own `secrets`.
    pub secrets: &'a [String],
    /// 2. The service's `env_file`.
    pub file: Option<&'a EnvFile>,
    /// 3. The service's `env`.
    pub env: BTreeMap<String, Value>,
}

/// A value that is not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Value(pub String);

impl Environment {
    /// What this process was given, without what its service manager meant for it alone and
    /// without what begins with `PLIMSOLL_`.
    pub fn of_this_process() -> Self {
        let is_ours = |name: &OsString| {
            name.to_str().is_some_and(|name| OURS.contains(&name) || name.starts_with("PLIMSOLL_"))
        };
        Self(std::env::vars_os().filter(|(name, _)| !is_ours(name)).collect())
    }

    /// Puts the sources together.
    pub fn compose(sources: Sources<'_>) -> Self {
        let Sources { mut inherited, withheld, secrets, file, env } = sources;
        for name in withheld.iter().filter(|name| !secrets.contains(name)) {
            inherited.0.remove(OsStr::new(name));
        }
        for (name, value) in file.into_iter().flat_map(EnvFile::entries) {
            inherited.set(name, &value.0);
        }
        for (name, value) in env {
            inherited.set(name, value.0);
        }
        inherited
    }

    /// The value of `name`.
    pub fn get(&self, name: impl AsRef<OsStr>) -> Option<&OsStr> {
        self.0.get(name.as_ref()).map(OsString::as_os_str)
    }

    /// Gives `name` this value.
    pub fn set(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) {
        self.0.insert(name.into(), value.into());
    }

    /// The names that can be written as text, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().filter_map(|name| name.to_str())
    }

    /// Whether `name` is set to more than white space.
    pub fn says(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| !value.to_string_lossy().trim().is_empty())
    }

    /// Names and values, for the process that is started and nobody else.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// Adds what the driver alone knows. Nothing that was configured can hide it.
    pub(crate) fn with(mut self, facts: Facts<'_>, run: &str) -> Self {
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

    fn sources(secrets: &[String]) -> Sources<'_> {
        Sources {
            inherited: [("PATH", "/bin"), ("SMS", "ours"), ("PAY", "theirs"), ("A", "1")]
                .into_iter()
                .collect(),
            withheld: ["SMS", "PAY"].map(str::to_owned).into(),
            secrets,
            ..Sources::default()
        }
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
