//! What the tests start: the launcher, instances, and a program that starts instances and is killed.
//!
//! It never ends before it is told to, except where that is its part.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it is what the tests read")]

mod owner;

use std::ffi::OsString;
use std::io::{self, Write};
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::ExitCode;
use std::{env, thread};

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let part = arguments.next().unwrap_or_default();
    let rest: Vec<String> =
        arguments.by_ref().map(|part| part.to_string_lossy().into_owned()).collect();
    match part.to_str() {
        Some("launch") => driver::process::launcher::run(rest.into_iter().map(OsString::from)),
        Some("serve") => serve(&rest),
        Some("write") => write(rest[0].parse().expect("a number of lines")),
        Some("environment") => show(),
        Some("own") => owner::own(&rest),
        Some("notify") => notify(&rest),
        _ => ExitCode::from(2),
    }
}

/// Listens on `$PORT` and says hello for each connection. Without its port it ends, or stays
/// if it was told to.
fn serve(words: &[String]) -> ExitCode {
    let port = env::var("PORT").expect("the driver gives a port");
    let listener = match TcpListener::bind(format!("127.0.0.1:{port}")) {
        Ok(listener) => listener,
        Err(error) => {
            eprintln!("cannot listen: {error}");
            if words.contains(&"stay".to_owned()) {
                println!("stays");
                wait_for_the_end();
            }
            return ExitCode::from(98);
        }
    };
    println!("listening");
    for connection in listener.incoming() {
        println!("hello");
        drop(connection);
    }
    ExitCode::SUCCESS
}

/// Writes numbered lines as fast as it can, alternating between its outputs.
fn write(count: usize) -> ExitCode {
    for number in 0..count {
        let line = format!("line {number}\n");
        let written = match number % 2 {
            0 => io::stdout().write_all(line.as_bytes()),
            _ => io::stderr().write_all(line.as_bytes()),
        };
        if written.is_err() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Says these lines to the process that started it, by the protocol of sd_notify(3).
fn notify(lines: &[String]) -> ExitCode {
    let name = env::var("NOTIFY_SOCKET").expect("somebody listens");
    let name = name.strip_prefix('@').expect("the name is abstract");
    let address = SocketAddr::from_abstract_name(name).expect("it is a name");
    let socket = UnixDatagram::unbound().expect("there is a socket");
    match socket.send_to_addr(lines.join("\n").as_bytes(), &address) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot notify: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Shows what it was given, a name a line, values quoted as Rust quotes them.
fn show() -> ExitCode {
    for (name, value) in env::vars() {
        println!("{name}={value:?}");
    }
    ExitCode::SUCCESS
}

/// Never returns.
fn wait_for_the_end() -> ! {
    loop {
        thread::park();
    }
}
