//! The API's description, as OpenAPI 3.1 has it, made of [`Operation`] and the documents' types.

use std::collections::BTreeMap;

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::problem::MEDIA_TYPE;
use crate::stream;
use crate::{
    Acted, Ban, BanKey, Bans, Certificates, Deploy, DeployEvents, Deploying, Event, EventGap,
    Events, Explanation, History, Instance, Job, JobOutput, JobStarted, Jobs, Judged, Kind, Lifted,
    NewBan, NewJobRun, Operation, Past, Problem, Question, ReloadWatch, Reloaded, Scale, Scaled,
    Status, Surroundings, Version,
};

/// The API's description. `docs/reference/admin-api.json` is this.
pub fn describe() -> Value {
    let settings = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut schemas = settings.into_generator();
    let mut paths = Map::new();
    for operation in Operation::ALL {
        let path = paths.entry(operation.path()).or_insert_with(|| json!({}));
        let method = operation.method().as_str().to_ascii_lowercase();
        path[method] = describe_operation(operation, &mut schemas);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Plimsoll's admin API",
            "description": "Served on the socket `state_dir/admin.sock` for its owner, and on TCP \
                where `admin.bind` is set: there with a bearer token if `admin.token_env` or \
                `admin.token_file` names one, which every change needs, and anything but \
                a loopback address. The token of `admin.read_token_env` only reads.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "security": [{}, { "token": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "schemas": schemas.take_definitions(true),
        },
    })
}

fn describe_operation(operation: Operation, schemas: &mut SchemaGenerator) -> Value {
    let mut described = json!({
        "operationId": operation.id(),
        "summary": operation.summary(),
        "responses": responses(operation, schemas),
    });
    let parameters = parameters(operation);
    if !parameters.is_empty() {
        described["parameters"] = parameters.into();
    }
    if operation == Operation::Reload {
        described["parameters"] = json!([
            {
                "name": "watch", "in": "query", "schema": { "type": "string" },
                "description": "For how long it is watched, from 1s to 1h, as in `1m`",
            },
            {
                "name": "anyway", "in": "query", "schema": { "type": "boolean" },
                "description": "Whether a configuration is applied that was rolled back before",
            },
        ]);
    }
    if operation == Operation::FollowEvents {
        described["parameters"] = json!([{
            "name": stream::LAST_EVENT_ID, "in": "header", "schema": { "type": "string" },
            "description": "The id of the last event that was seen; what happened since comes first",
        }]);
    }
    if operation == Operation::Unban {
        let key = schemas.subschema_for::<BanKey>();
        described["parameters"] = json!([{
            "name": "banned", "in": "query", "style": "form", "explode": true, "required": true,
            "schema": key, "description": "What is banned, a parameter for each of its members",
        }]);
    }
    let body = match operation {
        Operation::Explain => Some(content::<Question>(schemas, "application/json")),
        Operation::Deploy => Some(content::<Deploy>(schemas, "application/json")),
        Operation::Scale => Some(content::<Scale>(schemas, "application/json")),
        Operation::RunJob => Some(content::<NewJobRun>(schemas, "application/json")),
        Operation::Ban => Some(content::<NewBan>(schemas, "application/json")),
        _ => None,
    };
    if let Some(content) = body {
        described["requestBody"] = json!({ "required": true, "content": content });
    }
    described
}

fn parameters(operation: Operation) -> Vec<Value> {
    let names = operation.path().split('/').filter_map(|segment| segment.strip_prefix('{'));
    let parameter = |name: &str| {
        let name = name.trim_end_matches('}');
        json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } })
    };
    names.map(parameter).collect()
}

