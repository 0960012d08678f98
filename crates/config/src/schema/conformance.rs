//! Tests that the descriptions are true: the reader accepts every key that is described, looks at
//! it, fills in the default that is described, and knows every word.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use model::Intent;
use toml::{Table as Tree, Value};

use super::{Absent, Key, Shape, Table, words_later};
use crate::tables::log::ACCESS_LATER;
use crate::tables::{ROOT, service};
use crate::{Code, Diagnostics, Environment, Loaded, Origin};

/// Where a key stands, and what must stand around it.
struct Site {
    path: Vec<Step>,
    table: &'static Table,
    key: &'static Key,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Key(&'static str),
    /// The first item of a list.
    First,
}

/// Every key of every table.
fn sites() -> Vec<Site> {
    fn visit(table: &'static Table, path: &[Step], sites: &mut Vec<Site>) {
        for key in table.keys {
            let mut path = path.to_vec();
            path.push(Step::Key(key.name));
            descend(&key.shape, &path, sites);
            sites.push(Site { path, table, key });
        }
    }
    fn descend(shape: &'static Shape, path: &[Step], sites: &mut Vec<Site>) {
        match shape {
            Shape::Table(table) => visit(table, path, sites),
            Shape::List { of, .. } => descend(of, &[path, &[Step::First]].concat(), sites),
            Shape::Names { of, .. } => {
                let name = match path {
                    [Step::Key("listeners")] => "web",
                    [Step::Key("registries")] => "localhost",
                    _ => "api",
                };
                descend(of, &[path, &[Step::Key(name)]].concat(), sites);
            }
            Shape::Either(shapes) => shapes.iter().for_each(|shape| descend(shape, path, sites)),
            _ => {}
        }
    }
    let mut sites = Vec::new();
    visit(&ROOT, &[], &mut sites);
    sites
}

fn value(text: &str) -> Value {
    format!("value = {text}").parse::<Tree>().unwrap().remove("value").unwrap()
}

/// Puts `value` at the end of `path`, making whatever leads there.
fn put(tree: &mut Value, path: &[Step], value: Value) {
    let Some((step, rest)) = path.split_first() else {
        *tree = value;
        return;
    };
    match step {
        Step::Key(name) => {
            if !tree.is_table() {
                *tree = Value::Table(Tree::new());
            }
            let inner = tree.as_table_mut().unwrap().entry(*name);
            put(inner.or_insert(Value::Boolean(false)), rest, value);
        }
        Step::First => {
            if tree.as_array().is_none_or(Vec::is_empty) {
                *tree = Value::Array(vec![Value::Boolean(false)]);
            }
            put(&mut tree.as_array_mut().unwrap()[0], rest, value);
        }
    }
}

