//! An edge on a free port, with what a test wants of it and sensible values for the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use ::edge::{
    Edge, Instance, ListenerTls, Options, ServiceTlsPlan, ServingConfig, StickyKey, Store,
};
use model::{
    Abuse, AccessLog, Action, Admin, Authentication, Balance, BodyLimit, ClientAuth, Destination,
    Generation, Intent, KeepAlive, Listener, ListenerLimits, ListenerTimeouts, Log, LogFormat,
    LogLevel, Matcher, Policies, Protocol, ProxyProtocol, Queue, Retry, RetryCondition, Revision,
    Route, Server, Service, ServiceTimeouts, ServiceTls, Share, UpstreamProtocol,
};
use rustls::ServerConfig;
use wire::tls::ClientTrust;

use crate::{AccessLines, Origin, Request, Step};

/// A running edge with one listener, `web`, and one service, `api`, that gets every request unless
/// the test says otherwise.
pub struct TestEdge {
    /// The edge itself.
    pub edge: Edge,
    serving_config: ServingConfig,
    /// Told by the edge of tokens that are to be banned.
    pub banned: tokio::sync::mpsc::Receiver<::edge::Ban>,
    /// What it tells of what happens.
    told: telemetry::Events,
}

const MEMORY: usize = 512 * 1024 * 1024;
const WORKERS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);

/// What a test may change before anything is published.
pub struct Wanted {
    /// The listener.
    pub listener: Listener,
    /// The service.
    pub service: Service,
    /// Ways of proving who one is.
    pub auth: Vec<Authentication>,
    /// Rules of whom refusals have banned, beside those that routes name.
    pub abuse: Vec<Arc<Abuse>>,
    /// The routes.
    pub routes: Vec<Route>,
    /// TLS of the listener, where it is to have it.
    pub tls: Option<Arc<ServerConfig>>,
    /// How TLS is spoken with the instances of the service, where it is.
    pub service_tls: Option<ServiceTlsPlan>,
    /// Whose certificates of clients that believes, where it asks for them.
    pub clients: Option<ClientTrust>,
    /// The hosts that the certificates of the listener name, as far as the edge is to know.
    pub certified: Vec<String>,
    /// What both workers together may hold for clients, in bytes.
    pub memory: usize,
    /// Where the access log goes, if it is to be written.
    pub access_log: Option<AccessLines>,
    /// What it shares with other edges.
    pub store: Store,
}

impl TestEdge {
    /// Balances over these targets.
    pub fn start(targets: &[SocketAddr]) -> Self {
        Self::with(targets, |_| {})
    }

    /// Balances over one origin, which answers as `script` says.
    pub fn over(script: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static) -> (Origin, Self) {
        let origin = Origin::start(script);
        let edge = Self::start(&[origin.address()]);
        (origin, edge)
    }

    /// [`TestEdge::start`], after `change`.
    ///
    /// # Panics
    /// When the edge cannot start.
    pub fn with(targets: &[SocketAddr], change: impl FnOnce(&mut Wanted)) -> Self {
        let (listener, service, routes) = (listener(), service(), vec![route()]);
        let (tls, clients, service_tls, access_log) = (None, None, None, None);
        let (auth, abuse, certified) = (Vec::new(), Vec::new(), Vec::new());
        let mut wanted = Wanted {
            listener,
            service,
            auth,
            abuse,
            routes,
            tls,
            service_tls,
            clients,
            certified,
            memory: MEMORY,
            access_log,
            store: Store::alone(),
        };
        change(&mut wanted);
        let memory = wanted.memory;
        let logs = wanted.access_log.as_ref().map(|log| log.writers(WORKERS.get()));
        let logs = logs.unwrap_or_default();
        let serving_config = serving_config(wanted, targets);
        let (suspects, _) = tokio::sync::mpsc::unbounded_channel();
        let (bans, banned) = tokio::sync::mpsc::channel(1_024);
        let workers = WORKERS;
        let sticky_key = StickyKey::new(b"a key for tests");
        let events = telemetry::Events::default();
        let client = outbound::Client::nameless();
        let told = events.clone();
        let options = Options { workers, memory, sticky_key, logs, suspects, bans, events, client };
        let mut edge = Edge::start(options).expect("threads start");
        edge.publish(&serving_config).expect("loopback has a free port");
        Self { edge, serving_config, banned, told }
    }

    /// Whether an event of this kind was told.
    pub fn has_told(&self, kind: telemetry::event::Kind) -> bool {
        self.told.recent().iter().any(|it| it.event.kind() == kind)
    }

    /// Where clients arrive.
    ///
    /// # Panics
    /// Never: the listener is always there.
    pub fn address(&self) -> SocketAddr {
        self.edge.addresses("web").next().expect("the listener is bound")
    }

