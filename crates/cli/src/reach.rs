//! Which servers do not respond yet, and what is to be done about it. It takes no longer than [`LOOKUP_PATIENCE`] for
//! names and [`PATIENCE`] for each address, of which no more than [`ADDRESSES_MAX`] are tried; all servers are tried at
//! once.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc::channel;
use std::time::Duration;

/// How long a server has for taking a connection.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long a name has for being looked up. The system's resolver gives up later, where no server of names responds.
const LOOKUP_PATIENCE: Duration = Duration::from_secs(2);
/// How many addresses of one name are tried.
const ADDRESSES_MAX: usize = 4;
/// How many are tried at once.
const AT_ONCE: usize = 64;

/// A server that takes no connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The server.
    pub(crate) target: String,
    /// Why not.
    pub(crate) reach: Reach,
}

/// Why a server was not reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Its name has no address.
    NoSuchName,
    /// Nothing says in time which address it has.
    NameUnanswered,
    /// Nothing listens.
    Refused,
    /// Nothing comes back.
    Silent,
    /// No packet gets there.
    NoWay,
}

impl Reach {
    /// It, with its cure.
    pub(crate) fn told(self) -> &'static str {
        match self {
            Self::NoSuchName => "the name cannot be looked up: is it right?",
            Self::NameUnanswered => {
                "the name is not looked up in time: does this machine's DNS respond?"
            }
            Self::Refused => {
                "nothing listens there yet: start it, and it gets requests as soon as it takes connections"
            }
            Self::Silent => {
                "no response: is the address right, and does no firewall stand in between?"
            }
            Self::NoWay => "this machine has no way there: is the address right?",
        }
    }
}

/// Those of `targets`, each a host with a port, that take no connection.
pub(crate) fn faults(targets: &[String]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for some in targets.chunks(AT_ONCE) {
        std::thread::scope(|scope| {
            let tries: Vec<_> =
                some.iter().map(|target| (target, scope.spawn(|| try_it(target)))).collect();
            for (target, tried) in tries {
                if let Ok(Err(reach)) = tried.join() {
                    faults.push(Fault { target: target.clone(), reach });
                }
            }
        });
    }
    faults
}

/// Connects to the first of its addresses that takes a connection.
fn try_it(target: &str) -> Result<(), Reach> {
    let resolve = |target: String| target.to_socket_addrs().map(Iterator::collect);
    let addresses = in_time(LOOKUP_PATIENCE, target, resolve)?;
    let mut last = Reach::NoSuchName;
    for address in addresses.into_iter().take(ADDRESSES_MAX) {
        last = match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(_) => return Ok(()),
            Err(error) => match error.kind() {
                io::ErrorKind::ConnectionRefused => Reach::Refused,
                io::ErrorKind::TimedOut => Reach::Silent,
                _ => Reach::NoWay,
            },
        };
    }
    Err(last)
}

/// The addresses that `resolve` finds of `target` within `patience`. Where it finds none in time, its thread stays
/// behind until it gives up.
fn in_time(
    patience: Duration,
    target: &str,
    resolve: impl FnOnce(String) -> io::Result<Vec<SocketAddr>> + Send + 'static,
) -> Result<Vec<SocketAddr>, Reach> {
    // Nothing is looked up.
    if let Ok(address) = target.parse() {
        return Ok(vec![address]);
    }
    let (told, found) = channel();
    let target = target.to_owned();
    std::thread::spawn(move || {
        // Nobody may wait for it any more.
        let _ = told.send(resolve(target));
    });
    let found = found.recv_timeout(patience).map_err(|_| Reach::NameUnanswered)?;
    found.map_err(|_| Reach::NoSuchName)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_name_that_nothing_looks_up_is_not_waited_for() {
        let (end, never) = channel::<()>();
        let hangs = move |_| {
            let _ = never.recv();
            Ok(Vec::new())
        };
        let patience = Duration::from_millis(10);
        assert_eq!(in_time(patience, "db.example:1", hangs), Err(Reach::NameUnanswered));
        drop(end);
    }

    #[test]
    fn a_server_that_is_down_is_found_and_one_that_is_up_is_not() {
        let up = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = up.local_addr().unwrap().to_string();
        let targets = [address.clone(), "no-such.invalid:1".to_owned()];
        let fault = |target: &String, reach| Fault { target: target.clone(), reach };
        assert_eq!(faults(&targets), [fault(&targets[1], Reach::NoSuchName)]);
        drop(up);
        let both = [fault(&address, Reach::Refused), fault(&targets[1], Reach::NoSuchName)];
        assert_eq!(faults(&targets), both);
    }
}
