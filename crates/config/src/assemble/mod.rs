//! From the texts of a configuration to the one tree that is read: files that are included are
//! joined, variables are substituted, and tables take their defaults. What the values mean is not
//! known here; which form they have, the descriptions in `schema` say.

use toml::Spanned;
use toml::de::DeTable;

use crate::environment::Environment;
use crate::faults::Faults;
use crate::sources::Sources;
use crate::syntax::{Document, Mistakes};

mod arena;
mod defaults;
mod glob;
mod include;
mod resolved;
mod variables;

pub(crate) use arena::Arena;
pub(crate) use include::{KEY as INCLUDE, gather};
pub(crate) use resolved::resolved;

/// A configuration as it is read.
pub(crate) struct Assembled<'a> {
    /// Everything that could be read.
    pub(crate) tree: Spanned<DeTable<'a>>,
    /// What is wrong with each file as TOML.
    pub(crate) mistakes: Vec<Mistakes>,
}

/// Makes one tree of `sources`. Numbers that come from variables are kept in `arena`.
pub(crate) fn assemble<'a>(
    sources: &Sources<'a>,
    environment: &Environment,
    arena: &'a Arena,
    faults: &Faults<'a>,
) -> Assembled<'a> {
    let mut documents =
        sources.texts().map(|(base, lines)| Document::parse(base, lines).into_parts());
    let (mut tree, first) = documents.next().expect("there is the configuration itself");
    let mut mistakes = vec![first];
    for (part, mistake) in documents {
        include::join(tree.get_mut(), part.into_inner(), faults);
        mistakes.push(mistake);
    }
    variables::substitute(tree.get_mut(), environment, arena, faults);
    defaults::fill_in(tree.get_mut(), faults);
    Assembled { tree, mistakes }
}
