//! Clients that ask as fast as they are answered, each in a thread of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use testkit::h2_client::request;
use testkit::{H2Client, RawClient, Response};

use super::account::Account;
use super::instance::answer_to;

/// Streams that a client of HTTP/2 has open at once.
const STREAMS: usize = 8;
/// A body that is sent again with its request when its instance dies.
const BODY_BYTES: usize = 10 * 1024;

/// All clients while they ask.
pub(super) struct Clients {
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// One client.
struct Client {
    address: SocketAddr,
    /// In all paths, so that no two requests are alike.
    number: usize,
    asked: usize,
    account: Account,
    is_over: Arc<AtomicBool>,
}

impl Clients {
    pub(super) fn start(address: SocketAddr, account: &Account) -> Self {
        let is_over = Arc::<AtomicBool>::default();
        let kinds: [(usize, fn(Client)); 5] = [
            (16, Client::keep_alive),
            (4, Client::connect_anew),
            (4, Client::put),
            (2, Client::streams),
            (2, Client::tunnel),
        ];
        let kinds = kinds.into_iter().flat_map(|(count, run)| (0..count).map(move |_| run));
        let start = |(number, run): (usize, fn(Client))| {
            let (account, is_over) = (account.clone(), is_over.clone());
            let client = Client { address, number, asked: 0, account, is_over };
            std::thread::spawn(move || run(client))
        };
        let threads = kinds.enumerate().map(start).collect();
        Self { is_over, threads }
    }

    /// Lets each come to the end of what it does.
    pub(super) fn stop(self) {
        self.is_over.store(true, Ordering::SeqCst);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}

impl Client {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    fn next_path(&mut self) -> String {
        self.asked += 1;
        format!("/{}/{}", self.number, self.asked)
    }

    fn keep_alive(mut self) {
        while !self.is_over() {
            let mut connection = RawClient::connect(self.address);
            while !self.is_over() {
                let path = self.next_path();
                let outcome = ask(&mut connection, "GET", &path, "", b"");
                let failed = outcome.is_err();
                self.account.count("keep-alive", outcome);
                if failed {
                    break;
                }
            }
        }
    }

    fn connect_anew(mut self) {
        while !self.is_over() {
            let path = self.next_path();
            let mut connection = RawClient::connect(self.address);
            let outcome = ask(&mut connection, "GET", &path, "Connection: close\r\n", b"");
            self.account.count("a connection each", outcome);
        }
    }

    fn put(mut self) {
        while !self.is_over() {
            let mut connection = RawClient::connect(self.address);
            let fields = format!("Content-Length: {BODY_BYTES}\r\n");
            for _ in 0..100 {
                let path = self.next_path();
                let body = [b'x'; BODY_BYTES];
                let outcome = ask(&mut connection, "PUT", &path, &fields, &body);
                let failed = outcome.is_err();
                self.account.count("uploads of 10 KiB", outcome);
                if failed {
                    break;
                }
            }
        }
    }

    fn streams(mut self) {
        let connection = H2Client::connect(self.address);
        while !self.is_over() {
            let paths: Vec<_> = (0..STREAMS).map(|_| self.next_path()).collect();
            let asked = paths.iter().map(|path| connection.begin(request("GET", path), true));
            let asked: Vec<_> = asked.collect();
            for (path, asked) in paths.iter().zip(asked) {
                let answer = connection.answer(asked);
                let is_right = answer.cut.is_none() && answer.text() == answer_to("GET", path, 0);
                let why = || format!("{} {:?}", answer.status, answer.cut);
                self.account.count("HTTP/2", is_right.then_some(()).ok_or_else(why));
            }
        }
    }

    /// One tunnel for all of the time.
    fn tunnel(self) {
        let mut connection = RawClient::connect(self.address);
        connection
            .send("GET /tunnel HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
        assert_eq!(connection.head().status, 101);
        while !self.is_over() {
            let sent = connection.try_send([b'x'; 100]);
            let came_back = sent && connection.take(100).is_ok_and(|bytes| bytes == [b'x'; 100]);
            let outcome = came_back.then_some(()).ok_or_else(|| "the tunnel ended".to_owned());
            self.account.count("tunnels", outcome);
            if !came_back {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn ask(
    connection: &mut RawClient,
    method: &str,
    path: &str,
    fields: &str,
    body: &[u8],
) -> Result<(), String> {
    let head = format!("{method} {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    if !connection.try_send([head.as_bytes(), body].concat()) {
        return Err("the connection was closed".to_owned());
    }
    match connection.try_answer() {
        Ok(answer) if answer.text() == answer_to(method, path, body.len()) => Ok(()),
        Ok(Response { status: 200, .. }) => Err("the answer to another request".to_owned()),
        Ok(Response { status, .. }) => Err(format!("status {status}")),
        Err(error) => Err(format!("cut: {error}")),
    }
}
