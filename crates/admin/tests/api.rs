//! The API as its clients meet it: each operation, each way in which it can go wrong, and that the
//! description says neither more nor less.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use admin::{
    Access, Acted, Asked, Backend, Basis, Changes, Client, ClientError, Deploy, DeployAction,
    DeployEvents, Deploying, Descriptors, Explanation, Guard, History, Instance, InstanceState,
    Judged, Judgement, Kind, Line, Operation, Outcome, Past, Question, Refusal, Reloaded, Scrape,
    Server, SocketClaim, Status, Token, Tokens, Totals,
};
use http::Method;
use serde_json::Value;
use telemetry::event;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Does what it is told, or refuses everything.
#[derive(Clone)]
struct Scripted {
    refuses: Option<Refusal>,
    /// Its instances write what nobody else is to see.
    writes: bool,
    events: telemetry::Events,
}

impl Default for Scripted {
    /// What happens is one event, and no more.
    fn default() -> Self {
        let events = telemetry::Events::default();
        let end = events.close_on_drop();
        events.emit(event::ServiceDown { service: "api".into() });
        drop(end);
        Self { refuses: None, writes: false, events }
    }
}

impl Scripted {
    fn refusing(refusal: Refusal) -> Self {
        Self { refuses: Some(refusal), ..Self::default() }
    }

    fn say<T>(&self, said: T) -> Result<T, Refusal> {
        self.refuses.clone().map_or(Ok(said), Err)
    }
}

impl Backend for Scripted {
    async fn status(&self) -> Result<Status, Refusal> {
        self.say(Status {
            version: "0.0.0".to_owned(),
            pid: 1,
            file: "/etc/plimsoll/plimsoll.toml".to_owned(),
            revision: 3,
            generation: 9,
            uptime_s: 1.5,
            connections: 0,
            descriptors: Descriptors::default(),
            last_reload: None,
            listeners: Vec::new(),
            services: Vec::new(),
        })
    }

    async fn reload(&self) -> Result<Reloaded, Refusal> {
        let added = vec!["chat".to_owned()];
        self.say(Reloaded {
            revision: 4,
            listeners: Changes::default(),
            services: Changes { added, ..Changes::default() },
            routes_changed: true,
            needs_restart: Vec::new(),
            needs_deploy: Vec::new(),
        })
    }

    async fn drain(&self, _: &str, instance: &str) -> Result<Instance, Refusal> {
        self.say(stands(instance, InstanceState::Drained))
    }

    async fn enable(&self, _: &str, instance: &str) -> Result<Instance, Refusal> {
        self.say(stands(instance, InstanceState::Healthy))
    }

    async fn explain(&self, question: Question) -> Result<Explanation, Refusal> {
        self.say(Explanation {
            basis: Basis::Running,
            request: Asked {
                method: question.method,
                listener: None,
                host: "a".to_owned(),
                path: "/".to_owned(),
                from: [127, 0, 0, 1].into(),
            },
            routes: Vec::new(),
            policies: Vec::new(),
            outcome: Outcome::Refused { status: 404, why: "no route matches".to_owned() },
        })
    }

    async fn deploy(&self, _: &str, deploy: Deploy) -> Result<Deploying, Refusal> {
        assert_eq!(deploy.version.as_deref(), Some("1.4.2"));
        self.say(Deploying { id: 7 })
    }

    async fn deploy_action(&self, _: &str, action: DeployAction) -> Result<Acted, Refusal> {
        assert_eq!(action, DeployAction::Abort);
        self.say(Acted { id: Some(7) })
    }

    async fn deploy_events(&self, deploy: i64, from: usize) -> Result<DeployEvents, Refusal> {
        let text = format!("deploy {deploy} from line {from}");
        let line = Line { at_s: 0.5, event: "step".to_owned(), instance: None, text };
        let output = self.writes.then(output);
        self.say(DeployEvents { lines: [line].into_iter().chain(output).collect(), receipt: None })
    }

    fn events(&self) -> telemetry::Events {
        self.events.clone()
    }

