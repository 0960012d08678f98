//! Every file that the guide and the README show is one that loads.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use config::{Code, Environment, LoadError, Origin, load};
use serde_json::Value;

fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folders = ["docs/guide", "docs/guide/frameworks"].map(|folder| root.join(folder));
    let guide = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let guide = guide.map(|entry| entry.unwrap().path());
    let guide = guide.filter(|path| path.extension().is_some_and(|it| it == "md"));
    guide.chain([root.join("README.md")]).collect()
}

/// The blocks between the fences of TOML.
fn blocks(page: &str) -> impl Iterator<Item = &str> {
    page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap())
}

/// Every page that the project has, wherever it lies.
fn all_pages() -> Vec<PathBuf> {
    fn below(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            // What others have written, and what was built.
            let is_ours =
                |name: &str| !matches!(name, "target" | "node_modules") && !name.starts_with('.');
            if entry.is_dir()
                && entry.file_name().and_then(|name| name.to_str()).is_some_and(is_ours)
            {
                below(&entry, found);
            } else if entry.extension().is_some_and(|it| it == "md") {
                found.push(entry);
            }
        }
    }
    let mut found = Vec::new();
    below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."), &mut found);
    found
}

/// As `plimsoll fmt` lays it out.
fn laid_out(text: &str, name: &Path) -> String {
    let (name, environment) = (name.display().to_string(), Environment::fixed());
    config::format(text, &Origin { name, dir: "/".into(), environment }).unwrap()
}

/// The files of an example: the one that its README runs, and others beside it.
fn files_of(example: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(example).unwrap().map(|entry| entry.unwrap().path());
    // Cargo's own file is no configuration of ours.
    entries
        .filter(|path| path.extension().is_some_and(|it| it == "toml"))
        .filter(|path| !path.ends_with("Cargo.toml"))
        .collect()
}

/// The files of the examples, by the example's name.
fn examples() -> BTreeMap<String, PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let files = entries.map(|entry| {
        (entry.file_name().into_string().unwrap(), entry.path().join("plimsoll.toml"))
    });
    files.filter(|(_, file)| file.exists()).collect()
}

/// The environment of this process, where every secret is set.
fn with_secrets() -> Environment {
    let variable = |name: &str| {
        let secret = || name.ends_with("_SECRET").then(|| "0".repeat(64).into());
        std::env::var_os(name).or_else(secret)
    };
    Environment { variable, ..Environment::of_process() }
}

/// What a file says, without what it says to people.
fn bare(text: &str) -> String {
    let lines = text.lines().map(str::trim_end);
    let lines = lines.filter(|line| !line.is_empty() && !line.trim_start().starts_with('#'));
    lines.collect::<Vec<_>>().join("\n")
}

/// All that is wrong, but for certificates that are nowhere here.
fn faults(error: Option<LoadError>) -> Vec<String> {
    match error {
        None => Vec::new(),
        Some(LoadError::Invalid(diagnostics)) => {
            let faults = diagnostics.iter().filter(|fault| fault.code != Code::UnreadableFile);
            faults.map(|fault| format!("{fault:?}")).collect()
        }
        Some(error) => vec![format!("{error:?}")],
    }
}

#[test]
fn a_page_whose_file_needs_certificates_says_where_to_get_some() {
    let mut seen = 0;
    for path in pages() {
        let page = fs::read_to_string(&path).unwrap();
        if blocks(&page).any(|block| block.contains("cert = ")) {
            seen += 1;
            assert!(page.contains("openssl req"), "{}", path.display());
        }
    }
    assert!(seen >= 2, "only {seen} pages have certificates");
}

#[test]
fn every_file_and_every_part_of_one_is_laid_out() {
    let mut blocks_seen = 0;
    for path in all_pages() {
        let page = fs::read_to_string(&path).unwrap();
        for block in blocks(&page) {
            blocks_seen += 1;
            assert_eq!(block, laid_out(block, &path), "{}", path.display());
        }
    }
    assert!(blocks_seen >= 70, "only {blocks_seen} were found");
    let examples = examples().into_values().flat_map(|file| files_of(file.parent().unwrap()));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for file in examples.chain([root.join("packaging/plimsoll.toml")]) {
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(text, laid_out(&text, &file), "{}", file.display());
    }
}

/// This one, in which the secrets of the guide are set.
fn environment() -> Environment {
    let variable = |name: &str| {
        let is_secret = name.starts_with("HMAC_") || name.ends_with("_SECRET");
        std::env::var_os(name).or_else(|| is_secret.then(|| "x".repeat(64).into()))
    };
    Environment { variable, ..Environment::of_process() }
}

#[test]
fn every_file_in_the_guide_loads() {
    let room = tempfile::tempdir().unwrap();
    let mut loaded = 0;
    for path in pages() {
        let page = fs::read_to_string(&path).unwrap();
        for block in blocks(&page) {
            let file = room.path().join("plimsoll.toml");
            fs::write(&file, block).unwrap();
            let faults = faults(load(&file, &environment()).err());
            assert!(faults.is_empty(), "{}:\n{block}\n{faults:#?}", path.display());
            loaded += 1;
        }
    }
    assert!(loaded >= 9, "only {loaded} files were found");
}

