//! What happens in the demonstration, for people and for programs.

use std::net::SocketAddr;

use admin::Line;
use serde::Serialize;

/// One thing that happened.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Happening {
    /// Everything runs.
    Began { address: SocketAddr, release: &'static str, rate: u32 },
    /// A deploy begins.
    Deploys { release: &'static str, what: &'static str, command: &'static str },
    /// Something happened in a deploy.
    Step { step: Line },
    /// A deploy is over.
    Counted { sent: u64, failed: u64 },
}

impl Happening {
    /// As people are told.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Began { address, release, rate } => format!(
                "two servers of release {release} run behind http://{address}; \
                 a client sends {rate} requests a second"
            ),
            Self::Deploys { release, what, .. } => {
                format!("release {release}, {what}, is deployed")
            }
            Self::Step { step } => step.text.clone(),
            Self::Counted { sent, failed } => {
                format!("{sent} requests so far, {failed} failed")
            }
        }
    }

    /// What a person would type for it, where it begins a scene.
    pub(super) fn command(&self) -> Option<&'static str> {
        match self {
            Self::Deploys { command, .. } => Some(*command),
            _ => None,
        }
    }
}
