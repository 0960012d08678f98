//! What is proposed for a service: how it is started, how it is asked whether it is well, and what is to be minded.

/// What is proposed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Proposal {
    /// What it is: "Express".
    pub(super) what: String,
    /// By which files that is known.
    pub(super) seen: Vec<String>,
    /// How it runs.
    pub(super) run: Run,
    /// How it is checked.
    pub(super) health: Health,
    /// Other keys of its table, each a line.
    pub(super) keys: Vec<Key>,
    /// What has to be done or known before it works.
    pub(super) cautions: Vec<String>,
}

/// How it runs.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Run {
    /// Plimsoll runs it.
    Command {
        /// The command, as the file has it.
        command: String,
        /// Why this one.
        why: String,
        /// The version of its first release.
        version: String,
        /// How a release is told from the next.
        releases: Releases,
    },
    /// Something else runs it, and it is there.
    Targets {
        /// Where.
        targets: Vec<String>,
        /// Why there.
        why: String,
    },
}

/// What a release's version changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Releases {
    /// The command has `{version}` in it.
    Command,
    /// The directory that it runs in: `releases/{version}`.
    Directory,
    /// Nothing: it is whatever is in the directory when an instance starts.
    Unseparated,
}

/// How it is checked.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Health {
    /// The path that is requested; without one only a connection is opened.
    pub(super) path: Option<String>,
    /// The host that is asked for, where it responds to no other.
    pub(super) host: Option<String>,
    /// Why so.
    pub(super) why: String,
}

/// A line of the service's table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Key {
    pub(super) line: String,
    pub(super) why: String,
}

impl Proposal {
    /// One that Plimsoll runs, in place, as version 1.
    pub(super) fn command(
        what: impl Into<String>,
        command: impl Into<String>,
        why: impl Into<String>,
    ) -> Self {
        let run = Run::Command {
            command: command.into(),
            why: why.into(),
            version: "1".to_owned(),
            releases: Releases::Unseparated,
        };
        Self {
            what: what.into(),
            seen: Vec::new(),
            run,
            health: Health::connection(),
            keys: Vec::new(),
            cautions: Vec::new(),
        }
    }

    /// It, known by this file, too.
    pub(super) fn seen(mut self, path: impl Into<String>) -> Self {
        let path = path.into();
        if !self.seen.contains(&path) {
            self.seen.push(path);
        }
        self
    }

    pub(super) fn health(mut self, health: Health) -> Self {
        self.health = health;
        self
    }

    pub(super) fn key(mut self, line: impl Into<String>, why: impl Into<String>) -> Self {
        self.keys.push(Key { line: line.into(), why: why.into() });
        self
    }

    pub(super) fn caution(mut self, caution: impl Into<String>) -> Self {
        self.cautions.push(caution.into());
        self
    }

    /// It, with this as its first version.
    pub(super) fn version(mut self, wanted: Option<String>) -> Self {
        // What a file names is a version only if it can be one of ours, and short.
        let is_one = |text: &String| text.len() <= 64 && model::is_version(text);
        if let (Run::Command { version, .. }, Some(wanted)) = (&mut self.run, wanted.filter(is_one))
        {
            *version = wanted;
        }
        self
    }

    /// It, with releases that are told so.
    pub(super) fn releases(mut self, wanted: Releases) -> Self {
        if let Run::Command { releases, .. } = &mut self.run {
            *releases = wanted;
        }
        self
    }
}

impl Health {
    /// Only a connection is opened.
    pub(super) fn connection() -> Self {
        let why = "No path for checks was found, so only a connection is opened. A path that responds \
                   with 200 once the service can work says more: health = { path = \"/health\" }";
        Self { path: None, host: None, why: why.to_owned() }
    }

    pub(super) fn path(path: impl Into<String>, why: impl Into<String>) -> Self {
        Self { path: Some(path.into()), host: None, why: why.into() }
    }
}
