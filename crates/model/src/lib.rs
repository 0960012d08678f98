//! What can be wanted: the checked, immutable [`Intent`] and the names it is made of.
//!
//! Nothing here does I/O, asks a clock, draws a random number or knows how a configuration file
//! is written. `config` makes an [`Intent`]; `edge` compiles it into what is served; what is
//! *observed* never lives here.

// This crate is the first of ours that is compiled: elsewhere nothing else should fail before it.
#[cfg(not(target_os = "linux"))]
compile_error!("Plimsoll runs on Linux only: on other systems build and run it in a container");

pub mod account;
pub mod cors;
pub mod deploy;
pub mod diff;
pub mod health;
pub mod id;
pub mod intent;
pub mod listener;
pub mod policy;
pub mod route;
pub mod route_id;
pub mod run;
pub mod server;
pub mod service;

pub use account::{Account, NoAccount, Principal};
pub use cors::{Cors, OriginMatch};
pub use deploy::{
    ClientErrors, Deploy, Drain, ExchangeKind, Judge, LittleData, Smoke, Step, Strategy, Surge,
    WarmUp,
};
pub use diff::Diff;
pub use health::{
    GrpcProbe, HealthCheck, HealthProbe, HttpProbe, ProbeHeaders, ProbeMethod, StatusRange,
};
pub use id::{Generation, InstanceName, ListenerName, Revision, ServiceName};
pub use intent::Intent;
pub use listener::{
    BodyLimit, Listener, ListenerLimits, ListenerTimeouts, Protocol, ProxyProtocol, TlsCertificate,
};
pub use policy::{HeaderEdits, Policies, Rewrite};
pub use route::{
    Action, Destination, Expression, HostMatch, Matcher, PathMatch, Redirect, Respond, Route,
    Share, ValueMatch,
};
pub use route_id::RouteId;
pub use run::{
    Command, INHERITED, ProcessRecipe, Recipe, Restart, Run, Stop, StopSignal, StopTo,
    VERSION_MARK, Workload, is_version,
};
pub use server::{AccessLog, Admin, Log, LogFormat, LogLevel, Server, TokenSource};
pub use service::{
    Balance, CookieSecurity, Hash, HashAlgorithm, HashKey, Host, KeepAlive, Passive, Queue, Retry,
    RetryCondition, SameSite, Service, ServiceTimeouts, Sticky, Target, UpstreamProtocol,
    Violations,
};
