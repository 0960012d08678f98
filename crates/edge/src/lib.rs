//! The data plane: listeners, workers, routing, instances and what is observed of them.
//!
//! [`Edge`] is the handle by which everything else sees it: a [`ServingConfig`] goes in and becomes
//! what is served, in one step; observations come out. A request's way is
//! `listener` -> `connection` -> `serve` -> `routing` -> `policy` -> `choice` -> `upstream` -> `response`; it stays on its
//! worker's thread from accept to record.

mod atomic {
    //! The atomics of the claim and drain protocol, which its model check replaces by loom's.
    pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
}
mod bans;
mod challenges;
mod choice;
mod client;
mod connection;
mod date;
mod descriptors;
mod exchange;
mod fields;
mod grpc;
mod hops;
mod instance;
mod listener;
pub mod live;
mod own;
mod peer;
mod policy;
mod response;
pub mod routing;
mod run;
mod serve;
mod snapshot;
mod sticky_key;
mod upstream;
mod wheel;
mod worker;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use ::policy::Bans;
use model::{
    AbuseName, Drain, Generation, LimitName, ListenerName, Revision, Route, Service, ServiceName,
};
use telemetry::{Events, LogWriter, event};
use tokio::sync::mpsc;

pub use ::policy::bans::Ban;
pub use challenges::Challenges;
pub use descriptors::DescriptorBudget;
pub use instance::open::{Open, Opens};
pub use instance::tls::{HandshakeFault, InstanceTls, ServiceTlsPlan};
pub use live::abuse::AbuseLive;
pub use live::inquiry::{InquiryLive, ServerFault};
pub use live::limit::LimitUseLive;
pub use live::listener::ListenerLive;
pub use live::route::RouteLive;
pub use live::settlements::{Agreed, Round, Settlements, agree};
pub use live::{Bar, Live, ServiceLive};
pub use own::{Asker, Greeting, OwnFault, OwnRequest, OwnResponse, Stage};
pub use policy::auth::keyring::Keyring;
pub use serve::explain;
pub use snapshot::serving_config::{Instance, ListenerTls, ServingConfig};
pub use snapshot::split::{PreviewRule, Split};
pub use sticky_key::StickyKey;
pub use store::Store;
pub use worker::WorkerCounters;

use listener::accept::{Place, Socket};
use routing::RouteIndex;
use run::Order;
use snapshot::Snapshot;
use snapshot::serving_config::LiveRegistry;
use worker::{Parts, Shared, Told, Worker};

/// What an edge is started with.
pub struct Options {
    /// Data-plane threads.
    pub workers: NonZeroUsize,
    /// What they may hold of memory for clients, together, in bytes.
    pub memory: usize,
    /// Signs sticky cookies.
    pub sticky_key: StickyKey,
    /// The access log of each worker; shorter than the workers' number, or empty, for none.
    pub logs: Vec<LogWriter>,
    /// Told of each instance that has failed `max_fails` times in a row or more; whoever hears of
    /// it asks [`Live::take_suspicion`].
    pub suspects: mpsc::UnboundedSender<Arc<Live>>,
    /// Told of tokens that are to be banned, as their clients have logged out. What does not find room is not banned, and an event says
    /// so.
    pub bans: mpsc::Sender<Ban>,
    /// Takes what happens to the threads and their sockets.
    pub events: Events,
    /// Asks the servers that say who requests are from.
    pub client: outbound::Client,
}

/// Why a serving_config was not published. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// An address could not be bound.
    #[error("cannot listen on {address} (listener `{listener}`)")]
    Bind {
        /// The listener that wants it.
        listener: ListenerName,
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The instances of a service are to be spoken to over TLS, and it was not said how.
    #[error("nothing was prepared for TLS with the instances of `{0}`")]
    NoTls(ServiceName),
    /// The routes' expressions are too large together.
    #[error("the routes' expressions cannot be compiled together")]
    Routes(#[from] regex::Error),
}

/// The data plane.
pub struct Edge {
    shared: Arc<Shared>,
    workers: Vec<Handle>,
    registry: LiveRegistry,
    settlements: Arc<Settlements>,
    current: Option<Arc<Snapshot>>,
    generation: Generation,
    /// Where each place is really bound.
    bound: BTreeMap<(ListenerName, SocketAddr), SocketAddr>,
    /// As the workers have it.
    bans: Arc<Bans>,
}

struct Handle {
    orders: mpsc::UnboundedSender<Order>,
    thread: Option<std::thread::JoinHandle<()>>,
    counters: Arc<WorkerCounters>,
}

/// One service as it is served, and what is observed of it.
pub struct ServiceView<'a> {
    /// What is wanted of it.
    pub service: &'a Arc<Service>,
    /// What is observed of it.
    pub live: &'a Arc<ServiceLive>,
    /// Its instances.
    pub instances: &'a [Arc<Live>],
}

