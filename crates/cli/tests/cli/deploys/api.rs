//! What the admin API says while releases come and go is what its description says that it says.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::LazyLock;

use serde_json::{Value, json};

use super::house::House;

/// What is committed; a test of `admin` sees to it that it is what the server describes itself as.
static DESCRIPTION: LazyLock<Value> = LazyLock::new(|| {
    let text = include_str!("../../../../../docs/reference/admin-api.json");
    serde_json::from_str(text).unwrap()
});

/// Sends a request to an operation whose path has these names in it. The status and the body, which
/// is what the operation is described to say then.
fn ask(house: &House, operation: (&str, &str), names: &[&str], body: &Value) -> (u16, Value) {
    let (method, template) = operation;
    let mut segments: Vec<_> = template.split('/').collect();
    let places = segments.iter_mut().filter(|segment| segment.starts_with('{'));
    places.zip(names).for_each(|(place, name)| *place = name);
    let path = segments.join("/");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let socket = house.sandbox.path().join("state/admin.sock");
    let mut stream = UnixStream::connect(socket).unwrap();
    let length = body.len();
    // In one piece: who has read enough of it may answer and close.
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: plimsoll\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap();
    let said = serde_json::from_str(body).unwrap();
    let described =
        &DESCRIPTION["paths"][template][method.to_ascii_lowercase()]["responses"][status];
    let mut contents = described["content"].as_object().unwrap().values();
    let mut schema = contents.next().unwrap()["schema"].clone();
    schema["components"] = DESCRIPTION["components"].clone();
    let wrong = jsonschema::validate(&schema, &said);
    assert!(wrong.is_ok(), "{method} {path}: {wrong:?}: {said:#}");
    (status.parse().unwrap(), said)
}

const STATUS: (&str, &str) = ("GET", "/v1/status");
const DEPLOY: (&str, &str) = ("POST", "/v1/services/{service}/deploys");
const HISTORY: (&str, &str) = ("GET", "/v1/services/{service}/deploys");
const ACTION: (&str, &str) = ("POST", "/v1/services/{service}/deploy/{action}");
const EVENTS: (&str, &str) = ("GET", "/v1/deploys/{deploy}/events/{from}");

#[test]
fn whatever_is_said_of_deploys_is_described() {
    let mut house = House::new("deploy = { bake = \"100ms\" }\n");
    let nothing = Value::Null;
    house.promoted(&["2"]);
    assert_eq!(house.deploy(&["exits"]).0, Some(1));
    let canary = json!({ "version": "3", "strategy": "canary",
        "steps": [{ "share": 0.5, "watch_s": 60.0 }] });
    let (status, begun) = ask(&house, DEPLOY, &["api"], &canary);
    assert_eq!(status, 200, "{begun:#}");
    house.until("its step", |service| service["run"]["deploy"]["stage"] == "at 50 %");
    house.running.get("/");
    let (_, status) = ask(&house, STATUS, &[], &nothing);
    assert_eq!(status["services"][0]["run"]["deploy"]["release"], "3", "{status:#}");
    let id = begun["id"].to_string();
    let (_, events) = ask(&house, EVENTS, &[&id, "0"], &nothing);
    assert!(events["lines"].as_array().unwrap().len() > 2 && events["receipt"].is_null());
    assert_eq!(ask(&house, DEPLOY, &["api"], &canary).0, 409, "one at a time");
    assert_eq!(ask(&house, DEPLOY, &["apl"], &canary).0, 404);
    assert_eq!(ask(&house, ACTION, &["api", "abort"], &nothing).0, 200);
    house.until("its end", |service| service["run"]["deploy"].is_null());
    let last = events["lines"].as_array().unwrap().len().to_string();
    assert!(ask(&house, EVENTS, &[&id, &last], &nothing).1["receipt"].is_object());
    assert_eq!(ask(&house, EVENTS, &["4000", "0"], &nothing).0, 404);
    // And what is only in the journal.
    house.restart_with(&[]);
    let (_, history) = ask(&house, HISTORY, &["api"], &nothing);
    let outcomes = history["deploys"].as_array().unwrap().iter().map(|it| it["outcome"].clone());
    let expected = ["rolled-back", "rolled-back", "promoted", "promoted"];
    assert_eq!(outcomes.collect::<Vec<_>>(), expected, "{history:#}");
    house.change("command = [", "command = [\"no-such-program\", ");
    let (status, problem) = ask(&house, DEPLOY, &["api"], &json!({ "version": "4" }));
    assert_eq!((status, &problem["type"]), (422, &"urn:plimsoll:preflight".into()), "{problem:#}");
}