/// What the README says is not there yet, and the key that will be there when it is.
const NOT_YET: [(&str, &str, &str); 12] = [
    ("TLS to servers", "services", "tls"),
    ("containers", "services", "image"),
    ("authentication by signed tokens", "auth", "jwt"),
    ("API keys", "auth", "api_key"),
    ("passwords", "auth", "basic"),
    ("HMAC", "auth", "hmac"),
    ("forward authentication", "auth", "forward"),
    ("rate limits", "routes", "limit"),
    ("CORS", "routes", "cors"),
    ("caching", "routes", "cache"),
    ("compression", "routes", "compress"),
    ("serving files", "routes", "files"),
];

/// Whether there is such a key anywhere below.
fn has_key(schema: &Value, key: &str) -> bool {
    match schema {
        Value::Object(members) => members.iter().any(|(name, below)| {
            (name == "properties" && below.get(key).is_some()) || has_key(below, key)
        }),
        Value::Array(members) => members.iter().any(|below| has_key(below, key)),
        _ => false,
    }
}

#[test]
fn what_the_readme_says_is_not_there_yet_has_no_key() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let table = readme.split("| it does | it does not yet |").nth(1).unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let cells: Vec<[&str; 2]> = rows
        .map(|row| {
            let mut cells = row.trim_matches('|').split(" | ");
            [cells.next().unwrap(), cells.next().unwrap()]
        })
        .collect();
    let schema = fs::read_to_string(root.join("docs/reference/schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    for (word, table, key) in NOT_YET {
        let is_there = has_key(&schema["properties"][table], key);
        let column = cells.iter().find_map(|cells| cells.iter().position(|it| it.contains(word)));
        let expected = if is_there { Some(0) } else { Some(1) };
        assert_eq!(column, expected, "{word}: `{key}` of {table} is there: {is_there}");
    }
}

#[test]
fn every_example_has_a_file_that_loads() {
    let examples = examples();
    for file in examples.values().flat_map(|file| files_of(file.parent().unwrap())) {
        let faults = faults(load(&file, &with_secrets()).err());
        assert!(faults.is_empty(), "{}: {faults:#?}", file.display());
    }
    assert!(examples.len() >= 10, "{examples:?}");
}

#[test]
fn every_file_of_a_framework_is_that_of_an_example() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let examples = examples();
    let mut shown = BTreeSet::new();
    for path in pages().iter().filter(|path| path.parent().unwrap().ends_with("frameworks")) {
        let page = fs::read_to_string(path).unwrap();
        for block in blocks(&page) {
            let is_it = |file: &PathBuf| bare(&fs::read_to_string(file).unwrap()) == bare(block);
            let has_it = |file: &PathBuf| files_of(file.parent().unwrap()).iter().any(is_it);
            // Two examples may have the same file.
            let names = examples.iter().filter(|(name, file)| has_it(file) && page.contains(*name));
            let names: Vec<&String> = names.map(|(name, _)| name).collect();
            assert!(!names.is_empty(), "{}: no example has\n{block}", path.display());
            shown.extend(names.into_iter().cloned());
        }
    }
    for (name, page) in [("grpc", "grpc.md"), ("gateway", "replacing-a-gateway.md")] {
        let page = fs::read_to_string(root.join("docs/guide").join(page)).unwrap();
        assert!(page.contains(&format!("examples/{name}")), "{name}");
        shown.insert(name.to_owned());
    }
    let missing: Vec<&String> = examples.keys().filter(|name| !shown.contains(*name)).collect();
    assert!(missing.is_empty(), "no page shows {missing:?}");
}

#[test]
fn the_servers_own_settings_stand_in_the_pages_as_in_the_examples() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (page, file) in [("python.md", "flask/gunicorn.conf.py"), ("ruby.md", "sinatra/puma.rb")] {
        let page = fs::read_to_string(root.join("docs/guide/frameworks").join(page)).unwrap();
        let file = fs::read_to_string(root.join("examples").join(file)).unwrap();
        let settings = file.lines().filter(|line| line.contains(' '));
        let is_setting = |line: &&str| !line.starts_with(['#', '"']) && !line.starts_with("import");
        for line in settings.filter(is_setting) {
            assert!(page.contains(&format!("\n    {line}\n")), "the page lacks {line}");
        }
    }
}

#[test]
fn a_page_that_reads_the_log_by_jq_writes_it_as_json() {
    let mut seen = 0;
    for path in pages() {
        let page = fs::read_to_string(&path).unwrap();
        for line in page.lines().filter(|line| line.starts_with("    jq ")) {
            seen += 1;
            let file = line.rsplit(' ').next().unwrap();
            let block = blocks(&page).find(|block| block.contains(&format!("access = \"{file}\"")));
            let block = block.unwrap_or_else(|| panic!("{}: {line}", path.display()));
            assert!(block.contains("format = \"json\""), "{}: {line}", path.display());
        }
    }
    assert!(seen >= 2, "only {seen} commands read the log");
}

/// White space apart, as a rule may stand on several lines.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_query_in_the_guide_is_one_of_the_alerts_that_are_tested() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide");
    let alerts = words(&fs::read_to_string(guide.join("prometheus/alerts.yml")).unwrap());
    let page = fs::read_to_string(guide.join("observability.md")).unwrap();
    let is_query = |line: &&str| line.starts_with("    ") && line.contains("plimsoll_");
    let queries: Vec<&str> = page.lines().filter(is_query).collect();
    assert_eq!(queries.len(), 5, "{queries:#?}");
    for query in queries {
        assert!(alerts.contains(&words(query)), "alerts.yml lacks {query}");
    }
}
