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
mod body;
mod client;
mod deploy;
mod diagnostic;
mod doorway;
mod event;
mod explanation;
mod followers;
mod guard;
mod handle;
mod judge;
mod openapi;
mod operation;
mod problem;
mod reloaded;
mod router;
mod seats;
mod server;
mod socket;
mod status;
mod stream;
mod tries;
mod version;

pub use axum::Router;

pub use backend::{Backend, Refusal, Scrape};
pub use client::{Client, ClientError};
pub use deploy::{
    Acted, Deploy, DeployAction, DeployEvents, Deploying, History, Hold, Line, Past, Receipt,
    Release, Shift, Step, WHO_BYTES_MAX, Way, deploy_events, write_receipt,
};
pub use diagnostic::{Diagnostic, Place, Related, diagnostics};
pub use event::{Event, EventGap, EventLevel, Events};
pub use explanation::{
    Asked, Basis, Candidate, Choice, Explanation, Outcome, Question, Share, ShareBy,
};
pub use guard::{Guard, NoToken, TOKEN_BYTES_MIN, Token, Tokens};
pub use judge::{Judged, Judgement};
pub use openapi::describe;
pub use operation::Operation;
pub use problem::{Kind, Problem};
pub use reloaded::{Changes, NeedsDeploy, Reloaded};
pub use router::router;
pub use server::{BindError, Server, serve, serve_tcp};
pub use socket::{ClaimError, SocketClaim, socket_in};
pub use status::{
    Access, CheckedDeploy, Descriptors, DrainedAway, FirstRelease, Instance, InstanceState,
    LastDeploy, LastReload, Listener, Open, Run, RunningDeploy, Service, ServiceMode, Status,
    Totals, Unresolved, Waiting,
};
pub use stream::{EventStream, Told};
pub use version::Version;
