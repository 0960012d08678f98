//! One line of what is told of a deploy: kept by the journal, shown by all who follow. How it is worded is for
//! `runs::receipt` to say.

use std::borrow::Cow;
use std::time::Duration;

use model::InstanceName;

use crate::finding::Found;

/// One thing that happened in a deploy.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Since the deploy began.
    pub at: Duration,
    /// One word for its kind.
    pub event: Cow<'static, str>,
    /// The instance that it is about, if it is about one.
    pub instance: Option<InstanceName>,
    /// What happened, in words.
    pub text: String,
    /// What the judge found, where that is what happened.
    pub finding: Option<Found>,
}
