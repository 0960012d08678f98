//! What a service runs: a version, made by a recipe.

use std::collections::BTreeSet;

use model::Recipe;

/// A release: a version as one deploy made it. Two deploys of the same version are two releases, for
/// their recipes may differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Release {
    /// The number of the deploy that made it; 0 for one of a journal that did not keep that yet.
    pub(crate) id: i64,
    pub(crate) version: String,
    /// What its instances are made of.
    pub(crate) recipe: Recipe,
    /// Names that they are given in their environment.
    pub(crate) given: BTreeSet<String>,
    /// The version that the file named when it was deployed, which need not be its own: what the file
    /// has come to say since is news, and what it said then is not.
    pub(crate) file_version: Option<String>,
}