impl Site {
    /// A file in which the key could stand, but does not.
    fn around(&self) -> Value {
        let base = "[listeners.web]\nbind = \"0.0.0.0:8080\"\n[services.api]\n\
                    targets = [\"10.0.0.11:8080\"]\n[[routes]]\nto = \"api\"\npath = \"/chat/*\"\n";
        let mut tree = Value::Table(base.parse().unwrap());
        let (last, parent) = self.path.split_last().unwrap();
        for key in self.table.keys.iter().filter(|key| matches!(key.absent, Absent::Fault)) {
            if *last != Step::Key(key.name) {
                put(&mut tree, &[parent, &[Step::Key(key.name)]].concat(), value(key.example));
            }
        }
        if let Some(way) = self.way_we_run() {
            let service = tree["services"]["api"].as_table_mut().unwrap();
            service.remove("targets");
            service.entry(way).or_insert(Value::from("true"));
            let is_of_service = self.path[0] == Step::Key("services");
            if *last == Step::Key(way) && self.path.len() == 3 && is_of_service {
                service.remove(way);
            }
        }
        if self.table.header == "[listeners.NAME.tls.client_auth]" {
            let pair = value("[{ cert = \"fullchain.pem\", key = \"privkey.pem\" }]");
            let beside = &parent[..parent.len() - 1];
            put(&mut tree, &[beside, &[Step::Key("certificates")]].concat(), pair);
        } else if self.table.header == "[listeners.NAME.tls]"
            && ["client_auth", "internal"].contains(&self.key.name)
        {
            let pair = value("[{ cert = \"fullchain.pem\", key = \"privkey.pem\" }]");
            put(&mut tree, &[parent, &[Step::Key("certificates")]].concat(), pair);
        }
        if self.table.header == "[services.NAME.health]" {
            put(&mut tree, &[parent, &[Step::Key("path")]].concat(), value("\"/health\""));
        }
        if self.table.header == "[[services.NAME.deploy.conditions]]" {
            let of_prometheus = ["prometheus", "query", "max"];
            let asked = match self.key.name {
                "prometheus" | "query" | "min" | "max" => &of_prometheus[..],
                _ => &["webhook"],
            };
            let others = self.table.keys.iter().filter(|key| asked.contains(&key.name));
            for key in others.filter(|key| key.name != self.key.name) {
                put(&mut tree, &[parent, &[Step::Key(key.name)]].concat(), value(key.example));
            }
        }
        let secret = value("{ secret_env = \"JWT_SECRET\" }");
        let proofs = [
            "jwt",
            "api_key",
            "basic",
            "hmac",
            "signature",
            "introspect",
            "forward",
            "certificate",
        ];
        let is_proof = proofs.contains(&self.key.name);
        if self.table.header == "[auth.NAME]" && !is_proof {
            put(&mut tree, &[parent, &[Step::Key("jwt")]].concat(), secret);
        } else if self.table.header == "[auth.NAME.jwt]" {
            match self.key.name {
                "secret_env" | "keys" | "jwks" | "algorithms" => {}
                "ca" => put(&mut tree, parent, value("{ jwks = \"https://id.example.com/keys\" }")),
                _ => put(&mut tree, parent, secret),
            }
        } else if self.table.header == "[auth.NAME.hmac]" && self.key.name == "window" {
            put(
                &mut tree,
                &[parent, &[Step::Key("secret_env")]].concat(),
                value("\"HMAC_SECRET\""),
            );
        } else if self.table.header == "[auth.NAME.introspect]" {
            let whole = "{ to = \"https://id.example.com/introspect\", client_id = \"edge\", secret_env = \"JWT_SECRET\" }";
            put(&mut tree, parent, value(whole));
        } else if self.table.header == "[auth.NAME.forward]" {
            put(&mut tree, parent, value("{ to = \"https://127.0.0.1:9000/verify\" }"));
        } else if ["require", "ban_token"].contains(&self.key.name) {
            let users = [Step::Key("auth"), Step::Key("users"), Step::Key("jwt")];
            put(&mut tree, &users, secret);
            put(&mut tree, &[parent, &[Step::Key("auth")]].concat(), value("\"users\""));
        }
        if self.path[0] == Step::Key("jobs") && self.path.len() > 3 {
            for (key, example) in [("service", "api"), ("command", "./crawl")] {
                if self.path[2] != Step::Key(key) {
                    let path = [Step::Key("jobs"), Step::Key("api"), Step::Key(key)];
                    put(&mut tree, &path, Value::from(example));
                }
            }
        }
        if self.table.header == "[jobs.NAME]" && self.key.name == "time_zone" {
            put(&mut tree, &[parent, &[Step::Key("schedule")]].concat(), value("\"@daily\""));
        } else if self.table.header == "[jobs.NAME.retry]" && self.key.name != "attempts" {
            put(&mut tree, &[parent, &[Step::Key("attempts")]].concat(), value("3"));
        }
        if self.table.header == "[limits.NAME]" && !["rate", "concurrent"].contains(&self.key.name)
        {
            put(&mut tree, &[parent, &[Step::Key("rate")]].concat(), value("\"7/s\""));
        }
        if self.path.contains(&Step::Key("limit")) {
            for name in ["per-user", "ai-budget"] {
                let limit = value("{ rate = \"1000/s\", key = \"ip\" }");
                put(&mut tree, &[Step::Key("limits"), Step::Key(name)], limit);
            }
        }
        if self.path.contains(&Step::Key("abuse")) && self.path[0] != Step::Key("abuse") {
            let rule = value("{ rate = \"20/m\", ban = \"10m\" }");
            put(&mut tree, &[Step::Key("abuse"), Step::Key("guessing")], rule);
        }
        if self.path.contains(&Step::Key("acme")) {
            let host = [Step::Key("routes"), Step::First, Step::Key("host")];
            put(&mut tree, &host, value("\"shop.example.com\""));
            if self.path[0] != Step::Key("listeners") {
                let acme = ["listeners", "web", "tls", "acme"].map(Step::Key);
                put(&mut tree, &acme, value("\"ops@example.com\""));
            }
        }
        if self.table.header == "[admin.tls]" {
            self.put_admin_certificate(&mut tree);
        }
        if self.table.header == "[acme.dns]" && self.key.name == "token_env" {
            put(&mut tree, &[parent, &[Step::Key("provider")]].concat(), value("\"cloudflare\""));
        } else if self.table.header == "[acme.dns]" && self.key.name != "provider" {
            self.put_update_server(&mut tree);
        }
        // Steps decide on the strategy where nothing else does, and a preview is none of a rolling deploy.
        let is_of_canary = ["steps", "preview"].contains(&self.key.name);
        if self.table.header == "[services.NAME.deploy]" && is_of_canary {
            put(&mut tree, &[parent, &[Step::Key("strategy")]].concat(), value("\"canary\""));
        }
        if self.table.header == "[services.NAME]" && self.key.name == "http" {
            let routes = value("[{ respond = { status = 503 } }]");
            put(&mut tree, &[Step::Key("routes")], routes);
        }
        let mut route = tree.get_mut("routes").and_then(Value::as_array_mut);
        let is_action =
            self.path.contains(&Step::Key("redirect")) || self.path.contains(&Step::Key("respond"));
        if let Some(route) =
            route.as_mut().and_then(|routes| routes[0].as_table_mut()).filter(|_| is_action)
        {
            route.remove("to");
        }
        tree
    }

