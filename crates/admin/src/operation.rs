//! What the API consists of, once: the router, its description and the client are made of this.

use http::Method;

use crate::Kind;

/// What one can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// The running Plimsoll's version.
    Version,
    /// Everything that is served, and what is observed of it.
    Status,
    /// Read the configuration anew and serve it.
    Reload,
    /// What comes of a reload that is watched.
    ReloadWatch,
    /// Give an instance nothing new.
    Drain,
    /// Take back a drain.
    Enable,
    /// How each certificate stands.
    Certificates,
    /// Who is banned.
    Bans,
    /// Ban.
    Ban,
    /// Lift a ban.
    Unban,
    /// What would become of a request.
    Explain,
    /// Begin to replace a release.
    Deploy,
    /// The deploys of a service.
    History,
    /// One deploy of a service.
    ShowDeploy,
    /// What the judge would have said of a deploy that is over.
    Judge,
    /// Have another number of instances.
    Scale,
    /// What a program needs to run as the instances do.
    Surroundings,
    /// Every job, with its latest runs.
    Jobs,
    /// One job, with all that is kept of its runs.
    ShowJob,
    /// Run a job.
    RunJob,
    /// What is written in a run of a job.
    JobOutput,
    /// What a person does to a running deploy.
    DeployAction,
    /// What happens in a deploy.
    DeployEvents,
    /// The latest events.
    Events,
    /// Events as they happen.
    FollowEvents,
    /// Everything that is counted, for Prometheus.
    Metrics,
    /// This description.
    Describe,
}

impl Operation {
    /// Each of them.
    pub const ALL: [Self; 27] = [
        Self::Version,
        Self::Status,
        Self::Reload,
        Self::ReloadWatch,
        Self::Drain,
        Self::Enable,
        Self::Certificates,
        Self::Bans,
        Self::Ban,
        Self::Unban,
        Self::Explain,
        Self::Deploy,
        Self::History,
        Self::ShowDeploy,
        Self::Judge,
        Self::Scale,
        Self::Surroundings,
        Self::Jobs,
        Self::ShowJob,
        Self::RunJob,
        Self::JobOutput,
        Self::DeployAction,
        Self::DeployEvents,
        Self::Events,
        Self::FollowEvents,
        Self::Metrics,
        Self::Describe,
    ];

