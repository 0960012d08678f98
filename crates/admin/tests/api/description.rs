//! The description of the API: each status that it names is given, and no other; each body is as it says.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use admin::{Guard, Kind, Operation, Refusal};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::backend::Scripted;
use crate::{SECRET, concrete, guard, question, send, serve_tcp, status_of};

pub(crate) fn wrong_configuration() -> config::Diagnostics {
    let environment = config::Environment::fixed();
    let (name, dir) = ("plimsoll.toml".to_owned(), "/".into());
    config::parse("x = 1", &config::Origin { name, dir, environment }).unwrap_err()
}

/// A refusal of each kind that a backend can cause.
fn refusal_of(kind: Kind) -> Option<Refusal> {
    let (service, instance) = ("api".to_owned(), "a".to_owned());
    match kind {
        Kind::UnknownService => Some(Refusal::UnknownService { service, near: Vec::new() }),
        Kind::UnknownInstance => {
            Some(Refusal::UnknownInstance { service, instance, near: Vec::new() })
        }
        Kind::NotPublished => Some(Refusal::NotPublished("the port is taken".to_owned())),
        Kind::InvalidConfiguration => Some(Refusal::Invalid(wrong_configuration())),
        Kind::BadRequest => Some(Refusal::Senseless("no URL".to_owned())),
        Kind::Locked => Some(Refusal::Locked("ops is deploying".to_owned())),
        Kind::Preflight => Some(Refusal::Preflight(vec!["no secret".to_owned()])),
        Kind::UnknownJob => Some(Refusal::UnknownJob { job: service, near: Vec::new() }),
        Kind::JobBusy => Some(Refusal::JobBusy("it runs".to_owned())),
        Kind::NoSuchBan => Some(Refusal::NoSuchBan),
        Kind::NotBanned => Some(Refusal::NotBanned("there are too many".to_owned())),
        Kind::NoSuchDeploy => Some(Refusal::NotThere("there is none".to_owned())),
        Kind::Failed => Some(Refusal::Failed("the disk is full".to_owned())),
        Kind::NoSuchResource => Some(Refusal::NotWatched(4)),
        Kind::Ending => Some(Refusal::Ending),
        Kind::Unauthorized
        | Kind::OnlyLooks
        | Kind::SocketAlone
        | Kind::TooManyTries
        | Kind::BodyTooSlow
        | Kind::ForeignOrigin
        | Kind::MethodNotAllowed
        | Kind::BodyTooLarge
        | Kind::TooManyFollowers => None,
    }
}

/// Notes the answer's status, and sees to it that its body is what `operation` is described to say
/// then.
fn note(operation: Operation, answer: &str, seen: &mut BTreeSet<u16>) {
    let (status, body) = (status_of(answer), answer.split_once("\r\n\r\n").unwrap().1);
    let mut description = admin::describe();
    let method = operation.method().as_str().to_ascii_lowercase();
    let response = &description["paths"][operation.path()][method]["responses"][status.to_string()];
    for (media_type, content) in response["content"].as_object().into_iter().flatten() {
        assert!(answer.contains(&format!("content-type: {media_type}")), "{answer}");
        if media_type.ends_with("json") {
            let mut schema = content["schema"].clone();
            schema["components"] = description["components"].take();
            let said = serde_json::from_str(body).unwrap();
            let wrong = jsonschema::validate(&schema, &said);
            assert!(wrong.is_ok(), "{}: {wrong:?}: {body}", operation.id());
            break;
        }
    }
    seen.insert(status);
}

