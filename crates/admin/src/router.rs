//! From a request to an operation of the backend and back.

use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::handler::Handler;
use axum::response::IntoResponse;
use axum::routing::{MethodFilter, MethodRouter, on};
use axum::{Extension, Json, Router};
use http::{HeaderMap, Method, Uri, header};
use std::collections::BTreeMap;

use crate::body::{BYTES_MAX, Document};
use crate::followers::{FOLLOWERS_MAX, Followers};
use crate::guard::{Caller, Sight};
use crate::stream;
use crate::{
    Acted, Backend, Deploy, DeployEvents, Deploying, Events, Explanation, History, Instance,
    Judged, Kind, Operation, Problem, Question, Reloaded, Status, Version,
};

type ApiResult<T> = Result<Json<T>, Problem>;

/// The API, as a service: every [`Operation`], each asking `backend`.
pub fn router<B: Backend>(backend: B) -> Router {
    let all = Operation::ALL.into_iter();
    all.fold(Router::new(), |router, operation| router.route(operation.path(), route(operation)))
        .fallback(no_such_resource)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(BYTES_MAX))
        .layer(Extension(Followers::default()))
        .with_state(backend)
}

fn route<B: Backend>(operation: Operation) -> MethodRouter<B> {
    match operation {
        Operation::Version => at(operation, version),
        Operation::Status => at(operation, status::<B>),
        Operation::Reload => at(operation, reload::<B>),
        Operation::Drain => at(operation, drain::<B>),
        Operation::Enable => at(operation, enable::<B>),
        Operation::Explain => at(operation, explain::<B>),
        Operation::Deploy => at(operation, deploy::<B>),
        Operation::History => at(operation, history::<B>),
        Operation::Judge => at(operation, judge::<B>),
        Operation::DeployAction => at(operation, deploy_action::<B>),
        Operation::DeployEvents => at(operation, deploy_events::<B>),
        Operation::Events => at(operation, events::<B>),
        Operation::FollowEvents => at(operation, follow_events::<B>),
        Operation::Metrics => at(operation, metrics::<B>),
        Operation::Describe => at(operation, describe),
    }
}

fn at<B: Backend, T: 'static>(
    operation: Operation,
    handler: impl Handler<T, B>,
) -> MethodRouter<B> {
    let filter = match operation.method() {
        Method::POST => MethodFilter::POST,
        _ => MethodFilter::GET,
    };
    on(filter, handler)
}

async fn version() -> Json<Version> {
    Json(Version::of_process())
}

async fn status<B: Backend>(State(backend): State<B>) -> ApiResult<Status> {
    Ok(Json(backend.status().await?))
}

async fn reload<B: Backend>(State(backend): State<B>) -> ApiResult<Reloaded> {
    Ok(Json(backend.reload().await?))
}

async fn drain<B: Backend>(
    State(backend): State<B>,
    Path((service, instance)): Path<(String, String)>,
) -> ApiResult<Instance> {
    Ok(Json(backend.drain(&service, &instance).await?))
}

async fn enable<B: Backend>(
    State(backend): State<B>,
    Path((service, instance)): Path<(String, String)>,
) -> ApiResult<Instance> {
    Ok(Json(backend.enable(&service, &instance).await?))
}

async fn explain<B: Backend>(
    State(backend): State<B>,
    Document(question): Document<Question>,
) -> ApiResult<Explanation> {
    Ok(Json(backend.explain(question).await?))
}

async fn deploy<B: Backend>(
    State(backend): State<B>,
    Path(service): Path<String>,
    Document(wanted): Document<Deploy>,
) -> ApiResult<Deploying> {
    if let Some(fault) = wanted.fault() {
        return Err(Problem::new(Kind::BadRequest, fault));
    }
    Ok(Json(backend.deploy(&service, wanted).await?))
}

async fn history<B: Backend>(
    State(backend): State<B>,
    Path(service): Path<String>,
    sight: Option<Extension<Sight>>,
) -> ApiResult<History> {
    let history = backend.history(&service).await?;
    Ok(Json(if sees_output(sight) { history } else { history.without_output() }))
}

async fn judge<B: Backend>(
    State(backend): State<B>,
    Path((service, deploy)): Path<(String, String)>,
    Query(set): Query<BTreeMap<String, String>>,
    sight: Option<Extension<Sight>>,
) -> ApiResult<Judged> {
    let number = || Problem::new(Kind::BadRequest, format!("`{deploy}` is no number"));
    let deploy = deploy.parse().map_err(|_| number())?;
    let judged = backend.judge(&service, deploy, set).await?;
    Ok(Json(if sees_output(sight) { judged } else { judged.without_output() }))
}

async fn deploy_action<B: Backend>(
    State(backend): State<B>,
    Path((service, action)): Path<(String, String)>,
) -> ApiResult<Acted> {
    let action = serde_json::from_value(action.clone().into())
        .map_err(|_| Problem::new(Kind::BadRequest, format!("there is no action `{action}`")))?;
    Ok(Json(backend.deploy_action(&service, action).await?))
}

async fn deploy_events<B: Backend>(
    State(backend): State<B>,
    Path((deploy, from)): Path<(String, String)>,
    sight: Option<Extension<Sight>>,
) -> ApiResult<DeployEvents> {
    let number = |text: &str| Problem::new(Kind::BadRequest, format!("`{text}` is no number"));
    let id = deploy.parse().map_err(|_| number(&deploy))?;
    let from = from.parse().map_err(|_| number(&from))?;
    let events = backend.deploy_events(id, from).await?;
    Ok(Json(if sees_output(sight) { events } else { events.without_output() }))
}

async fn events<B: Backend>(State(backend): State<B>) -> Json<Events> {
    Json(Events::of(&backend.events()))
}

async fn follow_events<B: Backend>(
    State(backend): State<B>,
    Extension(followers): Extension<Followers>,
    caller: Option<Extension<Caller>>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    let Extension(caller) = caller.unwrap_or_default();
    let full = || {
        let detail = format!(
            "{FOLLOWERS_MAX} clients follow events already: end one, or read the latest at /v1/events"
        );
        Problem::new(Kind::TooManyFollowers, detail)
    };
    let place = followers.take(&caller).ok_or_else(full)?;
    let wrong = |_| Problem::new(Kind::BadRequest, "`Last-Event-ID` is not the id of an event");
    let after = stream::last_seen(&headers).map_err(wrong)?;
    Ok(stream::follow(&backend.events(), after, place))
}

/// Whether the client may see what instances wrote. On the socket, where nobody stands guard, they
/// may.
fn sees_output(sight: Option<Extension<Sight>>) -> bool {
    sight.is_none_or(|Extension(sight)| sight == Sight::Whole)
}

async fn metrics<B: Backend>(State(backend): State<B>) -> Result<impl IntoResponse, Problem> {
    let scrape = backend.scrape().await?;
    Ok(([(header::CONTENT_TYPE, scrape.media_type)], scrape.text))
}

async fn describe() -> Json<serde_json::Value> {
    Json(crate::describe())
}

async fn no_such_resource(uri: Uri) -> Problem {
    Problem::new(Kind::NoSuchResource, format!("there is nothing at {}", uri.path()))
}

async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    Problem::new(Kind::MethodNotAllowed, format!("{} does not know {method}", uri.path()))
}
