//! Asks a running Plimsoll: the one here over its socket, one elsewhere over TCP, with its token. One connection for each question: they are few.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use outbound::{CertificateFault, Fault};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

use crate::reload_watch;
use crate::socket::running_for;
use crate::{
    Acted, Ban, BanKey, Bans, Certificates, Deploy, DeployAction, DeployEvents, Deploying,
    EventStream, Events, Explanation, History, Instance, Job, JobOutput, JobStarted, Jobs, Judged,
    Lifted, NewBan, NewJobRun, Operation, Past, Problem, Question, ReloadRequest, ReloadWatch,
    Reloaded, Remote, Scale, Scaled, Status, Surroundings, Version, socket_in, stream,
};

/// How long an answer may take; a reload resolves names and reads certificates.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Asks a Plimsoll.
#[derive(Clone, Debug)]
pub struct Client {
    at: At,
}

/// Where it is asked.
#[derive(Clone, Debug)]
enum At {
    /// Here, at its socket.
    Socket(PathBuf),
    /// Elsewhere.
    Remote(Box<Remote>),
}

/// Why there was no answer, or not the wanted one.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("plimsoll is not running (no socket at {})", socket.display())]
    NotRunning {
        /// Where it would listen.
        socket: PathBuf,
    },
    /// One runs, and its socket is not there.
    #[error("plimsoll is running (pid {pid}), but does not listen at {}", socket.display())]
    Unreachable {
        /// Its process.
        pid: u32,
        /// Where it should listen.
        socket: PathBuf,
    },
    /// The socket is somebody else's.
    #[error("may not use {}: it belongs to the user that plimsoll runs as", socket.display())]
    Forbidden {
        /// The socket.
        socket: PathBuf,
    },
    /// The socket could not be used.
    #[error("cannot connect to {}", socket.display())]
    Connect {
        /// The socket.
        socket: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no connection to the one that is elsewhere.
    #[error("cannot ask the plimsoll at {url}: {}", told(fault))]
    Unreached {
        /// Where it was asked.
        url: String,
        /// Why not.
        fault: Box<Fault>,
    },
    /// What responds is no admin API, or of another version.
    #[error("what responds there is no admin API of plimsoll: its status is {status}")]
    Stranger {
        /// The response's status.
        status: StatusCode,
    },
    /// It hung up, or spoke no HTTP.
    #[error("the running plimsoll sent an invalid response")]
    Broken(#[from] hyper::Error),
    /// It took too long.
    #[error("the running plimsoll did not respond within {} s", ANSWER_TIMEOUT.as_secs())]
    Slow,
    /// It said something that we cannot read.
    #[error("the running plimsoll speaks another version of the admin API")]
    Unreadable(#[from] serde_json::Error),
    /// It sent a message that is longer than any.
    #[error("the running plimsoll sent a message without end")]
    Endless,
    /// What events are to be followed from is no id.
    #[error("not the id of an event")]
    NotAnId,
    /// It did not do what it was asked for.
    #[error("{0}")]
    Problem(Box<Problem>),
}

impl ClientError {
    /// Whether only the connection failed, or what stands between: what was asked may be asked again.
    pub fn is_of_connection(&self) -> bool {
        match self {
            Self::Unreached { fault, .. } => {
                matches!(
                    **fault,
                    Fault::Name { .. } | Fault::Connect { .. } | Fault::TooSlow { .. }
                )
            }
            Self::Stranger { status } => matches!(status.as_u16(), 502..=504),
            Self::Broken(_) | Self::Slow => true,
            _ => false,
        }
    }
}

impl Client {
    /// Asks the Plimsoll that runs for `state_dir`.
    pub fn new(state_dir: &Path) -> Self {
        Self { at: At::Socket(socket_in(state_dir)) }
    }

    /// Asks one elsewhere.
    pub fn remote(remote: Remote) -> Self {
        Self { at: At::Remote(Box::new(remote)) }
    }

    /// Whether it is elsewhere: a connection to it may break while it goes on.
    pub fn is_remote(&self) -> bool {
        matches!(self.at, At::Remote(_))
    }

    /// The running Plimsoll's version.
    ///
    /// # Errors
    /// See [`ClientError`]; so for all that follow.
    pub async fn version(&self) -> Result<Version, ClientError> {
        self.document(Operation::Version, &[], ()).await
    }

    /// Everything that is served, and what is observed of it.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.document(Operation::Status, &[], ()).await
    }

    /// Has the configuration read anew and served.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn reload(&self) -> Result<Reloaded, ClientError> {
        self.reload_as(&ReloadRequest::default()).await
    }

    /// The same, as `how` says.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn reload_as(&self, how: &ReloadRequest) -> Result<Reloaded, ClientError> {
        let uri = format!("{}{}", path(Operation::Reload, &[]), reload_watch::to_query(how));
        let request = request(Operation::Reload, &[]).uri(uri);
        let (status, bytes) = timed(self.exchange(request, Bytes::new())).await?;
        Ok(serde_json::from_slice(&successful(status, bytes)?)?)
    }

    /// How the reload to `revision` stands that is watched, or was.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn reload_watch(&self, revision: u64) -> Result<ReloadWatch, ClientError> {
        self.document(Operation::ReloadWatch, &[&revision.to_string()], ()).await
    }

    /// Has an instance given nothing new.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn drain(&self, service: &str, instance: &str) -> Result<Instance, ClientError> {
        self.document(Operation::Drain, &[service, instance], ()).await
    }

    /// Takes back a drain.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn enable(&self, service: &str, instance: &str) -> Result<Instance, ClientError> {
        self.document(Operation::Enable, &[service, instance], ()).await
    }

    /// How each certificate stands.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn certificates(&self) -> Result<Certificates, ClientError> {
        self.document(Operation::Certificates, &[], ()).await
    }

    /// Who is banned.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn bans(&self) -> Result<Bans, ClientError> {
        self.document(Operation::Bans, &[], ()).await
    }

    /// Bans.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn ban(&self, ban: &NewBan) -> Result<Ban, ClientError> {
        self.document(Operation::Ban, &[], ban).await
    }

    /// Lifts a ban.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn unban(&self, banned: &BanKey) -> Result<Lifted, ClientError> {
        let members = serde_json::to_value(banned)?;
        let members = members.as_object().into_iter().flatten();
        let pairs = members.filter_map(|(name, value)| {
            Some(format!("{}={}", escape(name), escape(value.as_str()?)))
        });
        let query: Vec<String> = pairs.collect();
        let uri = format!("{}?{}", path(Operation::Unban, &[]), query.join("&"));
        let request = request(Operation::Unban, &[]).uri(uri);
        let (status, bytes) = timed(self.exchange(request, Bytes::new())).await?;
        Ok(serde_json::from_slice(&successful(status, bytes)?)?)
    }

    /// What would become of a request.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn explain(&self, question: &Question) -> Result<Explanation, ClientError> {
        self.document(Operation::Explain, &[], question).await
    }

    /// Begins to replace a release.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn deploy(&self, service: &str, deploy: &Deploy) -> Result<Deploying, ClientError> {
        self.document(Operation::Deploy, &[service], deploy).await
    }

    /// Lets a service have another number of instances.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn scale(&self, service: &str, scale: &Scale) -> Result<Scaled, ClientError> {
        self.document(Operation::Scale, &[service], scale).await
    }

    /// What a program needs to run as the instances of a service do.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn surroundings(&self, service: &str) -> Result<Surroundings, ClientError> {
        self.document(Operation::Surroundings, &[service], ()).await
    }

    /// The deploys of a service.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn history(&self, service: &str) -> Result<History, ClientError> {
        self.document(Operation::History, &[service], ()).await
    }

    /// The deploy of this number.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn show_deploy(&self, service: &str, deploy: i64) -> Result<Past, ClientError> {
        self.document(Operation::ShowDeploy, &[service, &deploy.to_string()], ()).await
    }

    /// What the judge would have said of a deploy that is over, with `set` of its keys.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn judge(
        &self,
        service: &str,
        deploy: i64,
        set: &BTreeMap<String, String>,
    ) -> Result<Judged, ClientError> {
        let names = [service, &deploy.to_string()];
        let pairs = set.iter().map(|(key, value)| format!("{}={}", escape(key), escape(value)));
        let query: Vec<String> = pairs.collect();
        let uri = format!("{}?{}", path(Operation::Judge, &names), query.join("&"));
        let request = request(Operation::Judge, &names).uri(uri);
        let (status, bytes) = timed(self.exchange(request, Bytes::new())).await?;
        Ok(serde_json::from_slice(&successful(status, bytes)?)?)
    }

    /// Every job, with its latest runs.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn jobs(&self) -> Result<Jobs, ClientError> {
        self.document(Operation::Jobs, &[], ()).await
    }

    /// One job, with all that is kept of its runs.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn job(&self, job: &str) -> Result<Job, ClientError> {
        self.document(Operation::ShowJob, &[job], ()).await
    }

    /// Runs a job.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn run_job(&self, job: &str, run: &NewJobRun) -> Result<JobStarted, ClientError> {
        self.document(Operation::RunJob, &[job], run).await
    }

    /// What is written in a run of a job from its line `from` on, once there is something.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn job_output(
        &self,
        job: &str,
        run: i64,
        from: usize,
    ) -> Result<JobOutput, ClientError> {
        let (run, from) = (run.to_string(), from.to_string());
        self.document(Operation::JobOutput, &[job, &run, &from], ()).await
    }

    /// Promotes, aborts, pauses or resumes the running deploy of a service.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn deploy_action(
        &self,
        service: &str,
        action: DeployAction,
    ) -> Result<Acted, ClientError> {
        let action = serde_json::to_value(action)?;
        let action = action.as_str().unwrap_or_default();
        self.document(Operation::DeployAction, &[service, action], ()).await
    }

    /// What happened in a deploy from its line `from` on, once there is something.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn deploy_events(
        &self,
        deploy: i64,
        from: usize,
    ) -> Result<DeployEvents, ClientError> {
        let (deploy, from) = (deploy.to_string(), from.to_string());
        self.document(Operation::DeployEvents, &[&deploy, &from], ()).await
    }

    /// The latest events.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn events(&self) -> Result<Events, ClientError> {
        self.document(Operation::Events, &[], ()).await
    }

    /// Events as they happen, after the one of the id `after`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn follow_events(&self, after: &str) -> Result<EventStream, ClientError> {
        let request = request(Operation::FollowEvents, &[])
            .header(stream::LAST_EVENT_ID, after)
            .body(Full::new(Bytes::new()))
            .map_err(|_| ClientError::NotAnId)?;
        let (response, connection) = timed(self.send(request)).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(EventStream::new(response.into_body(), connection));
        }
        let bytes = response.into_body().collect().await?.to_bytes();
        Err(problem(status, &bytes))
    }

    /// Everything that is counted, for Prometheus.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn metrics(&self) -> Result<String, ClientError> {
        let bytes = self.ask(Operation::Metrics, &[], Bytes::new()).await?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    async fn document<T: DeserializeOwned>(
        &self,
        operation: Operation,
        names: &[&str],
        body: impl Serialize,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(&body)?.into();
        Ok(serde_json::from_slice(&self.ask(operation, names, body).await?)?)
    }

    async fn ask(
        &self,
        operation: Operation,
        names: &[&str],
        body: Bytes,
    ) -> Result<Bytes, ClientError> {
        let (status, bytes) = timed(self.exchange(request(operation, names), body)).await?;
        successful(status, bytes)
    }

    async fn exchange(
        &self,
        request: http::request::Builder,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let request = request.body(Full::new(body));
        let request = request.expect("a path of escaped names is a URI");
        let (response, connection) = self.send(request).await?;
        let status = response.status();
        let bytes = response.into_body().collect().await?.to_bytes();
        connection.abort();
        Ok((status, bytes))
    }

    /// Sends a request on a connection of its own, which is served until its task ends.
    async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, JoinHandle<hyper::Result<()>>), ClientError> {
        match &self.at {
            At::Socket(socket) => {
                let stream = UnixStream::connect(socket).await;
                converse(stream.map_err(|source| unconnected(socket, source))?, request).await
            }
            At::Remote(remote) => {
                let request = addressed(request, remote)?;
                let stream = remote.connect().await.map_err(|fault| ClientError::Unreached {
                    url: remote.to_string(),
                    fault: Box::new(fault),
                })?;
                converse(stream, request).await
            }
        }
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Full<Bytes>>,
) -> Result<(Response<Incoming>, JoinHandle<hyper::Result<()>>), ClientError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Its end is seen by the request that it breaks.
    let connection = tokio::spawn(connection);
    Ok((sender.send_request(request).await?, connection))
}