/// What `operation` answers in each of its cases.
async fn statuses(operation: Operation) -> BTreeSet<u16> {
    let line = format!("{} {} HTTP/1.1\r\n", operation.method(), concrete(operation));
    let json = "\r\ncontent-type: application/json";
    let body = match operation {
        Operation::Deploy => "{\"version\": \"1.4.2\"}".to_owned(),
        Operation::Scale => "{\"replicas\": 4}".to_owned(),
        Operation::RunJob => "{\"who\": \"ops\"}".to_owned(),
        Operation::Ban => "{\"banned\": {\"subject\": \"a\"}, \"for_s\": 60}".to_owned(),
        _ => serde_json::to_string(&question()).unwrap(),
    };
    let mut seen = BTreeSet::new();
    let refusals = operation.problems().iter().map(|kind| refusal_of(*kind));
    let backends = refusals.flatten().map(Scripted::refusing).chain([Scripted::default()]);
    let token = guard();
    let shown = format!("{line}host: evil.test{json}\r\nauthorization: Bearer {SECRET}");
    for backend in backends {
        let (_server, address) = serve_tcp(token.clone(), backend).await;
        let answer = send(address, &shown, &body).await;
        note(operation, &answer, &mut seen);
    }
    let (_server, address) = serve_tcp(Guard::ReadOnly, Scripted::default()).await;
    let answer = send(address, &format!("{line}host: evil.test{json}"), &body).await;
    note(operation, &answer, &mut seen);
    let (_server, address) = serve_tcp(token, Scripted::default()).await;
    let large = format!("\"{}\"", "x".repeat(300 << 10));
    for body in ["", "{", "{\"method\": 1}", large.as_str()] {
        note(operation, &send(address, &shown, body).await, &mut seen);
    }
    let answer = send(address, &format!("{line}host: evil.test{json}"), &body).await;
    assert!(answer.to_ascii_lowercase().contains("www-authenticate: bearer"));
    note(operation, &answer, &mut seen);
    assert_eq!(status_of(&send(address, &shown, &body).await), 200);
    if operation.problems().contains(&Kind::BodyTooSlow) {
        note(operation, &send_half(address, &shown).await, &mut seen);
    }
    if operation == Operation::FollowEvents {
        let head = format!("{shown}\r\nlast-event-id: yesterday");
        note(operation, &send(address, &head, &body).await, &mut seen);
        let open = Scripted { events: telemetry::Events::default(), ..Scripted::default() };
        let (_server, address) = serve_tcp(guard(), open).await;
        let mut followers = Vec::new();
        loop {
            assert!(followers.len() < 256, "as many as a listener has seats");
            let (follower, begin) = follow(address, &shown).await;
            if !begin.starts_with("HTTP/1.1 200") {
                break;
            }
            followers.push(follower);
        }
        note(operation, &send(address, &shown, &body).await, &mut seen);
    }
    let wrong = shown.replace(SECRET, "a-wrong-one-of-sixteen");
    for _ in 0..10 {
        note(operation, &send(address, &wrong, &body).await, &mut seen);
    }
    let answer = send(address, &shown, &body).await;
    assert!(answer.to_ascii_lowercase().contains("retry-after: 60"), "{answer}");
    note(operation, &answer, &mut seen);
    seen
}

/// Sends `head`, and reads the beginning of what comes.
async fn follow(address: SocketAddr, head: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("{head}\r\n\r\n").as_bytes()).await.unwrap();
    let mut begin = vec![0; 16];
    stream.read_exact(&mut begin).await.unwrap();
    (stream, String::from_utf8(begin).unwrap())
}

/// Sends `head` and the beginning of a body, and no more; gives the whole answer.
async fn send_half(address: SocketAddr, head: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("{head}\r\ncontent-length: 99\r\n\r\n{{").as_bytes()).await.unwrap();
    // Nothing else happens: the clock goes to when the server has waited long enough.
    tokio::time::pause();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    tokio::time::resume();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn the_description_names_each_status_that_is_answered_and_no_other() {
    let description = admin::describe();
    // What is told over the socket alone has no other status over TCP.
    let all = Operation::ALL.into_iter().filter(|it| *it != Operation::Surroundings);
    for operation in all {
        let method = operation.method().as_str().to_ascii_lowercase();
        let responses = &description["paths"][operation.path()][method]["responses"];
        let described = responses.as_object().unwrap().keys().map(|key| key.parse().unwrap());
        let described: BTreeSet<u16> = described.collect();
        assert_eq!(statuses(operation).await, described, "{}", operation.id());
    }
}

#[test]
fn each_reference_in_the_description_leads_somewhere() {
    fn walk<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str));
                map.values().for_each(|value| walk(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| walk(value, found)),
            _ => {}
        }
    }
    let description = admin::describe();
    let mut references = Vec::new();
    walk(&description, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        assert!(description.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
}

#[test]
fn the_committed_description_is_what_the_operations_make() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference");
    let path = folder.join("admin-api.json");
    let made = admin::describe();
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        fs::write(path, format!("{made:#}\n")).unwrap();
        return;
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let is_same = serde_json::from_str(&committed).is_ok_and(|old: Value| old == made);
    assert!(is_same, "admin-api.json is old: UPDATE_REFERENCE=1 cargo test -p admin");
}
