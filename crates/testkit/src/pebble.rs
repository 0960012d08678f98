//! A CA that speaks ACME: Debian's pebble, with the server of names that comes with it. Each test starts its own, and ends it.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::{Authority, eventually, has};

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How soon a CA looks at what is to prove that a host is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looks {
    /// At once.
    AtOnce,
    /// Within so many seconds, drawn at random.
    Within(u32),
}

/// A CA. Every name leads to this machine.
pub struct Pebble {
    directory: String,
    authority: Authority,
    /// Where it looks for proofs.
    pub http: u16,
    /// The same over TLS.
    pub tls: u16,
    _programs: [Running; 2],
    _files: TempDir,
}

impl Pebble {
    /// Starts one that looks for proofs at two ports that are free; `None` where it is not installed.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(looks: Looks) -> Option<Self> {
        Self::asking(looks, None)
    }

    /// The same, which asks this DNS server, where one is given, instead of the one that comes with it.
    ///
    /// # Panics
    /// When it does not start.
    pub fn asking(looks: Looks, dns: Option<SocketAddr>) -> Option<Self> {
        if !has(&["pebble", "pebble-challtestsrv"]) {
            return None;
        }
        let authority = Authority::default();
        let own = authority.issue(&["127.0.0.1"]);
        let files = TempDir::new().expect("a directory can be made");
        // Ports that were free a moment ago: another program may have taken one.
        for _ in 0..10 {
            let [api, management, http, tls, names, tests] = ports();
            let config = format!(
                r#"{{"pebble":{{"listenAddress":"127.0.0.1:{api}","managementListenAddress":"127.0.0.1:{management}",
                "certificate":{:?},"privateKey":{:?},"httpPort":{http},"tlsPort":{tls},"ocspResponderURL":"","externalAccountBindingRequired":false}}}}"#,
                own.cert, own.key
            );
            let path = files.path().join("pebble.json");
            std::fs::write(&path, config).expect("a file can be written");
            let asked = dns.unwrap_or(SocketAddr::from(([127, 0, 0, 1], names)));
            let mut programs = [start_names(names, tests), start_ca(&path, asked, looks)];
            let ready = [api, tests].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
            let mut ended = false;
            eventually("the CA listens", || {
                ended = programs.iter_mut().any(|it| !matches!(it.0.try_wait(), Ok(None)));
                ended || ready.iter().all(|it| TcpStream::connect(it).is_ok())
            });
            if !ended {
                let directory = format!("https://127.0.0.1:{api}/dir");
                let (_programs, _files) = (programs, files);
                return Some(Self { directory, authority, http, tls, _programs, _files });
            }
        }
        panic!("no ports are free");
    }

    /// The URL of its directory.
    pub fn directory(&self) -> &str {
        &self.directory
    }

    /// The certificate, in PEM, of the authority that its own server's is checked with.
    pub fn root(&self) -> String {
        self.authority.pem()
    }
}

/// Six ports that are free.
fn ports() -> [u16; 6] {
    let bound: [TcpListener; 6] =
        std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").expect("there are free ports"));
    bound.map(|it| it.local_addr().expect("it is bound").port())
}

fn start_names(names: u16, management: u16) -> Running {
    let mut command = Command::new("pebble-challtestsrv");
    command.arg("-dns01").arg(format!("127.0.0.1:{names}"));
    command.arg("-management").arg(format!("127.0.0.1:{management}"));
    command.args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""]);
    run(command)
}

fn start_ca(config: &Path, names: SocketAddr, looks: Looks) -> Running {
    let mut command = Command::new("pebble");
    command.arg("-config").arg(config).arg("-strict");
    command.arg("-dnsserver").arg(names.to_string());
    // It takes no proof from an earlier order.
    command.env("PEBBLE_AUTHZREUSE", "0");
    match looks {
        Looks::AtOnce => command.env("PEBBLE_VA_NOSLEEP", "1"),
        Looks::Within(seconds) => command.env("PEBBLE_VA_SLEEPTIME", seconds.to_string()),
    };
    run(command)
}

fn run(mut command: Command) -> Running {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Running(command.spawn().expect("it starts"))
}