    /// Serves these targets instead.
    ///
    /// # Panics
    /// When it cannot be published.
    pub fn retarget(&mut self, targets: &[SocketAddr]) -> Generation {
        self.serving_config.instances = instances(targets);
        self.serving_config.revision = self.serving_config.revision.next();
        self.edge.publish(&self.serving_config).expect("it was published before")
    }

    /// Serves what the instances become by `change`.
    ///
    /// # Panics
    /// When it cannot be published.
    pub fn change_instances(&mut self, change: impl Fn(&mut Instance)) -> Generation {
        self.serving_config.instances.values_mut().flatten().for_each(change);
        self.republish(|_| {})
    }

    /// Waits until each worker serves what was published last.
    ///
    /// # Panics
    /// When there is no runtime to be had.
    pub fn settle(&self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        // A worker reads its orders one after another, and this one comes after what was published.
        let _ = runtime.expect("a runtime starts").block_on(self.edge.open());
    }

    /// Serves what it becomes by `change` instead.
    ///
    /// # Panics
    /// When it cannot be published.
    pub fn republish(&mut self, change: impl FnOnce(&mut Intent)) -> Generation {
        change(Arc::make_mut(&mut self.serving_config.intent));
        self.serving_config.revision = self.serving_config.revision.next();
        self.edge.publish(&self.serving_config).expect("it can be published")
    }

    /// Serves one more service, which is as `api` but for its name and targets, with what else is
    /// changed by `change`.
    ///
    /// # Panics
    /// When it cannot be published.
    pub fn add_service(
        &mut self,
        name: &str,
        targets: &[SocketAddr],
        change: impl FnOnce(&mut Intent),
    ) -> Generation {
        let intent = Arc::make_mut(&mut self.serving_config.intent);
        let mut service = Service::clone(intent.services.values().next().expect("there is one"));
        service.name = name.into();
        intent.services.insert(name.into(), Arc::new(service));
        let instances = instances(targets).into_values().next().expect("they are of one service");
        self.serving_config.instances.insert(name.into(), instances);
        self.republish(change)
    }

    /// Tries the targets at `canary` as a new release on this share of the requests.
    ///
    /// # Panics
    /// When it cannot be published.
    pub fn split(&mut self, share: f64, canary: &[SocketAddr]) -> Generation {
        self.split_with(share, canary, None)
    }

    /// The same, where a request may ask for the new release by what `preview` says.
    ///
    /// # Panics
    /// When it cannot be published.
    pub fn split_with(
        &mut self,
        share: f64,
        canary: &[SocketAddr],
        preview: Option<::edge::PreviewRule>,
    ) -> Generation {
        let canary = canary.iter().map(|address| address.to_string().into()).collect();
        let split = ::edge::Split { share, canary, preview };
        self.serving_config.splits.insert("api".into(), split);
        self.republish(|_| {})
    }

    /// Serves new connections with another TLS.
    ///
    /// # Panics
    /// When it cannot be published.
    pub fn change_tls(&mut self, tls: Arc<ServerConfig>) -> Generation {
        self.serving_config.tls.values_mut().for_each(|old| old.config = tls.clone());
        self.republish(|_| {})
    }

    /// Speaks with the instances of `api` by this TLS, or in the clear. What differs is as if the file said so with other words.
    ///
    /// # Panics
    /// When it cannot be published.
    pub fn change_service_tls(
        &mut self,
        terms: Option<ServiceTls>,
        plan: Option<ServiceTlsPlan>,
    ) -> Generation {
        let name = model::ServiceName::from("api");
        self.serving_config.services_tls =
            plan.map(|plan| (name.clone(), Arc::new(plan))).into_iter().collect();
        self.republish(|intent| {
            let service = intent.services.get_mut(&name).expect("it is there");
            Arc::make_mut(service).tls = terms;
        })
    }

    /// Believes these certificates of clients from now on, on connections that are open as well.
    ///
    /// # Panics
    /// When it cannot be published.
    pub fn change_clients(&mut self, clients: Option<&ClientTrust>) -> Generation {
        self.serving_config.tls.values_mut().for_each(|old| old.clients = clients.cloned());
        self.republish(|_| {})
    }

    /// Opens one more listener, which is as `web` but for its name, its TLS and whom it asks for certificates. Says where it is.
    ///
    /// # Panics
    /// When it cannot be published.
    pub fn also_at(
        &mut self,
        name: &str,
        tls: ListenerTls,
        client_auth: Option<ClientAuth>,
    ) -> SocketAddr {
        self.serving_config.tls.insert(name.into(), tls);
        self.republish(|intent| {
            let web = intent.listeners.values().next().expect("there is one").clone();
            let other = Listener { name: name.into(), client_auth, ..(*web).clone() };
            intent.listeners.insert(name.into(), other.into());
        });
        self.edge.addresses(name).next().expect("it is bound")
    }

