//! What Plimsoll runs for a service itself.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::account::Account;
use crate::container::ContainerRecipe;
use crate::deploy::Deploy;
use crate::remote_host::RemoteHost;

/// How the instances of a service are run.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// What they do.
    pub work: Work,
    /// What they are made of.
    pub recipe: Recipe,
    /// The release that runs first, where the journal knows of none.
    pub version: Option<String>,
    /// How many instances.
    pub replicas: NonZeroU32,
    /// The machines that they are spread over, none twice; this one where there are none.
    pub hosts: Vec<RemoteHost>,
    /// How a release is replaced.
    pub deploy: Deploy,
    /// How an instance is ended.
    pub stop: Stop,
    /// When an instance that ended is started again.
    pub restart: Restart,
}

/// What instances do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Work {
    /// They serve requests, each on a port of its own.
    #[default]
    Requests,
    /// Their own: nobody asks them for anything, and they are given no port.
    Own {
        /// So long a new one has to live before it is ready, where it has no check that says so.
        ready_after: Duration,
    },
}

/// What makes a release, beside its version. Each instance of a release is made by the same recipe,
/// whatever the file has come to say since.
#[derive(Clone, PartialEq, Eq)]
pub struct Recipe {
    /// What an instance is.
    pub workload: Workload,
    /// What it finds in its environment.
    pub env: BTreeMap<String, String>,
    /// A file with more of it; absolute.
    pub env_file: Option<PathBuf>,
    /// Variables that must be set, and say something, before a release is started.
    pub secrets: Vec<String>,
}

/// What an instance is: which driver starts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Workload {
    /// A process of this machine.
    Process(ProcessRecipe),
    /// A container.
    Container(ContainerRecipe),
}

/// What a process is made of, beside its environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessRecipe {
    /// What is run.
    pub command: Command,
    /// Where; absolute.
    pub directory: PathBuf,
    /// As whom it runs; as Plimsoll does without.
    pub user: Option<Account>,
    /// What of Plimsoll's own environment it finds in its own: names, or their beginnings followed by
    /// `*`.
    pub inherit: Vec<String>,
}

/// What is inherited where the file does not say.
pub const INHERITED: [&str; 5] = ["PATH", "HOME", "LANG", "LC_*", "TZ"];

/// What stands for the version in a recipe.
pub const VERSION_MARK: &str = "{version}";

impl Recipe {
    /// The recipe with `version` put in for [`VERSION_MARK`] in the directory or the image, the `env_file` and the values
    /// of `env`. In the command it is put in when an instance starts, with what else is.
    #[must_use]
    pub fn of_version(&self, version: &str) -> Self {
        let text = |text: &str| text.replace(VERSION_MARK, version);
        // A path that is no text has no mark.
        let path =
            |path: &PathBuf| path.to_str().map_or_else(|| path.clone(), |it| text(it).into());
        let workload = match &self.workload {
            Workload::Process(process) => Workload::Process(ProcessRecipe {
                directory: path(&process.directory),
                ..process.clone()
            }),
            Workload::Container(container) => Workload::Container(ContainerRecipe {
                image: text(&container.image),
                ..container.clone()
            }),
        };
        Self {
            workload,
            env: self.env.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
            env_file: self.env_file.as_ref().map(path),
            secrets: self.secrets.clone(),
        }
    }

    /// The same with another command: what is run once with a release's environment, as its user, and in its directory or
    /// a container of its image.
    #[must_use]
    pub fn running(&self, command: Command) -> Self {
        let workload = match &self.workload {
            Workload::Process(process) => {
                Workload::Process(ProcessRecipe { command, ..process.clone() })
            }
            Workload::Container(container) => {
                Workload::Container(ContainerRecipe { command: Some(command), ..container.clone() })
            }
        };
        Self { workload, ..self.clone() }
    }

    /// Whether the version stands in it, so that releases run something of their own. Each instance finds the version in
    /// `$VERSION`, too, but what a program makes of that no recipe tells.
    pub fn names_version(&self) -> bool {
        let is_marked = |text: &str| text.contains(VERSION_MARK);
        let is_path_marked = |path: &PathBuf| path.to_str().is_some_and(is_marked);
        let in_workload = match &self.workload {
            Workload::Process(process) => {
                process.command.names_version() || is_path_marked(&process.directory)
            }
            Workload::Container(container) => {
                is_marked(&container.image)
                    || container.command.as_ref().is_some_and(Command::names_version)
            }
        };
        in_workload
            || self.env_file.as_ref().is_some_and(is_path_marked)
            || self.env.values().any(|value| is_marked(value))
    }

    /// Whether it is what the file means by `wanted`. What was found out when a release was made, as which image a name
    /// stands for, no file says.
    pub fn follows(&self, wanted: &Self) -> bool {
        self.as_wanted() == wanted.as_wanted()
    }

    /// The recipe without what was found out.
    fn as_wanted(&self) -> Self {
        let mut wanted = self.clone();
        if let Workload::Container(container) = &mut wanted.workload {
            container.pin = None;
        }
        wanted
    }
}

