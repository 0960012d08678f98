//! Which configuration is meant, and where the Plimsoll that serves it listens.
//!
//! A command that asks a running Plimsoll needs no more of the file than `server.state_dir`: it
//! must work while somebody is in the middle of editing the rest.

use std::path::{Path, PathBuf};

use admin::Client;
use config::{Environment, LoadError, Origin};
use toml::de::{DeTable, DeValue};

use crate::commands::proxy;
use crate::failure::Failure;
use crate::options::{Elsewhere, Endpoint, Which};

/// Where a configuration is looked for when none is named: in the directory, then for the whole machine.
const OF_DIRECTORY: &str = "plimsoll.toml";
const OF_MACHINE: &str = "/etc/plimsoll/plimsoll.toml";

impl Which {
    /// The configuration's file.
    pub(crate) fn file(&self) -> Result<PathBuf, Failure> {
        self.known_file().ok_or(Failure::NoFile)
    }

    /// The file of the Plimsoll that a command asks: where none is named or in the directory, and the machine's is not served, that of
    /// the only `plimsoll proxy`.
    pub(crate) fn served_file(&self) -> Result<PathBuf, Failure> {
        if let Some(file) = self.near_file() {
            return Ok(file);
        }
        match of_machine() {
            Some(file) if may_be_served(&file) => Ok(file),
            idle => proxied(proxy::running(), idle),
        }
    }

    fn known_file(&self) -> Option<PathBuf> {
        self.near_file().or_else(of_machine)
    }

    /// The one that is named, or that of the directory.
    fn near_file(&self) -> Option<PathBuf> {
        let there = || Some(PathBuf::from(OF_DIRECTORY)).filter(|file| file.exists());
        self.file.clone().or_else(there)
    }

    /// The same, for a command that is to do what this file says.
    pub(crate) fn named(&self) -> Result<Named, Failure> {
        self.served_file().map(Named)
    }

    /// Where the Plimsoll that serves the configuration keeps its state.
    pub(crate) fn state_dir(&self) -> Result<PathBuf, Failure> {
        state_dir(&self.served_file()?)
    }

    /// Asks the Plimsoll that serves the configuration.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        Ok(Client::new(&self.state_dir()?))
    }
}

impl Elsewhere {
    /// Asks it, or the one that serves the configuration.
    pub(crate) fn client_or_of(&self, which: &Which) -> Result<Client, Failure> {
        match self.client()? {
            Some(client) => Ok(client),
            None => which.client(),
        }
    }
}

impl Endpoint {
    /// Asks it.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        self.elsewhere.client_or_of(&self.which)
    }

    /// The configuration, for a command that is to do what its file says. One elsewhere has its own.
    pub(crate) fn named(&self) -> Result<Option<Named>, Failure> {
        match self.elsewhere.url {
            None => self.which.named().map(Some),
            Some(_) => Ok(None),
        }
    }
}

fn of_machine() -> Option<PathBuf> {
    Some(PathBuf::from(OF_MACHINE)).filter(|file| file.exists())
}

/// Whether a Plimsoll serves `file`, or that cannot be seen.
fn may_be_served(file: &Path) -> bool {
    state_dir(file).map_or(true, |dir| !proxy::is_idle(&dir))
}

/// The file of the only proxy that runs; of none, `idle`, which then says itself that nothing serves it.
fn proxied(mut proxies: Vec<PathBuf>, idle: Option<PathBuf>) -> Result<PathBuf, Failure> {
    match (proxies.pop(), proxies.is_empty()) {
        (None, _) => idle.ok_or(Failure::NothingServed),
        (Some(file), true) => Ok(file),
        (Some(file), false) => {
            proxies.push(file);
            Err(Failure::ManyProxies { files: proxies })
        }
    }
}

/// The configuration that a command was told to be about.
pub(crate) struct Named(PathBuf);