    /// What is observed of the instance at `address`.
    ///
    /// # Panics
    /// When there is none.
    pub fn live(&self, address: SocketAddr) -> Arc<::edge::Live> {
        let service = self.edge.services().next().expect("there is one service");
        let live = service.instances.iter().find(|live| live.address == address);
        live.expect("it is a target").clone()
    }
}

fn serving_config(wanted: Wanted, targets: &[SocketAddr]) -> ServingConfig {
    let (listener, mut service) = (wanted.listener, wanted.service);
    service.tls = wanted.service_tls.as_ref().map(|_| ServiceTls::default());
    let services_tls = wanted.service_tls.map(|it| (service.name.clone(), Arc::new(it)));
    let names = wanted.certified.into_iter().map(Box::from).collect();
    let clients = wanted.clients;
    let tls = wanted.tls.map(|config| ListenerTls { config, clients, names });
    let tls = tls.map(|tls| (listener.name.clone(), tls)).into_iter().collect();
    let used = wanted.routes.iter().flat_map(|it| &it.policies.limits);
    let limits = used.map(|it| (it.limit.name.clone(), it.limit.clone())).collect();
    let watched = wanted.routes.iter().flat_map(|it| &it.policies.abuse).chain(&wanted.abuse);
    let abuse = watched.map(|it| (it.name.clone(), it.clone())).collect();
    let intent = Intent {
        server: Server {
            state_dir: "/nonexistent".into(),
            workers: None,
            memory: MEMORY,
            drain: Duration::from_secs(5),
        },
        admin: Admin::default(),
        log: Log { level: LogLevel::Info, format: LogFormat::Text, access: AccessLog::Off },
        listeners: BTreeMap::from([(listener.name.clone(), Arc::new(listener))]),
        store: None,
        acme: None,
        jobs: Default::default(),
        registries: BTreeMap::new(),
        internal: BTreeSet::new(),
        services: BTreeMap::from([(service.name.clone(), Arc::new(service))]),
        auth: wanted.auth.into_iter().map(|it| (it.name.clone(), Arc::new(it))).collect(),
        limits,
        abuse,
        routes: wanted.routes.into_iter().map(Arc::new).collect(),
        secrets: Arc::default(),
    };
    ServingConfig {
        splits: Default::default(),
        intent: Arc::new(intent),
        revision: Revision(1),
        instances: instances(targets),
        tls,
        services_tls: services_tls.into_iter().collect(),
        store: wanted.store,
        keyring: Default::default(),
    }
}

fn instances(targets: &[SocketAddr]) -> BTreeMap<model::ServiceName, Vec<Instance>> {
    let instance = |address: &SocketAddr| Instance {
        name: address.to_string().into(),
        address: *address,
        host: model::Host::Address(address.ip()),
        weight: 1,
        backup: false,
        release: None,
        is_drained: false,
    };
    BTreeMap::from([("api".into(), targets.iter().map(instance).collect())])
}

fn listener() -> Listener {
    let second = Duration::from_secs;
    Listener {
        name: "web".into(),
        bind: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
        protocols: vec![Protocol::H1, Protocol::H2],
        certificates: Vec::new(),
        ordered: None,
        nameless: None,
        client_auth: None,
        redirect_https: None,
        trusted_proxies: Vec::new(),
        proxy_protocol: ProxyProtocol::Off,
        limits: ListenerLimits {
            header_bytes: 32 * 1024,
            headers: 100,
            body: BodyLimit::Bytes(10 * 1024 * 1024),
            connections: 20_000,
            connections_per_client: 20_000,
        },
        timeouts: ListenerTimeouts {
            header: second(10),
            body_idle: second(30),
            body_progress: 256,
            idle: second(75),
            write_idle: second(30),
        },
    }
}

fn service() -> Service {
    let second = Duration::from_secs;
    Service {
        name: "api".into(),
        targets: Vec::new(),
        run: None,
        protocol: UpstreamProtocol::H1,
        balance: Balance::LeastConn,
        sticky: None,
        slow_start: None,
        max_connections: None,
        queue: Queue { length: 1000, timeout: second(5) },
        health: None,
        passive: None,
        outliers: model::OnOutlier::Tell,
        retry: Retry {
            attempts: 2,
            budget: 0.2,
            on: vec![
                RetryCondition::Connect,
                RetryCondition::Reset,
                RetryCondition::Timeout,
                RetryCondition::Status(503),
            ],
        },
        tls: None,
        violations: model::Violations::Refused,
        keep_alive: KeepAlive { idle: second(50), honour_hint: true },
        timeouts: ServiceTimeouts {
            connect: second(3),
            first_byte: second(60),
            idle: second(60),
            tunnel_idle: second(3600),
        },
    }
}

/// The route of an edge of which a test wants nothing else: everything goes to `api`.
pub fn route() -> Route {
    let share = Share { service: "api".into(), weight: 1 };
    Route {
        matcher: Matcher::default(),
        action: Action::Forward(Destination { shares: vec![share] }),
        policies: Policies::default(),
    }
}