    /// Its name in the description.
    pub fn id(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Status => "status",
            Self::Reload => "reload",
            Self::ReloadWatch => "reload_watch",
            Self::Drain => "drain",
            Self::Enable => "enable",
            Self::Certificates => "certificates",
            Self::Bans => "bans",
            Self::Ban => "ban",
            Self::Unban => "unban",
            Self::Explain => "explain",
            Self::Deploy => "deploy",
            Self::History => "history",
            Self::ShowDeploy => "show_deploy",
            Self::Judge => "judge",
            Self::Scale => "scale",
            Self::Surroundings => "surroundings",
            Self::Jobs => "jobs",
            Self::ShowJob => "show_job",
            Self::RunJob => "run_job",
            Self::JobOutput => "job_output",
            Self::DeployAction => "deploy_action",
            Self::DeployEvents => "deploy_events",
            Self::Events => "events",
            Self::FollowEvents => "follow_events",
            Self::Metrics => "metrics",
            Self::Describe => "describe",
        }
    }

    /// What it does, in a line.
    pub fn summary(self) -> &'static str {
        match self {
            Self::Version => "Show the running Plimsoll's version",
            Self::Status => "Show everything that is served, and its observed state",
            Self::Reload => {
                "Reload the configuration; `?watch=1m` watches it for so long and rolls it back if requests fail more \
                 often than before, `?anyway=true` takes one up that was rolled back"
            }
            Self::ReloadWatch => {
                "How a watched reload stands; responds when the watch is over, or after a second"
            }
            Self::Drain => "Stop sending new requests to an instance; let open ones finish",
            Self::Enable => "End an instance's drain",
            Self::Certificates => {
                "List each certificate: who issued it, until when it is good, when it is renewed, and what fails"
            }
            Self::Bans => "List who is banned, until when and why",
            Self::Ban => "Refuse a subject, a token or an address for a while",
            Self::Unban => "Lift a ban; the query names what is banned, as in `?subject=alice`",
            Self::Explain => "Explain which way a request would take, and why",
            Self::Deploy => "Start a deploy",
            Self::History => "List the deploys of a service and their receipts, the latest first",
            Self::ShowDeploy => {
                "Show a deploy: its receipt, and what the judge found with its evidence"
            }
            Self::Judge => {
                "Judge a deploy that is over once more; the query sets the judge's keys, as in `?max_error_rate=5%25`"
            }
            Self::Scale => {
                "Run another number of instances of a service, until the file says another than it does"
            }
            Self::Surroundings => {
                "What a program needs to run as the instances of a service do, secrets included; over the socket alone"
            }
            Self::Jobs => "List each job: when it is due next, and what came of its latest runs",
            Self::ShowJob => "Show a job with all that is kept of its runs",
            Self::RunJob => "Run a job now; responds when the run has begun",
            Self::JobOutput => {
                "What a run of a job writes from a line on; responds when there is something, or after ten seconds"
            }
            Self::DeployAction => "Promote, abort, pause or resume the running deploy of a service",
            Self::Events => "The latest events, in order",
            Self::FollowEvents => {
                "Events as they happen, as server-sent events; `Last-Event-ID` resumes after that one"
            }
            Self::DeployEvents => {
                "What happened in a deploy from a line on; responds when there is something, or after ten \
                 seconds"
            }
            Self::Metrics => "All metrics, for Prometheus",
            Self::Describe => "This description",
        }
    }

    /// Its path, with names in braces for what differs.
    pub fn path(self) -> &'static str {
        match self {
            Self::Version => "/v1/version",
            Self::Status => "/v1/status",
            Self::Reload => "/v1/reload",
            Self::ReloadWatch => "/v1/reloads/{revision}",
            Self::Drain => "/v1/services/{service}/instances/{instance}/drain",
            Self::Enable => "/v1/services/{service}/instances/{instance}/enable",
            Self::Certificates => "/v1/certificates",
            Self::Bans | Self::Ban | Self::Unban => "/v1/bans",
            Self::Explain => "/v1/explain",
            Self::Deploy | Self::History => "/v1/services/{service}/deploys",
            Self::ShowDeploy => "/v1/services/{service}/deploys/{deploy}",
            Self::Judge => "/v1/services/{service}/deploys/{deploy}/judge",
            Self::Scale => "/v1/services/{service}/scale",
            Self::Surroundings => "/v1/services/{service}/surroundings",
            Self::Jobs => "/v1/jobs",
            Self::ShowJob => "/v1/jobs/{job}",
            Self::RunJob => "/v1/jobs/{job}/runs",
            Self::JobOutput => "/v1/jobs/{job}/runs/{run}/output/{from}",
            Self::DeployAction => "/v1/services/{service}/deploy/{action}",
            Self::DeployEvents => "/v1/deploys/{deploy}/events/{from}",
            Self::Events => "/v1/events",
            Self::FollowEvents => "/v1/events/stream",
            Self::Metrics => "/metrics",
            Self::Describe => "/v1/openapi.json",
        }
    }

    /// Its method.
    pub fn method(self) -> Method {
        match self {
            Self::Unban => Method::DELETE,
            Self::Ban
            | Self::Reload
            | Self::Drain
            | Self::Enable
            | Self::Explain
            | Self::Deploy
            | Self::Scale
            // It only tells, but what it tells is not for those who may only look.
            | Self::Surroundings
            | Self::RunJob
            | Self::DeployAction => Method::POST,
            Self::Version
            | Self::Status
            | Self::ReloadWatch
            | Self::Certificates
            | Self::Bans
            | Self::History
            | Self::ShowDeploy
            | Self::Judge
            | Self::Jobs
            | Self::ShowJob
            | Self::JobOutput
            | Self::DeployEvents
            | Self::Events
            | Self::FollowEvents
            | Self::Metrics
            | Self::Describe => Method::GET,
        }
    }

    /// How it can go wrong, besides the guard at the door.
    pub fn problems(self) -> &'static [Kind] {
        match self {
            Self::Version | Self::Describe | Self::Events => &[],
            Self::FollowEvents => &[Kind::BadRequest, Kind::TooManyFollowers],
            Self::Reload => {
                &[Kind::BadRequest, Kind::NotPublished, Kind::InvalidConfiguration, Kind::Ending]
            }
            Self::ReloadWatch => &[Kind::BadRequest, Kind::NoSuchResource, Kind::Ending],
            Self::Status | Self::Metrics | Self::Certificates | Self::Bans => &[Kind::Ending],
            Self::Ban => &[
                Kind::BadRequest,
                Kind::BodyTooSlow,
                Kind::BodyTooLarge,
                Kind::NotBanned,
                Kind::Ending,
            ],
            Self::Unban => &[Kind::BadRequest, Kind::NoSuchBan, Kind::Ending],
            Self::Drain | Self::Enable => {
                &[Kind::UnknownService, Kind::UnknownInstance, Kind::Ending]
            }
            Self::Explain => {
                &[Kind::BadRequest, Kind::BodyTooSlow, Kind::BodyTooLarge, Kind::Ending]
            }
            Self::Deploy => &[
                Kind::BadRequest,
                Kind::BodyTooSlow,
                Kind::BodyTooLarge,
                Kind::UnknownService,
                Kind::NoSuchDeploy,
                Kind::Locked,
                Kind::Preflight,
                Kind::Failed,
                Kind::Ending,
            ],
            Self::History => &[Kind::UnknownService, Kind::BadRequest, Kind::Failed, Kind::Ending],
            Self::ShowDeploy | Self::Judge => &[
                Kind::BadRequest,
                Kind::UnknownService,
                Kind::NoSuchDeploy,
                Kind::Failed,
                Kind::Ending,
            ],
            Self::Scale => &[
                Kind::BadRequest,
                Kind::BodyTooSlow,
                Kind::BodyTooLarge,
                Kind::UnknownService,
                Kind::Failed,
                Kind::Ending,
            ],
            Self::Surroundings => &[
                Kind::SocketAlone,
                Kind::BadRequest,
                Kind::UnknownService,
                Kind::NoSuchDeploy,
                Kind::Failed,
                Kind::Ending,
            ],
            Self::Jobs => &[Kind::Failed, Kind::Ending],
            Self::ShowJob => &[Kind::UnknownJob, Kind::Failed, Kind::Ending],
            Self::RunJob => &[
                Kind::BadRequest,
                Kind::BodyTooSlow,
                Kind::BodyTooLarge,
                Kind::UnknownJob,
                Kind::JobBusy,
                Kind::Failed,
                Kind::Ending,
            ],
            Self::JobOutput => {
                &[Kind::BadRequest, Kind::UnknownJob, Kind::NoSuchResource, Kind::Ending]
            }
            Self::DeployAction => {
                &[Kind::BadRequest, Kind::UnknownService, Kind::NoSuchDeploy, Kind::Ending]
            }
            Self::DeployEvents => &[Kind::BadRequest, Kind::NoSuchDeploy, Kind::Ending],
        }
    }
}
