//! The committed reference is the one that the enums make. `UPDATE_REFERENCE=1 cargo test -p
//! telemetry` writes it anew.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::fs;
use std::path::Path;

fn compare(name: &str, made: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference");
    let path = folder.join(name);
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        fs::create_dir_all(folder).unwrap();
        fs::write(path, made).unwrap();
        return;
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let is_same = committed == made;
    assert!(is_same, "docs/reference/{name} is old: UPDATE_REFERENCE=1 cargo test -p telemetry");
}

#[test]
fn the_committed_metrics_are_what_the_enums_make() {
    compare("metrics.md", &telemetry::reference::metrics());
}

#[test]
fn the_committed_access_log_is_what_the_enums_make() {
    compare("access-log.md", &telemetry::reference::access_log());
}

#[test]
fn the_committed_events_are_what_the_table_makes() {
    compare("events.md", &telemetry::reference::events());
}
