//! A program that starts instances and is killed before it can end them.

use std::path::PathBuf;
use std::process::ExitCode;

use driver::port::Ports;
use driver::{
    Command, Composed, Driver, Environment, Launch, Launcher, ProcessDriver, ProcessLogs,
    ProcessStart, Upkeep,
};

#[path = "../process/record_line.rs"]
mod record_line;

/// `DIRECTORY COUNT (run | hold) [SCRIPT]`: starts instances with their logs in the directory, or
/// only prepares them; prints a record a line, then `ready`. The script goes before the serving.
pub(super) fn own(arguments: &[String]) -> ExitCode {
    let directory = PathBuf::from(&arguments[0]);
    let count: usize = arguments[1].parse().expect("a number of instances");
    let is_held = arguments[2] == "hold";
    let script = arguments.get(3).map_or("", String::as_str);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let driver = ProcessDriver::new(
            Launcher::this_program(["launch"]),
            Ports::default(),
            ProcessLogs::of(&directory),
        );
        let mut held_back = Vec::new();
        for number in 1..=count {
            let held = driver.prepare(launch(&directory, number, script)).await.expect("prepared");
            println!("{}", record_line::write(held.record()));
            match is_held {
                true => held_back.push(held),
                false => drop(held.release().await.expect("released")),
            }
        }
        println!("ready");
        super::wait_for_the_end()
    })
}

fn launch(directory: &std::path::Path, number: usize, script: &str) -> Launch {
    let actor = std::env::current_exe().expect("this program");
    // It says that it ran before it does anything else.
    let script = format!("touch ran-{number}; {script} exec '{}' serve", actor.display());
    Launch {
        service: "api".into(),
        instance: format!("api-{number}").into(),
        version: "1".into(),
        composed: Composed::Process(ProcessStart {
            command: Command::Shell(script),
            directory: directory.to_owned(),
            environment: Environment::of_this_process(),
            account: None,
        }),
        upkeep: Upkeep::default(),
    }
}
