//! The HTTP/JSON API by which people, scripts and dashboards look at a running Plimsoll and tell
//! it what to do: on the socket `state_dir/admin.sock`, and on TCP where that is wanted.
//!
//! What is said here is said in documents of its own (`status`, `explanation`, `reloaded`,
//! `problem`): nothing below this crate is serialised. What the API consists of stands once, in
//! [`Operation`]; the router, the description in `docs/reference/admin-api.json` and the
//! [`Client`] are all made of it.
//!
//! Nothing here decides: each operation asks the [`Backend`], which is the control loop, and
//! passes on what it says.

mod backend;
mod ban;
mod body;
mod certificate;
mod client;
mod deploy;
mod diagnostic;
mod doorway;
mod event;
mod explanation;
mod finding;
mod followers;
mod guard;
mod handle;
mod job;
mod judge;
mod openapi;
mod operation;
mod problem;
mod reload_watch;
mod reloaded;
mod remote;
mod router;
mod scale;
mod seats;
mod server;
mod socket;
mod status;
mod stream;
mod surroundings;
mod tries;
mod version;

pub use axum::Router;

pub use backend::{Backend, Refusal, Scrape};
pub use ban::{Ban, BanKey, Bans, Lifted, NewBan, token_sha256};
pub use certificate::{Certificate, CertificateTrouble, Certificates, InternalCa};
pub use client::{Client, ClientError};
pub use control::{IfRolledBack, ReloadRequest};
pub use deploy::{
    Acted, Deploy, DeployAction, DeployEvents, Deploying, FORMS, History, Hold, Line, Past,
    Receipt, Release, Shift, Step, WHO_BYTES_MAX, Way, deploy_events,
};
pub use diagnostic::{Diagnostic, Place, Related, diagnostics};
pub use event::{Event, EventGap, EventLevel, Events};
pub use explanation::{
    Asked, Basis, Candidate, Choice, Explanation, Outcome, Question, Share, ShareBy,
};
pub use finding::{
    ComparedWith, Finding, FindingKind, FoundRequest, Hits, InstanceHits, OutputLine,
    RequestEnding, SlowLimit,
};
pub use guard::{Guard, NoToken, TOKEN_BYTES_MIN, Token, Tokens};
pub use job::{Job, JobOutput, JobRun, JobStarted, Jobs, NewJobRun};
pub use judge::{Judged, Judgement};
pub use openapi::describe;
pub use operation::Operation;
pub use problem::{Kind, Problem};
pub use reload_watch::{ReloadOutcome, ReloadWatch};
pub use reloaded::{Changes, NeedsDeploy, Reloaded};
pub use remote::{NoRemote, Remote};
pub use router::router;
pub use scale::{Scale, Scaled};
pub use server::{BindError, Server, TcpDoor, TlsConfigs, serve, serve_tcp};
pub use socket::{ClaimError, SocketClaim, socket_in};
pub use status::{
    Access, AuthServer, CheckedDeploy, DeployCondition, Descriptors, DrainedAway, FirstRelease,
    Instance, InstanceState, Issuer, LastDeploy, LastReload, Listener, Open, Outlier, RolledBack,
    Run, RunningDeploy, Service, ServiceMode, Status, Store, Totals, UnreachedHost, Unresolved,
    Waiting,
};
pub use stream::{EventStream, Told};
pub use surroundings::{ContainerPlace, ProcessPlace, Surroundings};
pub use version::Version;
