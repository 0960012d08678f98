//! The API as its clients meet it: each operation, each way in which it can go wrong, and that the
//! description says neither more nor less. This file owns how it is served and asked.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod backend;
mod client;
mod description;
mod over_tcp;
mod over_tls;

use std::net::SocketAddr;

use admin::{
    Client, Guard, Operation, Question, Server, SocketClaim, TcpDoor, TlsConfigs, Token, Tokens,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use backend::Scripted;

const SECRET: &str = "s3cret-of-sixteen";

/// Lets in clients that show the secret.
fn guard() -> Guard {
    Guard::Tokens(Tokens::new(Some(Token::new(SECRET).unwrap()), None).unwrap())
}

fn serve(backend: Scripted) -> (TempDir, Server, Client) {
    let dir = tempfile::tempdir().unwrap();
    let claim = SocketClaim::new(dir.path()).unwrap();
    let server = admin::serve(claim, admin::router(backend)).unwrap();
    let client = Client::new(dir.path());
    (dir, server, client)
}

async fn serve_tcp(guard: Guard, backend: Scripted) -> (Server, SocketAddr) {
    serve_door(guard, None, backend).await
}

async fn serve_door(
    guard: Guard,
    tls: Option<TlsConfigs>,
    backend: Scripted,
) -> (Server, SocketAddr) {
    let door = TcpDoor { address: "127.0.0.1:0".parse().unwrap(), guard, tls };
    let server = admin::serve_tcp(door, admin::router(backend)).await.unwrap();
    let address = server.address().unwrap();
    (server, address)
}

fn question() -> Question {
    let url = "http://a/".to_owned();
    Question { method: "GET".to_owned(), url, headers: Vec::new(), from: None }
}

/// Sends `head` and `body`; gives the whole answer.
async fn send(address: SocketAddr, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request = format!("{head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
    // The server may answer and hang up before it has read a body that is too large.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

fn status_of(answer: &str) -> u16 {
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

fn concrete(operation: Operation) -> String {
    let names = [
        ("{service}", "api"),
        ("{instance}", "a%3A80"),
        ("{action}", "abort"),
        ("{deploy}", "7"),
        ("{from}", "0"),
        ("{revision}", "4"),
        ("{job}", "crawl"),
        ("{run}", "7"),
    ];
    let replaced = |path: String, (name, value): &(&str, &str)| path.replace(name, value);
    let path = names.iter().fold(operation.path().to_owned(), replaced);
    if operation == Operation::Unban { path + "?subject=alice%20%26%20bob" } else { path }
}