/// `request`, as it is sent to `remote`.
fn addressed(
    mut request: Request<Full<Bytes>>,
    remote: &Remote,
) -> Result<Request<Full<Bytes>>, ClientError> {
    let target = format!("{}{}", remote.base(), request.uri());
    *request.uri_mut() = target.parse().map_err(|_| ClientError::NotAnId)?;
    let fields = request.headers_mut();
    if let Ok(host) = HeaderValue::from_str(&remote.authority()) {
        fields.insert(header::HOST, host);
    }
    if let Some(value) = remote.authorization() {
        fields.insert(header::AUTHORIZATION, value);
    }
    Ok(request)
}

fn unconnected(socket: &Path, source: io::Error) -> ClientError {
    let is_gone =
        matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused);
    let running = is_gone.then(|| socket.parent().and_then(running_for));
    let socket = socket.to_owned();
    match (running, source.kind()) {
        (Some(Some(pid)), _) => ClientError::Unreachable { pid, socket },
        (Some(None), _) => ClientError::NotRunning { socket },
        (None, io::ErrorKind::PermissionDenied) => ClientError::Forbidden { socket },
        (None, _) => ClientError::Connect { socket, source },
    }
}

/// Why there is no connection, without the hint for the author of a configuration.
fn told(fault: &Fault) -> String {
    if let Fault::Certificate { host, why: CertificateFault::Issuer } = fault {
        return format!("no authority that is trusted here has issued the certificate of {host}");
    }
    let mut text = fault.to_string();
    let mut source = fault.source();
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    text
}