impl Edge {
    /// Starts the workers. They serve nothing until something is published.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start(options: Options) -> io::Result<Self> {
        let count = options.workers.get();
        let Options { suspects, bans, events, client, sticky_key, .. } = options;
        let told = Told { suspects, bans, events, client };
        let shared = Arc::new(Shared::new(count, sticky_key, told));
        let settlements = Arc::new(Settlements::new(count, shared.began()));
        let mut logs = options.logs.into_iter();
        let memory = options.memory / count;
        let workers = (0..count).map(|index| start_worker(index, memory, &shared, logs.next()));
        Ok(Self {
            workers: workers.collect::<io::Result<_>>()?,
            shared,
            registry: LiveRegistry::new(settlements.clone()),
            settlements,
            current: None,
            generation: Generation(0),
            bound: BTreeMap::new(),
            bans: Arc::default(),
        })
    }

    /// Time since the edge began, by which instances' slow start is counted.
    pub fn now(&self) -> Duration {
        self.shared.time_of(Instant::now())
    }

    /// `at`, in the edge's time.
    pub fn time_of(&self, at: Instant) -> Duration {
        self.shared.time_of(at)
    }

    /// Serves `serving_config` from now on. Open connections stay open, and what it has in common with
    /// what was served before keeps its connections, health and counters.
    ///
    /// # Errors
    /// See [`PublishError`]; then what was served before is served on.
    pub fn publish(&mut self, serving_config: &ServingConfig) -> Result<Generation, PublishError> {
        if let Some(service) = serving_config.without_tls() {
            return Err(PublishError::NoTls(service.clone()));
        }
        let generation = self.generation.next();
        let count = self.workers.len();
        let snapshot =
            Arc::new(self.registry.compile(serving_config, generation, count, self.now())?);
        let sockets = self.bind(&snapshot)?;
        self.generation = generation;
        // What was only meant to be served must not change how what is served is counted.
        snapshot.limits.iter().for_each(|limit| limit.commit());
        snapshot.abuse.all().for_each(|rule| rule.commit());
        for (worker, sockets) in self.workers.iter().zip(sockets) {
            // A worker that is gone has panicked, and the others go on.
            let _ = worker.orders.send(Order::Publish(snapshot.clone(), sockets));
        }
        self.registry.forget(&snapshot);
        self.current = Some(snapshot);
        Ok(generation)
    }

    /// Binds what is not bound yet, for all workers or not at all.
    fn bind(&mut self, snapshot: &Snapshot) -> Result<Vec<Vec<Socket>>, PublishError> {
        let count = self.workers.len();
        let mut sockets: Vec<Vec<Socket>> = (0..count).map(|_| Vec::new()).collect();
        let mut bound = BTreeMap::new();
        for plan in snapshot.listeners.values() {
            for address in &plan.listener.bind {
                let place = Place { listener: plan.listener.name.clone(), address: *address };
                let key = (place.listener.clone(), *address);
                let mut new = Vec::new();
                match self.bound.get(&key) {
                    Some(real) => drop(bound.insert(key, *real)),
                    None => {
                        let fault = |source| PublishError::Bind {
                            listener: place.listener.clone(),
                            address: *address,
                            source,
                        };
                        new =
                            listener::accept::bind(*address, count, &self.shared).map_err(fault)?;
                        let real = new[0].address().map_err(fault)?;
                        bound.insert(key, real);
                    }
                }
                let mut new = new.into_iter();
                for sockets in &mut sockets {
                    sockets.push(Socket { place: place.clone(), socket: new.next() });
                }
            }
        }
        self.bound = bound;
        Ok(sockets)
    }

    /// Where the listener `name` really listens.
    pub fn addresses<'a>(&'a self, name: &'a str) -> impl Iterator<Item = SocketAddr> + 'a {
        let mine = self.bound.iter().filter(move |((listener, _), _)| listener.as_str() == name);
        mine.map(|(_, address)| *address)
    }

    /// The generation that is served.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// The revision that is served.
    pub fn revision(&self) -> Option<Revision> {
        self.current.as_ref().map(|snapshot| snapshot.revision)
    }

    /// What this edge shares with others, of the configuration that is served.
    pub fn store(&self) -> Option<&Store> {
        self.current.as_ref().map(|snapshot| &snapshot.store)
    }

    /// What limits take of buckets that edges share: somebody has to carry it to the store.
    pub fn settlements(&self) -> &Arc<Settlements> {
        &self.settlements
    }

    /// Every service as it is served.
    pub fn services(&self) -> impl Iterator<Item = ServiceView<'_>> {
        self.current.iter().flat_map(|snapshot| &snapshot.services).map(|plan| ServiceView {
            service: &plan.service,
            live: &plan.live,
            instances: &plan.instances,
        })
    }

    /// Every listener as it is served, and what is observed of it.
    pub fn listeners(&self) -> impl Iterator<Item = (&ListenerName, &Arc<ListenerLive>)> {
        let listeners = self.current.iter().flat_map(|snapshot| &snapshot.listeners);
        listeners.map(|(name, plan)| (name, &plan.live))
    }

    /// Each route whose policies have a say in requests or responses, and what is observed of them.
    pub fn routes(&self) -> impl Iterator<Item = (&Route, &RouteLive)> {
        self.current.iter().flat_map(|snapshot| {
            let policies = (0u32..).map(RouteIndex).zip(&snapshot.policies);
            policies.filter_map(|(index, policies)| {
                Some((&**snapshot.routes.route(index), &*policies.as_ref()?.live))
            })
        })
    }

    /// Each route that goes by a limit, and what is observed of that.
    pub fn limit_uses(&self) -> impl Iterator<Item = (&Route, &LimitUseLive)> {
        self.current.iter().flat_map(|snapshot| {
            let policies = (0u32..).map(RouteIndex).zip(&snapshot.policies);
            policies.flat_map(move |(index, policies)| {
                let limits = policies.as_ref().and_then(|it| it.plan.limits());
                let uses = limits.into_iter().flat_map(|it| it.uses());
                uses.map(move |it| (&**snapshot.routes.route(index), it))
            })
        })
    }

    /// Each authentication for which it takes a while to find out who a request is from, and what is observed of that.
    pub fn inquiries(&self) -> impl Iterator<Item = &InquiryLive> {
        let plans = self.current.iter().flat_map(|snapshot| &snapshot.auths.plans);
        plans.filter_map(|plan| plan.inquiries())
    }

    /// Each limit that a route goes by, and the memory that its keys take, in bytes.
    pub fn limits(&self) -> impl Iterator<Item = (&LimitName, u64)> {
        let limits = self.current.iter().flat_map(|snapshot| &snapshot.limits);
        limits.map(|limit| (&limit.limit().name, limit.bytes()))
    }

    /// Each rule of whom refusals have banned that counts any, and what is observed of it.
    pub fn abuse(&self) -> impl Iterator<Item = (&AbuseName, &AbuseLive)> {
        let rules = self.current.iter().flat_map(|snapshot| snapshot.abuse.all());
        rules.map(|rule| (rule.name(), rule.live()))
    }

    /// What each worker counts.
    pub fn counters(&self) -> impl Iterator<Item = &WorkerCounters> {
        self.workers.iter().map(|worker| &*worker.counters)
    }

    /// What is held of memory for clients, in bytes, over all workers and as it was a moment ago.
    pub fn memory_held(&self) -> usize {
        self.counters().map(|counters| counters.memory_held.load(Ordering::Relaxed)).sum()
    }

    /// Clients' connections that are parked, over all workers and as it was a moment ago.
    pub fn parked_connections(&self) -> usize {
        self.counters().map(|counters| counters.parked.load(Ordering::Relaxed)).sum()
    }

    /// Groups of requests that waited for what had begun before them, since the edge began, over all
    /// workers and as it was a moment ago.
    pub fn groups_held_back(&self) -> u64 {
        self.counters().map(|counters| counters.groups.load(Ordering::Relaxed)).sum()
    }

    /// Bytes of bodies that went from socket to socket without being copied, since the edge began,
    /// over all workers and as it was a moment ago.
    pub fn spliced_bytes(&self) -> u64 {
        self.counters().map(|counters| counters.spliced_bytes.load(Ordering::Relaxed)).sum()
    }

    /// Open connections of clients.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// How the program's descriptors are shared out, and how many of them connections use.
    pub fn descriptors(&self) -> DescriptorBudget {
        self.shared.descriptors.budget()
    }

    /// Asks the workers what is open on each instance.
    pub fn open(&self) -> impl Future<Output = Opens> + Send + use<> {
        self.drains().open()
    }

    /// Refuses from now on whom `bans` name, and nobody else. What is open goes on.
    pub fn ban(&mut self, bans: &Arc<Bans>) {
        self.bans = bans.clone();
        self.order(|| Order::Bans(bans.clone()));
    }

    /// What CAs look for by HTTP: what is put there is responded from then on, on every listener.
    pub fn challenges(&self) -> Arc<Challenges> {
        self.shared.challenges.clone()
    }

    /// Lets event streams and tunnels leave `live`, which is barred, one after another over the time
    /// that `drain` gives them: streams end between two events, WebSockets are closed with 1001.
    /// Those whose turn has not come stay if the instance gets requests again before.
    pub fn depart(&self, live: &Arc<Live>, drain: Drain) {
        self.order(|| Order::Depart(live.clone(), drain));
    }

    /// Something to ask whether an instance can be reached by nothing any more.
    pub fn drains(&self) -> Drains {
        let orders = self.workers.iter().map(|worker| worker.orders.clone()).collect();
        Drains { shared: self.shared.clone(), orders }
    }

    /// Takes no new connection but those that have come already, closes idle ones, and gives open
    /// exchanges until `limit`; event streams and tunnels are closed one after another meanwhile, and
    /// connections over HTTP/2 told to go, which are served until their turn.
    /// Says how many connections were cut off.
    pub async fn stop(mut self, limit: Duration) -> usize {
        self.shared.is_draining.store(true, Ordering::SeqCst);
        self.order(|| Order::Drain(limit));
        let deadline = tokio::time::Instant::now() + limit;
        while self.connections() > 0 || self.shared.acceptors.load(Ordering::SeqCst) > 0 {
            let closed = self.shared.closed.notified();
            if tokio::time::timeout_at(deadline, closed).await.is_err() {
                break;
            }
        }
        let cut = self.connections();
        self.end();
        cut
    }

    fn order(&self, order: impl Fn() -> Order) {
        for worker in &self.workers {
            // A worker that is gone needs no orders.
            let _ = worker.orders.send(order());
        }
    }

    fn end(&mut self) {
        self.order(|| Order::Stop);
        for thread in self.workers.iter_mut().filter_map(|worker| worker.thread.take()) {
            if thread.join().is_err() {
                self.shared.events.emit(event::WorkerPanicked {});
            }
        }
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        self.end();
    }
}