    async fn history(&self, _: &str) -> Result<History, Refusal> {
        let deploys = self.writes.then(failed).into_iter().collect();
        self.say(History { deploys })
    }

    async fn judge(
        &self,
        service: &str,
        deploy: i64,
        set: BTreeMap<String, String>,
    ) -> Result<Judged, Refusal> {
        assert_eq!((service, deploy), ("api", 7));
        let judgement = |verdict: &str| Judgement {
            worse_after_s: None,
            worse: None,
            noticed: Vec::new(),
            verdict: verdict.to_owned(),
            record_s: 9.0,
        };
        let (had, with_set) = (judgement("as it was"), judgement("otherwise"));
        self.say(Judged { deploy: failed(), had, set, with_set })
    }

    async fn scrape(&self) -> Result<Scrape, Refusal> {
        self.say(Scrape { media_type: "text/plain", text: "up 1\n".to_owned() })
    }
}

/// What an instance wrote.
fn output() -> Line {
    let text = "starting with dsn=postgres://u:PASSW0RD@db".to_owned();
    Line { at_s: 0.7, event: "output".to_owned(), instance: Some("api-2".to_owned()), text }
}

/// A deploy whose receipt has it.
fn failed() -> Past {
    let receipt = serde_json::json!({
        "id": 2, "service": "api", "previous": "1", "release": "2", "who": "ops", "strategy": "rolling",
        "began_at": "2026-11-26T00:00:00Z", "took_s": 1.0, "outcome": "broken", "reason": "it ended",
        "requests": 0, "failed": 0, "releases": [], "lines": [output()],
    });
    Past {
        id: 2,
        restores: None,
        previous: Some("1".to_owned()),
        release: "2".to_owned(),
        who: "ops".to_owned(),
        began_at: "2026-11-26T00:00:00Z".to_owned(),
        ended_at: None,
        outcome: Some("broken".to_owned()),
        receipt: serde_json::from_value(receipt).unwrap(),
    }
}

fn stands(name: &str, state: InstanceState) -> Instance {
    Instance {
        name: name.to_owned(),
        address: "127.0.0.1:1".to_owned(),
        release: None,
        state,
        access: Access::Barred,
        reason: "passed its checks".to_owned(),
        since_s: 0.0,
        drained_at: None,
        weight: 1,
        backup: false,
        in_flight: 0,
        oldest_s: None,
        open: None,
        totals: Totals::default(),
        requests_per_s: 0.0,
        errors_per_s: 0.0,
        error_share: 0.0,
        p50_ms: None,
        p99_ms: None,
    }
}

fn serve(backend: Scripted) -> (TempDir, Server, Client) {
    let dir = tempfile::tempdir().unwrap();
    let claim = SocketClaim::new(dir.path()).unwrap();
    let server = admin::serve(claim, admin::router(backend)).unwrap();
    let client = Client::new(dir.path());
    (dir, server, client)
}

async fn serve_tcp(guard: Guard, backend: Scripted) -> (Server, SocketAddr) {
    let router = admin::router(backend);
    let server = admin::serve_tcp("127.0.0.1:0".parse().unwrap(), guard, router).await.unwrap();
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
    ];
    names.iter().fold(operation.path().to_owned(), |path, (name, value)| path.replace(name, value))
}

