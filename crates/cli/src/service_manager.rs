//! What the service manager that started this process is told, by the protocol of sd_notify(3).
//!
//! systemd waits for it (`Type=notify`), so that `systemctl start` fails where Plimsoll cannot serve, and gives it
//! the time to drain that the configuration says. Nothing here may fail the program, which serves whether or not
//! anybody listens. Instances have a socket of their own, by the driver.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use model::Intent;

/// The variable that names the manager's socket; absent where nobody listens.
const SOCKET: &str = "NOTIFY_SOCKET";
/// A manager that does not read for so long is not waited for.
const PATIENCE: Duration = Duration::from_secs(1);
/// What remains to be done when everything is drained and stopped: the journal and the sockets close.
const CLOSING: Duration = Duration::from_secs(10);

/// What it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Listeners are open; services that Plimsoll runs may still be starting.
    Serving,
    /// It ends, and needs no longer than this.
    Draining(Duration),
}

impl State {
    /// The end of a Plimsoll that serves `intent`.
    pub(crate) fn draining(intent: &Intent) -> Self {
        let runs = intent.services.values().filter_map(|service| service.run.as_ref());
        let stop = runs.map(|run| run.stop.timeout).max().unwrap_or_default();
        Self::Draining(intent.server.drain.saturating_add(stop).saturating_add(CLOSING))
    }

    fn message(self) -> String {
        match self {
            Self::Serving => "READY=1\nSTATUS=serving".to_owned(),
            Self::Draining(within) => {
                let us = within.as_micros();
                format!("STOPPING=1\nSTATUS=draining\nEXTEND_TIMEOUT_USEC={us}")
            }
        }
    }
}

/// Tells the manager, if there is one.
pub(crate) fn tell(state: State) {
    let Some(name) = std::env::var_os(SOCKET) else { return };
    if let Err(error) = send(&name, &state.message()) {
        tracing::warn!(socket = ?name, %error, "cannot tell the service manager");
    }
}

fn send(name: &OsStr, message: &str) -> io::Result<()> {
    let address = match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.send_to_addr(message.as_bytes(), &address).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_sockets_are_told_and_none_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify.sock");
        assert!(send(path.as_os_str(), "x").is_err(), "nobody listens");
        let name = format!("plimsoll/test/{}", std::process::id());
        let hidden = SocketAddr::from_abstract_name(&name).unwrap();
        for (name, address) in [
            (path.as_os_str().to_owned(), SocketAddr::from_pathname(&path).unwrap()),
            (format!("@{name}").into(), hidden),
        ] {
            let manager = UnixDatagram::bind_addr(&address).unwrap();
            send(&name, &State::Serving.message()).unwrap();
            let mut told = [0; 64];
            let length = manager.recv(&mut told).unwrap();
            assert_eq!(&told[..length], b"READY=1\nSTATUS=serving");
        }
    }

    #[test]
    fn the_time_to_end_is_the_drain_and_the_slowest_stop() {
        let environment = config::Environment::fixed();
        let origin = config::Origin { name: "a".to_owned(), dir: "/srv".into(), environment };
        let draining = |services: &str| {
            let file = format!(
                "[server]\ndrain = \"1m\"\n[listeners.a]\nbind = \"127.0.0.1:0\"\n{services}\
                 [[routes]]\nrespond = {{ status = 200 }}\n"
            );
            State::draining(&config::parse(&file, &origin).unwrap().intent)
        };
        assert_eq!(draining(""), State::Draining(Duration::from_secs(70)));
        let services = "[services.a]\ncommand = \"a\"\nversion = \"1\"\nstop = { timeout = \"5s\" }\n\
                        [services.b]\ncommand = \"b\"\nversion = \"1\"\nstop = { timeout = \"40s\" }\n";
        assert_eq!(draining(services), State::Draining(Duration::from_secs(110)));
        let text = draining("").message();
        assert!(text.ends_with("\nEXTEND_TIMEOUT_USEC=70000000"), "{text}");
    }
}
