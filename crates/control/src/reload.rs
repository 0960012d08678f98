//! Why a configuration was not taken up.

use config::{Diagnostic, LoadError, Severity};
use model::Revision;

use crate::chain::chain;
use crate::ended::Ended;
use crate::prepare::PrepareError;

/// Why a configuration was not taken up. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// It is wrong.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// It could not be put into effect.
    #[error(transparent)]
    Publish(#[from] edge::PublishError),
    /// It was taken up before, and rolled back.
    #[error(
        "this configuration was rolled back as revision {revision}: {why}; change the file, or `plimsoll reload --anyway`"
    )]
    RolledBack {
        /// As which revision it was served.
        revision: Revision,
        /// Why it was rolled back.
        why: String,
    },
    /// The control loop has ended.
    #[error(transparent)]
    Ended(#[from] Ended),
}

impl ReloadError {
    /// Why, in one line: of several faults in a file the first.
    pub fn why(&self) -> String {
        let text = chain(self);
        let Self::Prepare(PrepareError::Config(LoadError::Invalid(faults))) = self else {
            return text;
        };
        let is_error = |fault: &&Diagnostic| fault.code.severity() == Severity::Error;
        let Some(first) = faults.iter().find(is_error) else { return text };
        let more = match faults.count(Severity::Error) {
            0 | 1 => String::new(),
            count => format!(" (the first of {count} errors)"),
        };
        let line = first.place.line;
        let place = match &*first.place.file {
            file if file == faults.origin() => format!("line {line}"),
            file => format!("{file}, line {line}"),
        };
        format!("{text}: {place}: {}{more}", first.what)
    }
}
