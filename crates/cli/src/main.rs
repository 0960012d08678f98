//! The program `plimsoll`: takes its command line apart and runs the command.
//!
//! One file for each command stands under `commands`; what goes wrong is a [`Failure`], and its
//! kind decides the exit code. Nothing is decided here that the crates below could decide.

#[cfg(not(target_os = "linux"))]
compile_error!("Plimsoll runs on Linux only: on other systems build and run it in a container");

mod arguments;
mod canvas;
mod certificates;
mod commands;
mod demo;
mod drivers;
mod endpoint;
mod exit;
mod failure;
mod foreign;
#[cfg(test)]
mod guide;
mod here;
mod instance_goal;
mod limits;
mod location;
mod logging;
mod open;
mod options;
mod output;
mod own_process;
mod progress;
mod quantity;
mod reach;
mod regular_file;
mod screen;
mod sealed;
mod secret_file;
mod service_manager;
mod signals;
mod start;
mod table;
mod unreached;
mod who;
mod whole_file;
mod width;

use std::process::ExitCode;

use clap::Parser;

use commands::sample;
use failure::Failure;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The first argument by which this program, run once more, becomes an instance.
const LAUNCH: &str = "--launch-instance";
/// The first argument by which it becomes a server of the demonstration. No help names it, and it is
/// never suggested.
const SAMPLE: &str = "sample";

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    let first = words.next();
    if first.as_ref().is_some_and(|word| word == LAUNCH) {
        return driver::process::launcher::run(words);
    }
    let run = match first {
        Some(word) if word == SAMPLE => {
            let words = std::iter::once(word).chain(words);
            sample::run(sample::Options::parse_from(words))
        }
        _ => arguments::parse().run(),
    };
    run.unwrap_or_else(Failure::report).into()
}