    /// Puts what says whose the admin API's certificate is, where the key does not.
    fn put_admin_certificate(&self, tree: &mut Value) {
        let pair = [("cert", Value::from("admin.pem")), ("key", Value::from("admin.key"))];
        let beside = match self.key.name {
            "hosts" => vec![("internal", Value::from(true))],
            _ => pair.into_iter().filter(|(key, _)| self.key.name != *key).collect(),
        };
        let (_, parent) = self.path.split_last().unwrap();
        for (key, value) in beside {
            put(tree, &[parent, &[Step::Key(key)]].concat(), value);
        }
    }

    /// Puts what `provider = "rfc2136"` needs beside the key.
    fn put_update_server(&self, tree: &mut Value) {
        let (_, parent) = self.path.split_last().unwrap();
        for (key, example) in
            [("server", "10.0.0.2"), ("key_name", "acme."), ("secret_env", "TSIG_SECRET")]
        {
            if self.key.name != key {
                put(tree, &[parent, &[Step::Key(key)]].concat(), Value::from(example));
            }
        }
    }

    /// The way in which Plimsoll runs the instances of which it says something, if it does.
    fn way_we_run(&self) -> Option<&'static str> {
        if self.path[0] == Step::Key("jobs") {
            return Some("command");
        }
        let [Step::Key("services"), Step::Key(_), Step::Key(key), ..] = self.path[..] else {
            return None;
        };
        let inner = self.path.get(3);
        let is_check = key == "health"
            && ["command", "notify"].iter().any(|key| inner == Some(&Step::Key(key)));
        let itself = service::WE_RUN.iter().find(|way| **way == key);
        let needed = || service::SERVICE.key(key)?.needs.first();
        itself.or_else(needed).copied().or(is_check.then_some("command"))
    }

    /// Whether `value` names a kind of check other than that by HTTP.
    fn is_kind_of_check(&self, value: &Value) -> bool {
        let is_set = value.as_bool() == Some(true) || value.is_str() || value.is_array();
        let kinds = ["tcp", "grpc", "command", "notify"];
        self.table.header == "[services.NAME.health]" && kinds.contains(&self.key.name) && is_set
    }

    /// The same with `value` for the key.
    fn with(&self, value: Value) -> String {
        let mut tree = self.around();
        let is_kind = self.is_kind_of_check(&value);
        let is_issuer = ["acme", "internal"].contains(&self.key.name);
        if self.table.header == "[admin.tls]" && is_issuer && value.as_bool() != Some(false) {
            let tls = tree["admin"]["tls"].as_table_mut().unwrap();
            tls.retain(|key, _| key != "cert" && key != "key");
        }
        if self.table.header == "[auth.NAME.jwt]" && self.key.name == "algorithms" {
            let parent = &self.path[..self.path.len() - 1];
            let is_secret = value.to_string().contains("HS");
            let (key, source) =
                if is_secret { ("secret_env", "JWT_SECRET") } else { ("keys", "keys.json") };
            put(&mut tree, &[parent, &[Step::Key(key)]].concat(), Value::from(source));
        }
        if self.table.header == "[acme.dns]" && self.key.name == "provider" {
            let parent = &self.path[..self.path.len() - 1];
            match value.as_str() {
                Some("rfc2136") | None => self.put_update_server(&mut tree),
                _ => put(
                    &mut tree,
                    &[parent, &[Step::Key("token_env")]].concat(),
                    Value::from("CF_TOKEN"),
                ),
            }
        }
        put(&mut tree, &self.path, value);
        if is_kind {
            let service = tree["services"]["api"].as_table_mut().unwrap();
            service["health"].as_table_mut().unwrap().remove("path");
            if self.key.name == "grpc" {
                service.insert("protocol".to_owned(), Value::from("h2"));
            }
        }
        toml::to_string(&tree).unwrap()
    }

    fn name(&self) -> String {
        format!("{} {}", self.table.header, self.key.name)
    }
}