impl Command {
    /// Whether the version stands in it.
    fn names_version(&self) -> bool {
        let is_named = |text: &str| {
            text.contains(VERSION_MARK) || text.contains("$VERSION") || text.contains("${VERSION")
        };
        match self {
            Self::Arguments(words) => words.iter().any(|word| is_named(word)),
            Self::Line(text) | Self::Shell(text) => is_named(text),
        }
    }
}

/// Values in the environment may be secrets, so only their names are shown.
impl fmt::Debug for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recipe")
            .field("workload", &self.workload)
            .field("env", &self.env.keys().collect::<Vec<_>>())
            .field("env_file", &self.env_file)
            .field("secrets", &self.secrets)
            .finish()
    }
}

/// What an instance runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// The program and its arguments.
    Arguments(Vec<String>),
    /// A line that is split as a shell splits it, and run without one.
    Line(String),
    /// A script for `/bin/sh`.
    Shell(String),
}

/// How an instance is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// What asks it to end.
    pub signal: StopSignal,
    /// How long it may take before it is killed.
    pub timeout: Duration,
    /// Who is asked.
    pub to: StopTo,
}

impl Default for Stop {
    fn default() -> Self {
        Self { signal: StopSignal::Term, timeout: Duration::from_secs(30), to: StopTo::All }
    }
}

/// Who of an instance's processes is asked to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StopTo {
    /// All of its process group, and later what is left.
    #[default]
    All,
    /// Its first process, which ends the others itself. What is left after it is killed.
    First,
}

/// When an instance that ended is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restart {
    /// The pause after the first short run; each further one doubles it.
    pub backoff: Duration,
    /// No pause is longer.
    pub max_backoff: Duration,
}

/// Whether `text` is certainly nothing but a version, wherever it is put: in a command, a path, a
/// script.
pub fn is_version(text: &str) -> bool {
    let first = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.starts_with(first)
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._+~:@-".contains(c))
}

/// A signal that asks an instance to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StopSignal {
    /// SIGTERM, what everyone expects.
    #[default]
    Term,
    /// SIGINT, as from the keyboard.
    Int,
    /// SIGQUIT, with which nginx and others stop in peace.
    Quit,
    /// SIGHUP.
    Hup,
    /// SIGUSR1.
    Usr1,
    /// SIGUSR2.
    Usr2,
    /// SIGWINCH, with which Apache stops in peace.
    Winch,
    /// SIGKILL, which nobody survives.
    Kill,
}

/// A name that is no signal that stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownSignal;

impl StopSignal {
    /// All of them, with their names.
    pub const NAMES: [(Self, &'static str); 8] = [
        (Self::Term, "SIGTERM"),
        (Self::Int, "SIGINT"),
        (Self::Quit, "SIGQUIT"),
        (Self::Hup, "SIGHUP"),
        (Self::Usr1, "SIGUSR1"),
        (Self::Usr2, "SIGUSR2"),
        (Self::Winch, "SIGWINCH"),
        (Self::Kill, "SIGKILL"),
    ];

    /// Its name, in full.
    pub fn name(self) -> &'static str {
        let mut named = Self::NAMES.iter().filter(|(signal, _)| *signal == self);
        named.next().map_or("SIGTERM", |(_, name)| name)
    }
}

impl FromStr for StopSignal {
    type Err = UnknownSignal;

    /// Takes the name with or without its `SIG`, in capitals.
    fn from_str(name: &str) -> Result<Self, UnknownSignal> {
        let is_meant = |full: &str| full == name || full.strip_prefix("SIG") == Some(name);
        let mut meant = Self::NAMES.iter().filter(|(_, full)| is_meant(full));
        meant.next().map(|(signal, _)| *signal).ok_or(UnknownSignal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_nothing_else() {
        assert!(is_version("v1.4.2-rc.1+b7") && is_version("2026-11-21_rc.1+build~3"));
        for wrong in ["", "-x", "../1", "a b", "1;2", "$(x)", ".1"] {
            assert!(!is_version(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_version_stands_wherever_it_is_named() {
        let recipe = |version: &str| Recipe {
            workload: Workload::Process(ProcessRecipe {
                command: Command::Line("x {version}".into()),
                directory: format!("/srv/{version}").into(),
                user: None,
                inherit: Vec::new(),
            }),
            env: [("TAG".to_owned(), format!("v{version}, {version}"))].into(),
            env_file: Some(format!("/etc/{version}.env").into()),
            secrets: vec!["KEY".to_owned()],
        };
        assert_eq!(recipe(VERSION_MARK).of_version("1.4"), recipe("1.4"));
    }

    #[test]
    fn a_signal_is_known_by_its_name_with_or_without_sig() {
        for (signal, name) in StopSignal::NAMES {
            assert_eq!(name.parse(), Ok(signal));
            assert_eq!(name["SIG".len()..].parse(), Ok(signal));
            assert_eq!(signal.name(), name);
        }
        assert_eq!("SIGSTOP".parse::<StopSignal>(), Err(UnknownSignal));
    }
}
