//! Every file that the guide and the README show is one that loads.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::fs;
use std::path::{Path, PathBuf};

use config::{Code, Environment, LoadError, load};

fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let guide = fs::read_dir(root.join("docs/guide")).unwrap().map(|entry| entry.unwrap().path());
    let guide = guide.filter(|path| path.extension().is_some_and(|it| it == "md"));
    guide.chain([root.join("README.md")]).collect()
}

/// The blocks between the fences of TOML.
fn blocks(page: &str) -> impl Iterator<Item = &str> {
    page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap())
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
fn every_file_in_the_guide_loads() {
    let room = tempfile::tempdir().unwrap();
    let mut loaded = 0;
    for path in pages() {
        let page = fs::read_to_string(&path).unwrap();
        for block in blocks(&page) {
            let file = room.path().join("plimsoll.toml");
            fs::write(&file, block).unwrap();
            let faults = faults(load(&file, &Environment::of_process()).err());
            assert!(faults.is_empty(), "{}:\n{block}\n{faults:#?}", path.display());
            loaded += 1;
        }
    }
    assert!(loaded >= 9, "only {loaded} files were found");
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
    assert_eq!(queries.len(), 4, "{queries:#?}");
    for query in queries {
        assert!(alerts.contains(&words(query)), "alerts.yml lacks {query}");
    }
}