fn parse(text: &str) -> Result<Loaded, Diagnostics> {
    let environment = Environment {
        variable: |name| {
            let is_set = name.starts_with("HMAC_")
                || matches!(
                    name,
                    "JWT_SECRET"
                        | "EAB_SECRET"
                        | "INTROSPECT_SECRET"
                        | "REDIS_PASSWORD"
                        | "STORE_SECRET"
                        | "TSIG_SECRET"
                        | "CF_TOKEN"
                );
            is_set.then(|| "x".repeat(64).into())
        },
        open: |path| {
            let name = match path.file_name().and_then(|name| name.to_str()) {
                Some("keys.json" | "keys.pem") => "keys.json",
                Some("peers.pem") => "signers.json",
                Some(name) if name.ends_with(".pem") => "store-ca.pem",
                Some("partners.keys") => "partners.keys",
                Some("staff.htpasswd") => "staff.htpasswd",
                _ => return Err(io::ErrorKind::NotFound.into()),
            };
            let included = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/included");
            File::open(PathBuf::from(included).join(name))
        },
        ..Environment::fixed()
    };
    let origin = Origin { name: "test.toml".to_owned(), dir: PathBuf::from("/etc"), environment };
    crate::parse(text, &origin)
}

fn intent(text: &str, site: &Site) -> Intent {
    match parse(text) {
        Ok(loaded) => loaded.intent,
        Err(faults) => panic!("{}\n{text}\n{faults}", site.name()),
    }
}

#[test]
fn every_described_key_is_accepted() {
    let sites = sites();
    assert!(sites.len() > 80);
    for site in sites {
        intent(&site.with(value(site.key.example)), &site);
    }
}

#[test]
fn every_described_key_is_looked_at_once() {
    for site in sites() {
        let text = site.with(value("1979-05-27"));
        let faults = parse(&text).expect_err(&site.name());
        let is_named =
            |d: &&crate::Diagnostic| d.code == Code::WrongType && d.key.contains(site.key.name);
        assert_eq!(faults.iter().filter(is_named).count(), 1, "{}\n{faults}", site.name());
    }
}

#[test]
fn every_described_default_is_what_is_filled_in() {
    for site in sites() {
        let default = match &site.key.absent {
            Absent::Text(text) => Value::from(*text),
            Absent::Count(count) => Value::from(i64::try_from(*count).unwrap()),
            Absent::Flag(flag) => Value::from(*flag),
            Absent::Texts(texts) => Value::from(texts.to_vec()),
            Absent::Inner => Value::Table(Tree::new()),
            Absent::Fault | Absent::Means(_) => continue,
        };
        let mut without = site.around();
        let parent = &site.path[..site.path.len() - 1];
        if !(site.table.header.is_empty()
            || site.table.keys.iter().any(|key| matches!(key.absent, Absent::Fault)))
        {
            // The table is there in both, so that only the key makes the difference.
            put_empty(&mut without, parent);
        }
        let without = intent(&toml::to_string(&without).unwrap(), &site);
        assert_eq!(without, intent(&site.with(default), &site), "{}", site.name());
    }
}

