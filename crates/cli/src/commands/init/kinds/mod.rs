//! What kinds of services are known, a file for each: by which files one is known, and how it is run well behind a load
//! balancer. What frameworks need stands in docs/guide/frameworks; here is what of it can be proposed.

mod compose;
mod docker;
mod go;
mod java;
mod node;
mod procfile;
mod python;
mod ruby;
mod rust;
mod site;

use super::folder::Folder;
use super::proposal::Proposal;

/// A kind of service: what is proposed for a directory, if one lies there.
type Kind = fn(&dyn Folder) -> Option<Proposal>;

/// The most telling first: what says how a service starts, then what it is made with, then what it may be run by.
const KINDS: [Kind; 9] = [
    python::find,
    ruby::find,
    java::find,
    node::find,
    go::find,
    rust::find,
    compose::find,
    docker::find,
    site::find,
];

/// What lies in `folder` that says nothing of how a service starts, though it might have: each with why not.
pub(super) fn passed_over(folder: &dyn Folder) -> Vec<String> {
    [node::passed_over(folder), procfile::passed_over(folder), compose::passed_over(folder)]
        .into_iter()
        .flatten()
        .collect()
}

/// What is proposed for what lies in `folder`; none where nothing is known.
pub(super) fn find(folder: &dyn Folder) -> Option<Proposal> {
    let found = KINDS.iter().find_map(|kind| kind(folder));
    procfile::apply(folder, found)
}
