//! Which servers do not respond yet, and what is to be done about it. It delays no start by more than [`PATIENCE`].

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use model::Intent;

/// How long a server has for taking a connection.
const PATIENCE: Duration = Duration::from_millis(500);

/// What is wrong with each server that takes no connection, with its cure.
pub(super) fn faults(intent: &Intent) -> Vec<String> {
    let targets = intent.services.values().flat_map(|service| &service.targets);
    let targets: Vec<String> = targets.map(|target| target.name.to_string()).collect();
    std::thread::scope(|scope| {
        let tries: Vec<_> =
            targets.iter().map(|target| scope.spawn(|| fault(target, try_it(target)))).collect();
        tries.into_iter().filter_map(|tried| tried.join().ok().flatten()).collect()
    })
}

/// Connects to the first of its addresses that takes a connection.
fn try_it(target: &str) -> Result<(), Tried> {
    let addresses: Vec<SocketAddr> =
        target.to_socket_addrs().map_err(|_| Tried::NoSuchName)?.collect();
    let mut last = Tried::NoSuchName;
    for address in addresses {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(_) => return Ok(()),
            Err(error) => last = Tried::Failed(error.kind()),
        }
    }
    Err(last)
}

/// Why a server was not reached.
enum Tried {
    NoSuchName,
    Failed(io::ErrorKind),
}

fn fault(target: &str, tried: Result<(), Tried>) -> Option<String> {
    let what = match tried.err()? {
        Tried::NoSuchName => "the name cannot be looked up: is it right?",
        Tried::Failed(io::ErrorKind::ConnectionRefused) => {
            "nothing listens there yet: start it, and it gets requests as soon as it takes connections"
        }
        Tried::Failed(io::ErrorKind::TimedOut) => {
            "no response: is the address right, and does no firewall stand in between?"
        }
        Tried::Failed(_) => "this machine has no way there: is the address right?",
    };
    Some(format!("{target}: {what}"))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_server_that_is_down_is_told_with_its_cure_and_one_that_is_up_is_not() {
        let up = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = up.local_addr().unwrap().to_string();
        assert_eq!(fault(&address, try_it(&address)), None);
        drop(up);
        let told = fault(&address, try_it(&address)).unwrap();
        assert!(told.starts_with(&address) && told.contains("nothing listens there yet"), "{told}");
        let told = fault("no-such.invalid:1", try_it("no-such.invalid:1")).unwrap();
        assert!(told.contains("cannot be looked up"), "{told}");
    }
}