/// What `work` gives, unless that takes longer than an answer may.
async fn timed<T>(work: impl Future<Output = Result<T, ClientError>>) -> Result<T, ClientError> {
    tokio::time::timeout(ANSWER_TIMEOUT, work).await.map_err(|_| ClientError::Slow)?
}

/// The body of a response that is one.
fn successful(status: StatusCode, bytes: Bytes) -> Result<Bytes, ClientError> {
    match status.is_success() {
        true => Ok(bytes),
        false => Err(problem(status, &bytes)),
    }
}

/// What a response of this failing status says.
fn problem(status: StatusCode, bytes: &[u8]) -> ClientError {
    match serde_json::from_slice(bytes) {
        Ok(problem) => ClientError::Problem(problem),
        Err(_) => ClientError::Stranger { status },
    }
}

fn request(operation: Operation, names: &[&str]) -> http::request::Builder {
    Request::builder()
        .method(operation.method())
        .uri(path(operation, names))
        .header(header::HOST, "plimsoll")
        .header(header::CONTENT_TYPE, "application/json")
}

/// The path of `operation`, each name in braces replaced by the next of `names`.
fn path(operation: Operation, names: &[&str]) -> String {
    let mut names = names.iter();
    let segments = operation.path().split('/').map(|segment| {
        match segment.starts_with('{').then(|| names.next()).flatten() {
            Some(name) => escape(name),
            None => segment.to_owned(),
        }
    });
    segments.collect::<Vec<_>>().join("/")
}

/// Escapes all but RFC 3986's unreserved characters.
fn escape(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                escaped.push(char::from(byte));
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_in_paths() {
        let path = path(Operation::Drain, &["a/b", "[::1]:80"]);
        assert_eq!(path, "/v1/services/a%2Fb/instances/%5B%3A%3A1%5D%3A80/drain");
    }
}
