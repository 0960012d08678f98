//! The control loop with a real edge in front of real sockets: what happens to requests when
//! instances die, names move and configurations change.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod bans;
mod bench;
mod certificates;
mod checks;
mod drains;
mod edges;
mod events;
mod explanations;
mod instances;
mod internal;
mod issuers;
mod jobs;
mod limits;
mod names;
mod ordering;
mod outliers;
mod redis;
mod reloads;
mod service_tls;
mod signed;
mod store;
mod tasks;
mod turned;
mod watched;
mod wildcards;