/// Makes sure that there is a table at the end of `path`.
fn put_empty(tree: &mut Value, path: &[Step]) {
    let there = path.iter().try_fold(&*tree, |tree, step| match step {
        Step::Key(name) => tree.get(*name),
        Step::First => tree.get(0),
    });
    if there.is_none_or(|value| !value.is_table()) {
        put(tree, path, Value::Table(Tree::new()));
    }
}

#[test]
fn every_described_word_is_known_and_means_something_of_its_own() {
    fn words(shape: &Shape) -> Option<(&'static [&'static str], bool)> {
        match shape {
            Shape::Word(words, _) => Some((words, false)),
            Shape::List { of, .. } => words(of).map(|(words, _)| (words, true)),
            Shape::Either(shapes) => shapes.iter().find_map(words),
            _ => None,
        }
    }
    for site in sites() {
        let Some((words, in_list)) = words(&site.key.shape) else {
            continue;
        };
        let written =
            |word: &str| if in_list { Value::from(vec![word]) } else { Value::from(word) };
        let intents: Vec<Intent> =
            words.iter().map(|word| intent(&site.with(written(word)), &site)).collect();
        for (at, one) in intents.iter().enumerate() {
            assert!(!intents[..at].contains(one), "{} {}", site.name(), words[at]);
        }
    }
}

#[test]
fn limits_are_where_the_descriptions_say() {
    for site in sites() {
        let Shape::Count(range) = &site.key.shape else {
            continue;
        };
        let number = |count: u64| Value::from(i64::try_from(count).unwrap());
        let is_range = |faults: Diagnostics| faults.iter().any(|d| d.code == Code::OutOfRange);
        let above = parse(&site.with(number(range.end() + 1))).map_err(is_range);
        assert!(matches!(above, Err(true)), "{}", site.name());
        let below = parse(&site.with(Value::from(i64::try_from(*range.start()).unwrap() - 1)));
        assert!(matches!(below.map_err(is_range), Err(true)), "{}", site.name());
    }
}

#[test]
fn every_name_that_is_kept_for_later_is_refused_as_such() {
    let refuses = |text: &str, name: &str| {
        let faults = parse(text).expect_err(name);
        assert!(faults.iter().any(|d| d.code == Code::Unsupported), "{name}\n{faults}");
    };
    for site in sites() {
        let parent = &site.path[..site.path.len() - 1];
        for later in site.table.later {
            let mut tree = site.around();
            put(&mut tree, &[parent, &[Step::Key(later.name)]].concat(), Value::from(true));
            refuses(&toml::to_string(&tree).unwrap(), later.name);
        }
        for later in words_later(&site.key.shape) {
            let word = Value::from(later.name);
            let is_list = matches!(site.key.shape, Shape::List { .. });
            refuses(&site.with(if is_list { Value::from(vec![word]) } else { word }), later.name);
        }
    }
    for later in ACCESS_LATER {
        let text = format!("[log]\naccess = \"{}\"\n", later.name);
        refuses(&text, later.name);
    }
}

#[test]
fn what_others_call_a_key_leads_to_it() {
    for site in sites() {
        let parent = &site.path[..site.path.len() - 1];
        for aka in site.key.aka.iter().filter(|aka| site.table.key(aka).is_none()) {
            let mut tree = site.around();
            put(&mut tree, &[parent, &[Step::Key(aka)]].concat(), Value::from("x"));
            let faults = parse(&toml::to_string(&tree).unwrap()).expect_err(aka);
            let later = site.table.later(aka).is_some();
            let hint = format!("did you mean `{}`?", site.key.name);
            assert!(
                later || faults.iter().any(|d| d.hint == hint),
                "{}: {aka}\n{faults}",
                site.name()
            );
        }
    }
}
