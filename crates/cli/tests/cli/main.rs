//! The built program as its users meet it: what it prints, what it ends with, and how it takes
//! signals. A test stands under its command's name.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod bans;
mod certificates;
mod check;
mod completions;
mod demo;
mod deploy;
mod deploys;
mod drain;
mod events;
mod explain;
mod fmt;
mod help;
mod init;
mod limits;
mod origin;
mod pages;
mod process;
mod proxy;
mod readme;
mod reload;
mod remote;
mod run;
mod sandbox;
mod schema;
mod secrets;
mod soak;
mod status;
mod terminal;
mod transcript;
