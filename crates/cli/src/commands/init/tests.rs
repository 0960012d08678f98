//! Realistic directories, and the file that is written for each: `tests/init/KIND` and `tests/init/KIND.toml`.
//! `UPDATE_CASES=1 cargo test -p plimsoll init` writes the files anew; read the difference before you commit it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use config::{Environment, Origin, Paint};

use super::folder::{Disk, Folder};
use super::proposal::{Proposal, Run};
use super::{Terms, file, free_listen, is_address, kinds, nothing, summary};

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/init")
}

/// What is written for a directory.
fn written(folder: &dyn Folder) -> (Proposal, String) {
    let proposal = kinds::find(folder).unwrap_or_else(nothing);
    let listen = free_listen(&proposal);
    let terms = Terms { service: "web".to_owned(), listen, state_dir: file::STATE_DIR };
    let text = file::file(&proposal, &terms);
    (proposal, text)
}

/// That the reader of files takes it, and has nothing to say of it.
fn must_pass(name: &str, text: &str) {
    let environment = Environment::fixed();
    let origin = Origin { name: name.to_owned(), dir: "/srv".into(), environment };
    match config::parse(text, &origin) {
        Ok(loaded) => {
            let warnings = loaded.warnings.render(Paint::Plain);
            assert!(loaded.warnings.is_empty(), "{name}:\n{warnings}");
        }
        Err(faults) => panic!("{name}:\n{}", faults.render(Paint::Plain)),
    }
}

#[test]
fn every_directory_gets_the_file_that_is_committed_and_it_passes() {
    let mut seen = 0;
    for entry in fs::read_dir(cases()).unwrap().flatten().filter(|entry| entry.path().is_dir()) {
        let name = entry.file_name().into_string().unwrap();
        let (proposal, text) = written(&Disk::new(&entry.path()));
        must_pass(&name, &text);
        let cautions: String =
            proposal.cautions.iter().map(|it| format!("\n# CAUTION {it}")).collect();
        let made = format!("{text}{cautions}\n");
        let path = cases().join(format!("{name}.toml"));
        if std::env::var_os("UPDATE_CASES").is_some() {
            fs::write(&path, &made).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(made, committed, "{name}: UPDATE_CASES=1 writes it anew");
        seen += 1;
    }
    assert!(seen >= 20, "only {seen} directories");
}

#[test]
fn the_examples_are_started_as_their_own_files_start_them() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    for (name, starts) in [
        ("express", "node server.js"),
        ("fastify", "node server.js"),
        ("websockets", "node server.js"),
        ("flask", "gunicorn app:app"),
        ("django", "gunicorn shop.wsgi"),
        ("fastapi", "uvicorn app:app --host 127.0.0.1 --port $PORT"),
        ("sinatra", "puma -C puma.rb"),
    ] {
        let (proposal, text) = written(&Disk::new(&examples.join(name)));
        must_pass(name, &text);
        let Run::Command { command, .. } = &proposal.run else { panic!("{name}: {proposal:?}") };
        let command = command.trim_start_matches(".venv/bin/");
        assert!(command.starts_with(starts), "{name}: {command}");
        assert_eq!(proposal.health.path.as_deref(), Some("/health"), "{name}");
    }
}

/// A directory that is on no disk.
struct Fake(BTreeMap<&'static str, &'static str>);

impl Folder for Fake {
    fn text(&self, path: &str) -> Option<String> {
        self.0.get(path).map(|text| (*text).to_owned())
    }

    fn has_dir(&self, path: &str) -> bool {
        self.0.keys().any(|it| it.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')))
    }

    fn files(&self, path: &str) -> Vec<String> {
        let below = |it: &&str| match path {
            "" => Some(it.to_string()),
            path => it.strip_prefix(path)?.strip_prefix('/').map(str::to_owned),
        };
        self.0.keys().filter_map(below).filter(|name| !name.contains('/')).collect()
    }

    fn dirs(&self, path: &str) -> Vec<String> {
        let below = |it: &'static str| match path {
            "" => Some(it),
            path => it.strip_prefix(path)?.strip_prefix('/'),
        };
        let names = self.0.keys().filter_map(|it| Some(below(it)?.split_once('/')?.0.to_owned()));
        let mut dirs: Vec<String> = names.collect();
        dirs.dedup();
        dirs
    }
}