impl Named {
    /// Refuses where the running Plimsoll serves another one: two files may name one state directory, and
    /// what applies its file would apply the other's.
    pub(crate) async fn must_be_served(self, client: &Client) -> Result<(), Failure> {
        let served = PathBuf::from(client.status().await?.file);
        match is_same(&served, &self.0) {
            true => Ok(()),
            false => Err(Failure::OtherFile { served, named: self.0 }),
        }
    }
}

/// Whether two paths lead to one file, or to where it was: it may be gone while it is replaced.
fn is_same(served: &Path, named: &Path) -> bool {
    let whole = |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path));
    match (whole(served), whole(named)) {
        (Ok(served), Ok(named)) => served == named,
        _ => served == named,
    }
}

/// Where the Plimsoll that serves `file` keeps its state.
fn state_dir(file: &Path) -> Result<PathBuf, Failure> {
    let environment = Environment::of_process();
    match config::load(file, &environment) {
        Ok(loaded) => Ok(loaded.intent.server.state_dir),
        Err(LoadError::Invalid(faults)) => {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            let path = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
            let dir = path.parent().unwrap_or(Path::new("/")).to_owned();
            let origin = Origin { name: file.display().to_string(), dir, environment };
            state_dir_in(&text, &origin).ok_or(Failure::Load(LoadError::Invalid(faults)))
        }
        Err(error) => Err(Failure::Load(error)),
    }
}

/// `server.state_dir` of a text that is wrong elsewhere, or its default. It is read by the rules
/// of the whole file, as part of the smallest one that has nothing wrong in it.
fn state_dir_in(text: &str, origin: &Origin) -> Option<PathBuf> {
    let (table, _) = DeTable::parse_recoverable(text);
    let server = table.get_ref().get("server").and_then(|server| server.get_ref().as_table());
    let state_dir = server.and_then(|server| server.get("state_dir"));
    let set = match state_dir.map(|value| value.get_ref()) {
        Some(DeValue::String(text)) => {
            format!("state_dir = {}\n", toml::Value::String(text.clone().into_owned()))
        }
        _ => String::new(),
    };
    let smallest = format!(
        "[server]\n{set}[listeners.a]\nbind = \"127.0.0.1:0\"\n[[routes]]\nrespond = {{ status = 200 }}\n"
    );
    let loaded = config::parse(&smallest, origin).ok()?;
    Some(loaded.intent.server.state_dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<PathBuf> {
        let environment = Environment::fixed();
        let name = "plimsoll.toml".to_owned();
        state_dir_in(text, &Origin { name, dir: PathBuf::from("/srv"), environment })
    }

    #[test]
    fn the_only_proxy_is_asked_where_the_machine_s_file_is_not_served() {
        let files = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
        let machine = || Some(PathBuf::from(OF_MACHINE));
        for idle in [None, machine()] {
            let found = proxied(files(&["/tmp/a.toml"]), idle.clone()).unwrap();
            assert_eq!(found, Path::new("/tmp/a.toml"));
            let many = proxied(files(&["/tmp/a.toml", "/tmp/b.toml"]), idle);
            assert!(matches!(many, Err(Failure::ManyProxies { files }) if files.len() == 2));
        }
        assert_eq!(proxied(Vec::new(), machine()).unwrap(), Path::new(OF_MACHINE));
        assert!(matches!(proxied(Vec::new(), None), Err(Failure::NothingServed)));
    }

    #[test]
    fn the_state_directory_is_found_in_a_file_that_is_wrong_elsewhere() {
        let default = "/home/user/.local/state/plimsoll";
        for (text, expected) in [
            ("[server]\nstate_dir = \"/a b\"\nworkers = \"two\"\n", "/a b"),
            ("[server]\nstate_dir = \"run\"\n[services.api\n", "/srv/run"),
            ("x = \n[server]\nstate_dir = '/a\"b'\n", "/a\"b"),
            ("[server]\nstate_dir = 3\n", default),
            ("[[[", default),
            ("", default),
        ] {
            assert_eq!(found(text).as_deref(), Some(Path::new(expected)), "{text}");
        }
    }
}
