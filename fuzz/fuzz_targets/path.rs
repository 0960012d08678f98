//! However a server reads a path, it takes the route that was taken, or none is: no spelling walks around
//! a route.

#![no_main]

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::LazyLock;

use config::{Environment, Origin};
use edge::explain::{ExplainError, Question, explain};
use libfuzzer_sys::fuzz_target;
use model::Intent;
use server::{Server, route_of};

#[path = "../../crates/edge/src/routing/tests/server.rs"]
mod server;

const FILE: &str = r#"
[server]
state_dir = "state"
[listeners.web]
bind = "127.0.0.1:8080"
[[routes]]
respond = { status = 200 }
[[routes]]
path = "/admin/*"
respond = { status = 201 }
[[routes]]
path = "/a/b/*"
respond = { status = 202 }
"#;

static INTENT: LazyLock<Intent> = LazyLock::new(|| {
    let environment = Environment::fixed();
    let origin = Origin { name: "fuzz.toml".to_owned(), dir: PathBuf::from("/"), environment };
    match config::parse(FILE, &origin) {
        Ok(loaded) => loaded.intent,
        Err(_) => panic!("the file is well formed"),
    }
});

fuzz_target!(|input: (u16, &str)| {
    let (kind, path) = input;
    let server = Server {
        decodings: usize::from(1 + (kind & 1)),
        parameters: usize::from(kind >> 1 & 3),
        backslashes: usize::from(kind >> 3 & 3),
        queries: usize::from(kind >> 7 & 3),
        fragments: usize::from(kind >> 9 & 3),
        authorities: usize::from(kind >> 11 & 3),
        authority_first: kind & 1 << 13 != 0,
        is_loose: kind & 1 << 14 != 0,
        merges: kind & 32 != 0,
        keeps_slashes: kind & 64 != 0,
    };
    if path.contains('?') {
        return;
    }
    let question = Question {
        method: "GET",
        entrance: None,
        authority: "a",
        target: path,
        fields: &[],
        client: IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    let explanation = match explain(&INTENT, question) {
        Ok(explanation) => explanation,
        Err(ExplainError::Path(_) | ExplainError::Target) => return,
        Err(error) => panic!("{error}"),
    };
    if explanation.ambiguity.is_some() || path == "*" {
        return;
    }
    let segments = server.read(path).expect("no reading leads above the root");
    let taken = explanation.candidates.iter().position(|it| it.lost.is_none());
    assert_eq!(taken, Some(route_of(&segments)), "{server:?} reads {segments:?}");
});
