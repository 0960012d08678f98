//! What happens in the demonstration, for people and for programs.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::Serialize;

/// One thing that happened.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Happening {
    /// Everything runs.
    Began { address: SocketAddr, servers: [(&'static str, SocketAddr); 2], rate: u32 },
    /// The balancer thinks otherwise of a server than before.
    Stands { server: &'static str, standing: String, reason: String },
    /// A server was killed.
    Killed { server: &'static str, pid: u32 },
    /// It runs again.
    StartedAgain { server: &'static str },
    /// A scene is over.
    Counted { sent: u64, failed: u64, by: BTreeMap<String, u64> },
}

impl Happening {
    /// As people are told.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Began { address, servers, rate } => {
                let servers = servers.map(|(name, address)| format!("{name} ({address})"));
                format!(
                    "servers {} run; the balancer listens on http://{address}; a client sends \
                     {rate} requests a second",
                    servers.join(" and ")
                )
            }
            Self::Stands { server, standing, reason } if reason.is_empty() => {
                format!("the balancer sees {server} as {standing}")
            }
            Self::Stands { server, standing, reason } => {
                format!("the balancer sees {server} as {standing}: {reason}")
            }
            Self::Killed { server, pid } => {
                format!("server {server} is killed (kill -9 {pid}), with requests on it")
            }
            Self::StartedAgain { server } => {
                format!("server {server} is started again")
            }
            Self::Counted { sent, failed, by } => {
                let by = by.iter().map(|(server, count)| format!("{server} {count}"));
                let by = by.collect::<Vec<_>>().join(", ");
                format!("{sent} requests so far, {failed} failed; answered by: {by}")
            }
        }
    }
}