/// Every status that `operation` can answer with.
fn responses(operation: Operation, schemas: &mut SchemaGenerator) -> Value {
    let (description, content) = success(operation, schemas);
    let mut all =
        BTreeMap::from([(200, json!({ "description": description, "content": content }))]);
    let of_guard = [Kind::Unauthorized, Kind::OnlyLooks, Kind::ForeignOrigin, Kind::TooManyTries];
    for kind in of_guard.iter().chain(operation.problems()) {
        let described = all.entry(kind.status().as_u16()).or_insert_with(
            || json!({ "description": "", "content": content_of_problem(schemas) }),
        );
        let said = described["description"].as_str().unwrap_or_default();
        let separator = if said.is_empty() { "" } else { "; or: " };
        described["description"] = format!("{said}{separator}{}", kind.title()).into();
    }
    let all = all.into_iter().map(|(status, response)| (status.to_string(), response));
    Value::Object(all.collect())
}

fn success(operation: Operation, schemas: &mut SchemaGenerator) -> (&'static str, Value) {
    let json = "application/json";
    match operation {
        Operation::Version => ("The version", content::<Version>(schemas, json)),
        Operation::Status => ("The status", content::<Status>(schemas, json)),
        Operation::Reload => ("What changed", content::<Reloaded>(schemas, json)),
        Operation::ReloadWatch => ("How it stands", content::<ReloadWatch>(schemas, json)),
        Operation::Drain => {
            ("The instance gets no new requests", content::<Instance>(schemas, json))
        }
        Operation::Enable => {
            ("The instance is no longer drained", content::<Instance>(schemas, json))
        }
        Operation::Certificates => {
            ("Each certificate, and how it stands", content::<Certificates>(schemas, json))
        }
        Operation::Bans => ("Who is banned", content::<Bans>(schemas, json)),
        Operation::Ban => ("The ban", content::<Ban>(schemas, json)),
        Operation::Unban => ("What is banned no more", content::<Lifted>(schemas, json)),
        Operation::Explain => {
            ("The way that the request would take", content::<Explanation>(schemas, json))
        }
        Operation::Deploy => ("The deploy has started", content::<Deploying>(schemas, json)),
        Operation::History => ("The deploys", content::<History>(schemas, json)),
        Operation::ShowDeploy => ("The deploy", content::<Past>(schemas, json)),
        Operation::Judge => ("What the judge says", content::<Judged>(schemas, json)),
        Operation::Scale => ("How many there are to be", content::<Scaled>(schemas, json)),
        Operation::Surroundings => ("What a program needs", content::<Surroundings>(schemas, json)),
        Operation::Jobs => ("The jobs", content::<Jobs>(schemas, json)),
        Operation::ShowJob => ("The job", content::<Job>(schemas, json)),
        Operation::RunJob => ("The run has begun", content::<JobStarted>(schemas, json)),
        Operation::JobOutput => ("What is written", content::<JobOutput>(schemas, json)),
        Operation::DeployAction => ("The deploy after the action", content::<Acted>(schemas, json)),
        Operation::DeployEvents => ("What happened", content::<DeployEvents>(schemas, json)),
        Operation::Events => ("The events", content::<Events>(schemas, json)),
        Operation::FollowEvents => ("Each event as it happens", content_of_stream(schemas)),
        Operation::Metrics => ("The metrics", json!({ "text/plain": {} })),
        Operation::Describe => ("This description", json!({ json: {} })),
    }
}

fn content<T: JsonSchema>(schemas: &mut SchemaGenerator, media_type: &str) -> Value {
    json!({ media_type: { "schema": schemas.subschema_for::<T>() } })
}

/// What the data of a stream's messages are: an event, or of a message `gap` the gap.
fn content_of_stream(schemas: &mut SchemaGenerator) -> Value {
    let data = [schemas.subschema_for::<Event>(), schemas.subschema_for::<EventGap>()];
    json!({ stream::MEDIA_TYPE: { "schema": { "anyOf": data } } })
}

fn content_of_problem(schemas: &mut SchemaGenerator) -> Value {
    content::<Problem>(schemas, MEDIA_TYPE)
}
