//! Every link in the documentation leads to a file that is there, and to a heading that it has. Links to other sites are
//! not followed.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::fs;
use std::path::{Path, PathBuf};

/// Where the pages are; below these no folder is looked into but those that are named.
const FOLDERS: [&str; 8] = [
    "",
    "docs",
    "docs/guide",
    "docs/guide/frameworks",
    "docs/decisions",
    "docs/reference",
    "examples",
    "bench",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn pages() -> Vec<PathBuf> {
    let examples = fs::read_dir(root().join("examples")).unwrap().map(|it| it.unwrap().path());
    let folders = FOLDERS.iter().map(|folder| root().join(folder));
    let folders = folders.chain(examples.filter(|path| path.is_dir()));
    let entries = folders.flat_map(|folder| fs::read_dir(folder).unwrap());
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|it| it == "md")).collect()
}

/// The page without its files and other blocks of code.
fn prose(page: &str) -> String {
    page.split("```").step_by(2).collect()
}

/// What stands behind the texts of links.
fn links(prose: &str) -> Vec<&str> {
    let behind = prose.split("](").skip(1);
    behind.filter_map(|rest| rest.split_once(')').map(|(link, _)| link)).collect()
}

/// How a heading is named in a link.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|char| char.is_alphanumeric() || " -_".contains(*char));
    kept.collect::<String>().trim().to_lowercase().replace(' ', "-")
}

fn has_heading(page: &Path, wanted: &str) -> bool {
    let text = prose(&fs::read_to_string(page).unwrap());
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#'))).any(|name| name == wanted)
}

#[test]
fn every_link_leads_somewhere() {
    let mut seen = 0;
    for page in pages() {
        let text = prose(&fs::read_to_string(&page).unwrap());
        for link in links(&text).into_iter().filter(|link| !link.contains("://")) {
            seen += 1;
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => page.clone(),
                path => page.parent().unwrap().join(path),
            };
            assert!(target.exists(), "{}: {link}", page.display());
            let is_there = heading.is_empty() || has_heading(&target, heading);
            assert!(is_there, "{}: {link} names no heading", page.display());
        }
    }
    assert!(seen >= 150, "only {seen} links were found");
}

#[test]
fn headings_are_named_as_a_page_shows_them() {
    assert_eq!(anchor(" `[services.NAME.queue]`"), "servicesnamequeue");
    assert_eq!(anchor(" Pages of other origins: CORS"), "pages-of-other-origins-cors");
    assert_eq!(links("[a](b.md#c) and [d](https://e)"), ["b.md#c", "https://e"]);
}
