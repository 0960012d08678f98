//! From a request to an operation of the backend and back.

use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::handler::Handler;
use axum::response::IntoResponse;
use axum::routing::{MethodFilter, MethodRouter, on};
use axum::{Extension, Json, Router};
use http::{HeaderMap, Method, Uri, header};
use std::collections::BTreeMap;
use std::str::FromStr;

use crate::body::{BYTES_MAX, Document};
use crate::followers::{FOLLOWERS_MAX, Followers};
use crate::guard::{Caller, Sight};
use crate::{
    Acted, Backend, Ban, BanKey, Bans, Certificates, Deploy, DeployEvents, Deploying, Events,
    Explanation, History, Instance, Job, JobOutput, JobStarted, Jobs, Judged, Kind, Lifted, NewBan,
    NewJobRun, Operation, Past, Problem, Question, ReloadWatch, Reloaded, Scale, Scaled, Status,
    Surroundings, Version,
};
use crate::{reload_watch, stream};

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
        Operation::ReloadWatch => at(operation, reload_watch::<B>),
        Operation::Drain => at(operation, drain::<B>),
        Operation::Enable => at(operation, enable::<B>),
        Operation::Certificates => at(operation, certificates::<B>),
        Operation::Bans => at(operation, bans::<B>),
        Operation::Ban => at(operation, ban::<B>),
        Operation::Unban => at(operation, unban::<B>),
        Operation::Explain => at(operation, explain::<B>),
        Operation::Deploy => at(operation, deploy::<B>),
        Operation::History => at(operation, history::<B>),
        Operation::ShowDeploy => at(operation, show_deploy::<B>),
        Operation::Judge => at(operation, judge::<B>),
        Operation::Scale => at(operation, scale::<B>),
        Operation::Surroundings => at(operation, surroundings::<B>),
        Operation::Jobs => at(operation, jobs::<B>),
        Operation::ShowJob => at(operation, show_job::<B>),
        Operation::RunJob => at(operation, run_job::<B>),
        Operation::JobOutput => at(operation, job_output::<B>),
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
        Method::DELETE => MethodFilter::DELETE,
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

async fn reload<B: Backend>(
    State(backend): State<B>,
    Query(query): Query<BTreeMap<String, String>>,
) -> ApiResult<Reloaded> {
    let how = reload_watch::of_query(&query);
    let how = how.map_err(|wrong| Problem::new(Kind::BadRequest, wrong))?;
    Ok(Json(backend.reload(how).await?))
}

async fn reload_watch<B: Backend>(
    State(backend): State<B>,
    Path(revision): Path<String>,
) -> ApiResult<ReloadWatch> {
    Ok(Json(backend.reload_watch(number(&revision)?).await?))
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

async fn certificates<B: Backend>(State(backend): State<B>) -> ApiResult<Certificates> {
    Ok(Json(backend.certificates().await?))
}

async fn bans<B: Backend>(State(backend): State<B>) -> ApiResult<Bans> {
    Ok(Json(backend.bans().await?))
}

async fn ban<B: Backend>(
    State(backend): State<B>,
    Document(wanted): Document<NewBan>,
) -> ApiResult<Ban> {
    Ok(Json(backend.ban(wanted).await?))
}

async fn unban<B: Backend>(
    State(backend): State<B>,
    banned: Result<Query<BanKey>, QueryRejection>,
) -> ApiResult<Lifted> {
    let wrong = |rejection: QueryRejection| Problem::new(Kind::BadRequest, rejection.body_text());
    let Query(banned) = banned.map_err(wrong)?;
    Ok(Json(backend.unban(banned).await?))
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

async fn show_deploy<B: Backend>(
    State(backend): State<B>,
    Path((service, deploy)): Path<(String, String)>,
    sight: Option<Extension<Sight>>,
) -> ApiResult<Past> {
    let past = backend.show_deploy(&service, number(&deploy)?).await?;
    Ok(Json(if sees_output(sight) { past } else { past.without_output() }))
}

async fn judge<B: Backend>(
    State(backend): State<B>,
    Path((service, deploy)): Path<(String, String)>,
    Query(set): Query<BTreeMap<String, String>>,
    sight: Option<Extension<Sight>>,
) -> ApiResult<Judged> {
    let judged = backend.judge(&service, number(&deploy)?, set).await?;
    Ok(Json(if sees_output(sight) { judged } else { judged.without_output() }))
}

async fn scale<B: Backend>(
    State(backend): State<B>,
    Path(service): Path<String>,
    Document(wanted): Document<Scale>,
) -> ApiResult<Scaled> {
    Ok(Json(backend.scale(&service, wanted).await?))
}

async fn surroundings<B: Backend>(
    State(backend): State<B>,
    Path(service): Path<String>,
    sight: Option<Extension<Sight>>,
) -> ApiResult<Surroundings> {
    // On the socket, which is its owner's, nobody stands guard.
    if sight.is_some() {
        let detail = "it holds secrets: ask over the admin socket, on this machine";
        return Err(Problem::new(Kind::SocketAlone, detail));
    }
    Ok(Json(backend.surroundings(&service).await?))
}

async fn jobs<B: Backend>(
    State(backend): State<B>,
    sight: Option<Extension<Sight>>,
) -> ApiResult<Jobs> {
    let Jobs { jobs } = backend.jobs().await?;
    let is_told = sees_output(sight);
    let told = |job: Job| if is_told { job } else { job.without_output() };
    Ok(Json(Jobs { jobs: jobs.into_iter().map(told).collect() }))
}

async fn show_job<B: Backend>(
    State(backend): State<B>,
    Path(job): Path<String>,
    sight: Option<Extension<Sight>>,
) -> ApiResult<Job> {
    let job = backend.job(&job).await?;
    Ok(Json(if sees_output(sight) { job } else { job.without_output() }))
}

async fn run_job<B: Backend>(
    State(backend): State<B>,
    Path(job): Path<String>,
    Document(wanted): Document<NewJobRun>,
) -> ApiResult<JobStarted> {
    if let Some(fault) = wanted.fault() {
        return Err(Problem::new(Kind::BadRequest, fault));
    }
    Ok(Json(backend.run_job(&job, wanted).await?))
}

async fn job_output<B: Backend>(
    State(backend): State<B>,
    Path((job, run, from)): Path<(String, String, String)>,
    sight: Option<Extension<Sight>>,
) -> ApiResult<JobOutput> {
    let output = backend.job_output(&job, number(&run)?, number(&from)?).await?;
    Ok(Json(if sees_output(sight) { output } else { output.without_output() }))
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
    let events = backend.deploy_events(number(&deploy)?, number(&from)?).await?;
    Ok(Json(if sees_output(sight) { events } else { events.without_output() }))
}

/// The number that a segment of the path is.
fn number<T: FromStr>(text: &str) -> Result<T, NoNumber> {
    text.parse().map_err(|_| NoNumber(text.to_owned()))
}

/// A segment of the path that is to be a number, and is none.
struct NoNumber(String);

impl From<NoNumber> for Problem {
    fn from(NoNumber(text): NoNumber) -> Self {
        Self::new(Kind::BadRequest, format!("`{text}` is no number"))
    }
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
