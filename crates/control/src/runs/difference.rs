//! Where the file says otherwise than what runs, which only a deploy can mend.

use std::fmt;

use model::ServiceName;

use super::ServiceRun;

/// A service whose running release differs from the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The service.
    pub service: ServiceName,
    /// The release that runs, or is coming.
    pub runs: String,
    /// The version that the file has come to name since that was deployed; `None` where it is the recipe alone
    /// that differs.
    pub file: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, runs, file } = self;
        match file {
            Some(file) => write!(
                f,
                "the file says version {file}, {runs} runs: \"plimsoll deploy {service} {file}\" replaces it"
            ),
            None => write!(
                f,
                "{runs} runs with another command or environment than the file says: \
                 \"plimsoll deploy {service} {runs}\" applies it"
            ),
        }
    }
}

impl ServiceRun {
    /// Whether the file says otherwise than what runs, or is to run. A version that the file named already when
    /// this was deployed is no news: who deploys by hand need not write it into the file.
    pub(crate) fn difference(&self) -> Option<Difference> {
        let (release, run) = (self.releases().last()?, self.run());
        let is_new = |version: &&String| {
            **version != release.version && Some(*version) != release.file_version.as_ref()
        };
        let file = run.version.as_ref().filter(is_new).cloned();
        let differs = file.is_some() || release.recipe != run.recipe;
        let (service, runs) = (self.service.name.clone(), release.version.clone());
        differs.then_some(Difference { service, runs, file })
    }
}