#[test]
fn files_of_any_kind_that_make_no_sense_panic_nowhere() {
    let odd = [
        "",
        "{",
        "\"",
        "\u{feff}[",
        "a: b: c",
        "module",
        "gem '",
        "<version>",
        "ALLOWED_HOSTS = [",
        "web:",
        "ünï\n- :\n",
    ];
    let names = [
        "package.json",
        "manage.py",
        "requirements.txt",
        "pyproject.toml",
        "app.py",
        "Gemfile",
        "config.ru",
        "pom.xml",
        "build.gradle",
        "settings.gradle",
        "go.mod",
        "Cargo.toml",
        "compose.yaml",
        "Dockerfile",
        "Procfile",
        "index.html",
        "server.js",
        "src/main.rs",
        "main.go",
        "gunicorn.conf.py",
        "config/routes.rb",
    ];
    for text in odd {
        for name in names {
            must_pass(name, &written(&Fake([(name, text)].into())).1);
        }
        must_pass("all", &written(&Fake(names.map(|name| (name, text)).into())).1);
    }
}

#[test]
fn what_is_said_at_the_end_names_the_next_steps() {
    let server = "const app = require('express')(); app.get('/health', ok); app.listen(3000)";
    let package = r#"{"version": "2.1.0", "scripts": {"start": "node server.js"}, "dependencies": {"express": "5"}}"#;
    let (proposal, _) = written(&Fake([("package.json", package), ("server.js", server)].into()));
    let (service, listen) = ("web".to_owned(), "0.0.0.0:8080".to_owned());
    let terms = Terms { service, listen, state_dir: file::STATE_DIR };
    insta::assert_snapshot!(summary(&proposal, &terms, &["plimsoll.toml".to_owned()]), @r"
    found: Express (server.js, package.json)
      command  node server.js
      version  2.1.0
      health   /health
    written: plimsoll.toml
    ! server.js always listens on 3000, so no instance becomes ready: let it listen on process.env.PORT (and 127.0.0.1), and use a fixed port only where that is not set
    ! install what it needs before it starts: npm ci
    then: `plimsoll check --here` says what is missing, `plimsoll run` serves on http://127.0.0.1:8080/
    ");
}

#[test]
fn addresses_are_told_from_commands() {
    for (words, expected) in [
        ("127.0.0.1:3000 a.internal:80", true),
        ("[::1]:3000", true),
        ("node server.js", false),
        ("./serve:80", false),
        ("serve --port 80", false),
    ] {
        assert_eq!(words.split(' ').all(is_address), expected, "{words}");
    }
}

#[test]
fn a_file_of_the_system_s_keeps_no_state_beside_it() {
    for (dir, expected) in [
        ("/etc/plimsoll", "/var/lib/plimsoll"),
        ("/etc", "/var/lib/plimsoll"),
        ("/srv/etc/shop", ".plimsoll"),
        ("/etcetera", ".plimsoll"),
    ] {
        assert_eq!(file::state_dir(Path::new(dir)), expected, "{dir}");
    }
}

#[test]
fn a_version_that_is_none_of_ours_is_not_taken_over() {
    for (named, taken) in [("2.1.0-rc.1", "2.1.0-rc.1"), ("-x", "1"), ("a b", "1"), ("", "1")] {
        let proposal = super::Proposal::command("x", "x", "x").version(Some(named.to_owned()));
        let super::Run::Command { version, .. } = proposal.run else { panic!("{named}") };
        assert_eq!(version, taken, "{named}");
    }
}
