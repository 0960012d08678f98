//! Programs of others that some tests need: where one is missing, such a test is left out with a word, or fails.

use std::path::PathBuf;

/// Whether this machine has all of `programs` in its `PATH`. A test that needs one which is missing says so and ends.
///
/// # Panics
/// With `PLIMSOLL_REQUIRE=1`, when one is missing.
#[expect(clippy::print_stderr, reason = "a test that is left out says so")]
pub fn has(programs: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let is_missing = |program: &&&str| !directories.iter().any(|it| it.join(program).is_file());
    let Some(missing) = programs.iter().find(is_missing) else { return true };
    let is_required = std::env::var_os("PLIMSOLL_REQUIRE").is_some_and(|it| it == "1");
    assert!(!is_required, "this machine lacks {missing}");
    eprintln!("skipped: this machine lacks {missing}");
    false
}
