//! A server behind Plimsoll: answers at once, but `/slow` only when it is told to.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};

/// A server. Ends with the test's process.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    /// Told of each request for `/slow`.
    pub(crate) asked: Receiver<()>,
    /// Each lets one request for `/slow` be answered.
    pub(crate) answer: Sender<()>,
}

impl Origin {
    pub(crate) fn start() -> Self {
        Self::saying("origin")
    }

    /// One with this body in its responses.
    pub(crate) fn saying(body: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let ((tell, asked), (answer, told)) = (mpsc::channel(), mpsc::channel());
        let told = Arc::new(Mutex::new(told));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (tell, told) = (tell.clone(), told.clone());
                std::thread::spawn(move || converse(stream, body, &tell, &told));
            }
        });
        Self { address, asked, answer }
    }
}

fn converse(stream: TcpStream, body: &str, tell: &Sender<()>, told: &Mutex<Receiver<()>>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let mut stream = stream;
    while let Some(first) = lines.next() {
        if lines.by_ref().find(|line| line.is_empty()).is_none() {
            return;
        }
        if first.contains("/slow") {
            let told = told.lock().unwrap();
            if tell.send(()).is_err() || told.recv().is_err() {
                return;
            }
        }
        let length = body.len();
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}