#[tokio::test]
async fn a_client_gets_what_the_backend_says() {
    let (_dir, server, client) = serve(Scripted::default());
    assert_eq!(client.version().await.unwrap().pid, std::process::id());
    assert_eq!(client.status().await.unwrap().generation, 9);
    assert_eq!(client.reload().await.unwrap().services.added, ["chat"]);
    let drained = client.drain("api", "[::1]:80").await.unwrap();
    assert_eq!((drained.name.as_str(), drained.state), ("[::1]:80", InstanceState::Drained));
    assert_eq!(client.enable("api", "a").await.unwrap().state, InstanceState::Healthy);
    assert_eq!(client.explain(&question()).await.unwrap().basis, Basis::Running);
    let wanted = Deploy { version: Some("1.4.2".to_owned()), ..Deploy::default() };
    assert_eq!(client.deploy("api", &wanted).await.unwrap().id, 7);
    assert_eq!(client.deploy_action("api", DeployAction::Abort).await.unwrap().id, Some(7));
    let events = client.deploy_events(7, 3).await.unwrap();
    assert_eq!(events.lines[0].text, "deploy 7 from line 3");
    assert_eq!(client.history("api").await.unwrap(), History::default());
    let set = BTreeMap::from([("max_error_rate".to_owned(), "5% & more".to_owned())]);
    let judged = client.judge("api", 7, &set).await.unwrap();
    assert_eq!((judged.set, judged.with_set.verdict.as_str()), (set, "otherwise"));
    assert_eq!(client.metrics().await.unwrap(), "up 1\n");
    server.stop().await;
    assert!(matches!(client.version().await, Err(ClientError::NotRunning { .. })));
}

#[tokio::test]
async fn an_unknown_instance_comes_with_names_like_it() {
    let near = vec!["api-3".to_owned()];
    let (service, instance) = ("api".to_owned(), "api3".to_owned());
    let refusal = Refusal::UnknownInstance { service, instance, near: near.clone() };
    let (_dir, _server, client) = serve(Scripted::refusing(refusal));
    let Err(ClientError::Problem(problem)) = client.drain("api", "api3").await else { panic!() };
    assert_eq!((problem.kind, problem.status), (Kind::UnknownInstance, 404));
    assert_eq!(problem.detail, "service `api` has no instance `api3`");
    assert_eq!(problem.near, near);
}

#[tokio::test]
async fn an_invalid_configuration_comes_with_its_diagnostics() {
    let diagnostics = wrong_configuration();
    let (_dir, _server, client) = serve(Scripted::refusing(Refusal::Invalid(diagnostics.clone())));
    let Err(ClientError::Problem(problem)) = client.reload().await else { panic!() };
    assert_eq!((problem.kind, problem.status), (Kind::InvalidConfiguration, 422));
    assert_eq!(problem.diagnostics, admin::diagnostics(&diagnostics));
    assert_eq!(problem.drawing.as_deref(), Some(diagnostics.to_string().as_str()));
}

