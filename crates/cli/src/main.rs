//! The program `plimsoll`: takes its command line apart and runs the command.
//!
//! One file for each command stands under `commands`; what goes wrong is a [`Failure`], and its
//! kind decides the exit code. Nothing is decided here that the crates below could decide.

mod arguments;
mod canvas;
mod certificates;
mod commands;
mod demo;
mod exit;
mod failure;
mod foreign;
mod limits;
mod location;
mod logging;
mod open;
mod output;
mod progress;
mod quantity;
mod screen;
mod signals;
mod table;

use std::process::ExitCode;

use clap::Parser;

use arguments::Arguments;
use failure::Failure;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The first argument by which this program, run once more, becomes an instance.
const LAUNCH: &str = "--launch-instance";

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == LAUNCH) {
        return driver::process::launcher::run(words);
    }
    let arguments = Arguments::parse();
    arguments.command.run().unwrap_or_else(Failure::report).into()
}
