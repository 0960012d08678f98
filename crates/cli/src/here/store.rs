//! The store that edges share: whether it can be written to from here.

use config::Severity;

use super::{Finding, Notes};

pub(super) fn look(notes: &Notes<'_>) -> Vec<Finding> {
    let Some(wanted) = &notes.intent.store else { return Vec::new() };
    let Some(why) = tried(wanted) else { return Vec::new() };
    // It may be up by the time that the file is served, and what happens while it is not is the file's to say.
    let what = format!("it cannot be used from here: {why}");
    let finding = notes.finding(&["store", "redis"], "store".to_owned(), Severity::Warning, what);
    vec![finding.hint("start it, or correct `redis`, `username` or `password_env`")]
}

/// Why it cannot be used, if it cannot.
fn tried(wanted: &model::Store) -> Option<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(control::try_store(wanted)).err(),
        Err(error) => Some(error.to_string()),
    }
}