fn wrong_configuration() -> config::Diagnostics {
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
        Kind::NoSuchDeploy => Some(Refusal::NotThere("there is none".to_owned())),
        Kind::Failed => Some(Refusal::Failed("the disk is full".to_owned())),
        Kind::Ending => Some(Refusal::Ending),
        Kind::Unauthorized
        | Kind::OnlyLooks
        | Kind::TooManyTries
        | Kind::BodyTooSlow
        | Kind::ForeignOrigin
        | Kind::NoSuchResource
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

const SECRET: &str = "s3cret-of-sixteen";

/// Lets in clients that show the secret.
fn guard() -> Guard {
    Guard::Tokens(Tokens::new(Some(Token::new(SECRET).unwrap()), None).unwrap())
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
    for operation in Operation::ALL {
        let method = operation.method().as_str().to_ascii_lowercase();
        let responses = &description["paths"][operation.path()][method]["responses"];
        let described = responses.as_object().unwrap().keys().map(|key| key.parse().unwrap());
        let described: BTreeSet<u16> = described.collect();
        assert_eq!(statuses(operation).await, described, "{}", operation.id());
    }
}

#[tokio::test]
async fn what_does_not_exist_is_a_problem_too() {
    let token = guard();
    let (_server, address) = serve_tcp(token, Scripted::default()).await;
    for (line, status, kind) in [
        ("GET /v1/nothing HTTP/1.1", 404, "urn:plimsoll:no-such-resource"),
        ("DELETE /v1/status HTTP/1.1", 405, "urn:plimsoll:method-not-allowed"),
    ] {
        let head = format!("{line}\r\nhost: a\r\nauthorization: Bearer {SECRET}");
        let answer = send(address, &head, "").await;
        assert_eq!(status_of(&answer), status);
        assert!(answer.contains("application/problem+json"));
        assert!(answer.contains(kind), "{answer}");
    }
}

#[tokio::test]
async fn over_tcp_without_a_token_one_only_looks() {
    let (_server, address) = serve_tcp(Guard::ReadOnly, Scripted::default()).await;
    for operation in Operation::ALL {
        let line = format!("{} {} HTTP/1.1\r\n", operation.method(), concrete(operation));
        let head = format!("{line}host: localhost\r\ncontent-type: application/json");
        let body = serde_json::to_string(&question()).unwrap();
        let looks = operation.method() == Method::GET || operation == Operation::Explain;
        let answer = send(address, &head, &body).await;
        assert_eq!(status_of(&answer), if looks { 200 } else { 401 }, "{answer}");
    }
}

#[tokio::test]
async fn what_instances_wrote_is_told_only_to_those_who_show_the_token_that_may_act() {
    const LOOKS: &str = "another-secret-that-only-looks-around";
    let backend = || Scripted { writes: true, ..Scripted::default() };
    let (_server, address) = serve_tcp(Guard::ReadOnly, backend()).await;
    let token = |text| Some(Token::new(text).unwrap());
    let tokens = Guard::Tokens(Tokens::new(token(SECRET), token(LOOKS)).unwrap());
    let (_other, with_token) = serve_tcp(tokens, backend()).await;
    for path in [Operation::DeployEvents, Operation::History, Operation::Judge].map(concrete) {
        let head = format!("GET {path} HTTP/1.1\r\nhost: localhost");
        let without = send(address, &head, "").await;
        assert!(without.contains("\"output\"") && !without.contains("postgres://"), "{without}");
        let shown = |token| format!("{head}\r\nauthorization: Bearer {token}");
        let looks = send(with_token, &shown(LOOKS), "").await;
        assert!(looks.contains("\"output\"") && !looks.contains("postgres://"), "{looks}");
        let acts = send(with_token, &shown(SECRET), "").await;
        assert!(acts.contains("postgres://"), "{acts}");
    }
}

#[tokio::test]
async fn bodies_that_never_come_keep_nobody_out() {
    let (_server, address) = serve_tcp(Guard::ReadOnly, Scripted::default()).await;
    let head = "POST /v1/explain HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                content-length: 99\r\n\r\n{";
    let mut stalled = Vec::new();
    for _ in 0..300 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stalled.push(stream);
    }
    let asking = send(address, "GET /metrics HTTP/1.1\r\nhost: localhost", "");
    let answer = tokio::time::timeout(std::time::Duration::from_secs(5), asking).await;
    assert_eq!(status_of(&answer.expect("it is not kept waiting")), 200);
}

#[tokio::test]
async fn who_deploys_is_one_short_printable_line() {
    let (_server, address) = serve_tcp(guard(), Scripted::default()).await;
    let head = format!(
        "POST /v1/services/api/deploys HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
         authorization: Bearer {SECRET}"
    );
    for (who, status) in [
        ("ops@vm", 200),
        ("", 200),
        ("J\u{fc}rgen", 200),
        ("a\nb", 400),
        ("\u{1b}[2J", 400),
        ("\u{202e}spo", 400),
        (&"x".repeat(129), 400),
    ] {
        let body = serde_json::json!({ "version": "1.4.2", "who": who }).to_string();
        let answer = send(address, &head, &body).await;
        assert_eq!(status_of(&answer), status, "{who:?}: {answer}");
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

#[test]
fn a_receipt_that_an_earlier_version_has_written_is_read() {
    let mut written = serde_json::to_value(failed().receipt).unwrap();
    let fields = written.as_object_mut().unwrap();
    for (earlier, now) in [("former", "previous"), ("fresh", "release")] {
        let value = fields.remove(now).unwrap();
        fields.insert(earlier.to_owned(), value);
    }
    assert_eq!(serde_json::from_value::<admin::Receipt>(written).ok(), failed().receipt);
}
