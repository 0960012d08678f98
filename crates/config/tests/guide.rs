//! Every file that the guide and the README show is one that loads.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::fs;
use std::path::{Path, PathBuf};

use config::{Code, Environment, LoadError, load};

fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let guide = fs::read_dir(root.join("docs/guide")).unwrap().map(|entry| entry.unwrap().path());
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
