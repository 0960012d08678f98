//! A DNS server that takes updates which are signed (RFC 2136, RFC 8945): Debian's bind9. Each test starts its own, and ends it.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::{DEADLINE, eventually, has};

/// The name of the key that its zones are changed with.
pub const KEY: &str = "acme.";
/// That key, in base64.
pub const SECRET: &str = "c29tZSBieXRlcyB0aGF0IGEgdGVzdCBrbm93cy4uLi4=";

/// A server with the zones `example.com` and `challenges.test`. What of the first is below `delegated` has its challenges in the second; every name of the
/// first leads to this machine.
pub struct Bind {
    /// Where it listens.
    pub address: SocketAddr,
    program: Child,
    _files: TempDir,
}

impl Drop for Bind {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

impl Bind {
    /// Starts one; `None` where it is not installed.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start() -> Option<Self> {
        if !has(&["named"]) {
            return None;
        }
        // A port that was free a moment ago: another program may have taken it.
        for _ in 0..10 {
            let files = TempDir::new().expect("a directory can be made");
            let address = free();
            write(files.path(), address.port());
            let mut command = Command::new("named");
            command.args(["-4", "-f", "-n", "1", "-c"]).arg(files.path().join("named.conf"));
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let mut program = command.spawn().expect("it starts");
            let mut ended = false;
            eventually("the DNS server listens", || {
                ended = !matches!(program.try_wait(), Ok(None));
                ended || TcpStream::connect(address).is_ok()
            });
            if !ended {
                return Some(Self { address, program, _files: files });
            }
        }
        panic!("no ports are free");
    }

    /// How many texts (TXT) it has at `name`.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn texts(&self, name: &str) -> u16 {
        // RFC 1035 section 4.1: a query with one question, of type TXT (16) and class IN (1).
        let mut query = vec![0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.trim_end_matches('.').split('.') {
            query.push(u8::try_from(label.len()).expect("a label has at most 63 bytes"));
            query.extend_from_slice(label.as_bytes());
        }
        query.extend_from_slice(&[0, 0, 16, 0, 1]);
        let socket = UdpSocket::bind("127.0.0.1:0").expect("there are free ports");
        socket.set_read_timeout(Some(DEADLINE)).expect("it can be set");
        socket.send_to(&query, self.address).expect("it can be sent");
        let mut answer = [0; 4_096];
        let length = socket.recv(&mut answer).expect("it answers");
        assert!(length >= 12 && answer[..2] == query[..2], "it answers this");
        u16::from_be_bytes([answer[6], answer[7]])
    }
}

/// A port that is free for streams and for datagrams.
fn free() -> SocketAddr {
    loop {
        let bound = TcpListener::bind("127.0.0.1:0").expect("there are free ports");
        let address = bound.local_addr().expect("it is bound");
        if UdpSocket::bind(address).is_ok() {
            return address;
        }
    }
}

fn write(directory: &Path, port: u16) {
    let zone = |name: &str| {
        format!(
            "zone \"{name}\" {{ type primary; file \"{name}.zone\"; allow-update {{ key \"{KEY}\"; }}; }};\n"
        )
    };
    let config = format!(
        "options {{ directory {directory:?}; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; pid-file none; session-keyfile none; \
         recursion no; dnssec-validation no; allow-query {{ any; }}; notify no; }};\ncontrols {{ }};\n\
         key \"{KEY}\" {{ algorithm hmac-sha256; secret \"{SECRET}\"; }};\n{}{}",
        zone("example.com"),
        zone("challenges.test"),
    );
    let head = "$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n";
    let put = |name: &str, text: &str| {
        fs::write(directory.join(name), text).expect("a file can be written");
    };
    put("named.conf", &config);
    put(
        "example.com.zone",
        &format!(
            "{head}@ A 127.0.0.1\n* A 127.0.0.1\n_acme-challenge.delegated CNAME delegated.challenges.test.\n"
        ),
    );
    put("challenges.test.zone", head);
}
