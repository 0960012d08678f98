//! Instances on other machines, which are reached by the user's own `ssh`: with that one's configuration, keys, agent, jump hosts
//! and known hosts.
//!
//! A host has one connection ([`SshHost`]). What starts instances there is a driver of their kind, which is made for the host;
//! [`Hosts`] has one for each, and passes each call on to the right one. The reasons are in decision 0128.
//!
//! | to know | read |
//! | --- | --- |
//! | how a host is connected to, and what when that fails | [`host`], `connection`, `shell` |
//! | where a host is | `address` |
//! | on which host an instance runs | `spread`, [`hosts`] |
//! | which hosts ever had one | `known` |

mod address;
mod connection;
pub mod host;
pub mod hosts;
mod known;
mod shell;
mod spread;

pub use host::SshHost;
pub use hosts::Hosts;
