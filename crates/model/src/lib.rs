//! What can be wanted: the checked, immutable [`Intent`] and the names it is made of.
//!
//! Nothing here does I/O, asks a clock, draws a random number or knows how a configuration file
//! is written. `config` makes an [`Intent`]; `edge` compiles it into what is served; what is
//! *observed* never lives here.

// This crate is the first of ours that is compiled: elsewhere nothing else should fail before it.
#[cfg(not(target_os = "linux"))]
compile_error!("Plimsoll runs on Linux only: on other systems build and run it in a container");

pub mod abuse;
pub mod account;
pub mod acme;
pub mod auth;
pub mod condition;
pub mod container;
pub mod cors;
pub mod deploy;
pub mod diff;
pub mod health;
pub mod hook;
pub mod id;
pub mod image;
pub mod intent;
pub mod job;
pub mod limit;
pub mod listener;
pub mod policy;
pub mod remote_host;
pub mod route;
pub mod route_id;
pub mod run;
pub mod server;
pub mod service;
pub mod signature;
pub mod store;
pub mod url;

pub use abuse::{Abuse, AbuseKey, AbuseMode, Unrouted};
pub use account::{Account, NoAccount, Principal};
pub use acme::{
    Acme, CertificateKey, Dns, DnsHost, DnsProvider, ExternalAccount, TsigHash, UpdateServer,
};
pub use auth::{
    ApiKey, AuthServer, Authentication, Basic, CertificateAuth, ClaimHeader, ClaimPath, Credential,
    CredentialPlace, Document, FetchedKeys, ForwardAuth, Introspection, Jwt, JwtAlgorithm, JwtKeys,
    KeyKind, KeysAt, Proof, RefusedAs, Requirement, Secret, ServiceCookies,
};
pub use condition::{Asks, Bounds, Condition, Unknown};
pub use container::{
    Access, ContainerRecipe, Pin, Registries, Registry, Resources, Volume, VolumeSource,
};
pub use cors::{Cors, OriginMatch};
pub use deploy::{
    ClientErrors, Deploy, Drain, ExchangeKind, Judge, LittleData, Preview, Smoke, Step, Strategy,
    Surge, WarmUp,
};
pub use diff::Diff;
pub use health::{
    GrpcProbe, HealthCheck, HealthProbe, HttpProbe, ProbeHeaders, ProbeMethod, StatusRange,
};
pub use hook::{Hook, HookMoment};
pub use id::{
    AbuseName, AuthName, Generation, InstanceName, JobName, LimitName, ListenerName, Revision,
    ServiceName,
};
pub use image::{DEFAULT_REGISTRY, ImageName, NoImageName};
pub use intent::Intent;
pub use job::{Job, JobRetry, Overlap, Schedule};
pub use limit::{Bound, KeyPart, Limit, LimitMode, LimitUse, Per, Rate};
pub use listener::{
    BodyLimit, ClientAuth, ClientDemand, Listener, ListenerLimits, ListenerTimeouts, Protocol,
    ProxyProtocol, TlsCertificate,
};
pub use policy::{BanToken, HeaderEdits, Policies, Rewrite};
pub use remote_host::{NoRemoteHost, RemoteHost};
pub use route::{
    Action, Destination, Expression, HostMatch, Matcher, PathMatch, Redirect, Respond, Route,
    Share, ValueMatch,
};
pub use route_id::RouteId;
pub use run::{
    Command, INHERITED, ProcessRecipe, Recipe, Restart, Run, Stop, StopSignal, StopTo,
    VERSION_MARK, Work, Workload, is_version,
};
pub use server::{
    AccessLog, Admin, AdminHosts, AdminTls, Log, LogFormat, LogLevel, Server, TokenSource,
};
pub use service::{
    Balance, CookieSecurity, Hash, HashAlgorithm, HashKey, Host, KeepAlive, OnOutlier, Passive,
    Queue, Retry, RetryCondition, SameSite, Service, ServiceTimeouts, ServiceTls, Sticky, Target,
    UpstreamProtocol, Violations,
};
pub use signature::{Hmac, HmacSecrets, MessageSignature, NonceRule, SignatureAlgorithm};
pub use store::{Login, OnFailure, Redis, RedisNode, Store, Transport};
pub use url::{Scheme, Url};