/// Tells when an instance can be reached by nothing any more.
#[derive(Clone)]
pub struct Drains {
    shared: Arc<Shared>,
    orders: Vec<mpsc::UnboundedSender<Order>>,
}

impl Drains {
    /// Asks the workers what is open on each instance.
    pub fn open(&self) -> impl Future<Output = Opens> + Send + use<> {
        let (tell, workers) = mpsc::unbounded_channel();
        for orders in &self.orders {
            // A worker that is gone has nothing open.
            let _ = orders.send(Order::TellOpen(tell.clone()));
        }
        Opens::gather(workers)
    }

    /// Sends every worker the same order, and says its number.
    fn pass(&self) -> u64 {
        let mut last = self.shared.last_pass.lock().unwrap_or_else(PoisonError::into_inner);
        *last += 1;
        for orders in &self.orders {
            // A worker that is gone reads nothing; then the drain has its whole time.
            let _ = orders.send(Order::Pass(*last));
        }
        *last
    }

    /// Waits until nothing can reach `live`, which gets nothing new ([`Bar::Drained`]), and must not
    /// while this waits, or the response means nothing: every worker has seen that, and nothing is in
    /// flight on it.
    pub async fn unreachable(&self, live: &Live) {
        live.await_idle();
        // A worker's count and its look at whether anyone waits could pass each other unseen. What
        // a worker did before it reads this order is seen when it answers, and from then on it looks.
        let number = self.pass();
        loop {
            let told = self.shared.drained.notified();
            if live::claim::is_unreachable(&self.shared.ledger, &live.in_flight, number) {
                return;
            }
            told.await;
        }
    }
}

fn start_worker(
    index: usize,
    memory: usize,
    shared: &Arc<Shared>,
    log: Option<LogWriter>,
) -> io::Result<Handle> {
    let (orders, received) = mpsc::unbounded_channel();
    let counters = Arc::new(WorkerCounters::default());
    let (shared, for_worker) = (shared.clone(), counters.clone());
    let events = shared.events.clone();
    let seed = fastrand::u64(..);
    let make =
        move || Worker::new(Parts { index, memory, shared, counters: for_worker, log, seed });
    let thread = std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
        if let Err(error) = run::run(make, received) {
            events.emit(event::WorkerNotStarted { why: error.to_string() });
        }
    })?;
    Ok(Handle { orders, thread: Some(thread), counters })
}
