//! A data-plane worker as all that runs on its thread has it in hand: what is served, its buffers, counters, timers, and what
//! outlives a connection or an exchange. What it is told, and the loop that obeys, is [`run`](crate::run)'s.

pub(crate) mod context;
pub(crate) mod crawl;
pub(crate) mod guest;
pub(crate) mod idlers;
pub(crate) mod parking;
pub(crate) mod ports;
pub(crate) mod request_id;
pub(crate) mod seldom;
pub(crate) mod turnstile;

use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::rc::{Rc, Weak};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use model::{AbuseMode, Drain, Generation, InstanceName, ServiceName};
use policy::bans::Ban;
use rustc_hash::FxHashMap;
use telemetry::{AccessRecord, Counter, EndingCounters, Events, LogWriter, event};
use tokio::sync::{Notify, mpsc};
use wire::account::Account;
use wire::buffer::Pool;

use crate::bans::BanBoard;
use crate::challenges::Challenges;
use crate::date::Calendar;
use crate::descriptors::{Descriptors, Slot};
use crate::hops::Pseudonym;
use crate::instance::long_lived::{Course, Leaver, LongLivedRegistry};
use crate::instance::{WorkerInstance, open};
use crate::live::Live;
use crate::live::claim::Ledger;
use crate::live::listener::ListenerLive;
use crate::peer::ClientKey;
use crate::policy::abuse::Sentence;
use crate::policy::auth::client::Outside;
use crate::snapshot::{Snapshot, WorkerService, WorkerSnapshot};
use crate::sticky_key::StickyKey;
use crate::wheel::{TICK, Wheel};
use crate::worker::crawl::Crawlers;
use crate::worker::guest::Guests;
use crate::worker::idlers::{Idler, Idlers};
use crate::worker::parking::{IdlePool, Parked};
use crate::worker::ports::Ports;
use crate::worker::request_id::RequestIds;
use crate::worker::seldom::Seldom;
use crate::worker::turnstile::Turnstile;

/// How often idle connections to instances are looked through.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Over how long clients' connections are told to go at the most when the edge stops: nobody new is
/// let in meanwhile.
const GOODBYES: Duration = Duration::from_secs(5);

/// What all workers and the edge's owner share.
pub(crate) struct Shared {
    pub(crate) workers: usize,
    pub(crate) ledger: Ledger,
    /// The number of the last order to say that it was read. Held while one is sent, so that all workers read them
    /// in their order.
    pub(crate) last_pass: Mutex<u64>,
    pub(crate) sticky_key: StickyKey,
    /// By its key clients' addresses are told apart and not told.
    client_key: RandomState,
    pub(crate) pseudonym: Pseudonym,
    pub(crate) challenges: Arc<Challenges>,
    /// Told when a worker has read a drain's order, or a drained instance lost a request.
    pub(crate) drained: Notify,
    suspects: mpsc::UnboundedSender<Arc<Live>>,
    bans: mpsc::Sender<Ban>,
    /// Takes what happens to the threads and their sockets; what a request does is not told there.
    pub(crate) events: Events,
    /// By it the servers are asked that say who requests are from.
    client: outbound::Client,
    pub(crate) is_draining: AtomicBool,
    pub(crate) connections: AtomicUsize,
    pub(crate) descriptors: Arc<Descriptors>,
    /// Sockets that listen, over all workers.
    pub(crate) acceptors: AtomicUsize,
    /// The ports that they are on.
    pub(crate) ports: Ports,
    /// Told when a connection closed while the edge drains, or a socket that listened did.
    pub(crate) closed: Notify,
    began: Instant,
}

/// Whom workers tell what they find out, and by what they ask others.
pub(crate) struct Told {
    pub(crate) suspects: mpsc::UnboundedSender<Arc<Live>>,
    pub(crate) bans: mpsc::Sender<Ban>,
    pub(crate) events: Events,
    pub(crate) client: outbound::Client,
}

impl Shared {
    pub(crate) fn new(workers: usize, sticky_key: StickyKey, told: Told) -> Self {
        let Told { suspects, bans, events, client } = told;
        Self {
            workers,
            ledger: Ledger::new(workers),
            last_pass: Mutex::new(0),
            sticky_key,
            client_key: RandomState::new(),
            pseudonym: Pseudonym::draw(),
            challenges: Arc::default(),
            drained: Notify::new(),
            suspects,
            bans,
            events,
            client,
            is_draining: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            descriptors: Arc::new(Descriptors::of_process()),
            acceptors: AtomicUsize::new(0),
            ports: Ports::default(),
            closed: Notify::new(),
            began: Instant::now(),
        }
    }

    /// When the edge began.
    pub(crate) fn began(&self) -> Instant {
        self.began
    }

    /// Time from the edge's begin to `at`.
    #[inline]
    pub(crate) fn time_of(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.began)
    }

    /// A client's address as a number that nobody else can make of it.
    pub(crate) fn hash_of_client(&self, address: IpAddr) -> u64 {
        self.client_key.hash_one(ClientKey::of(address))
    }

    /// Something that a drain may wait for has happened.
    pub(crate) fn tell_drained(&self) {
        self.drained.notify_waiters();
    }

    /// Has somebody banned. Where the others cannot follow that is told.
    pub(crate) fn ban(&self, ban: Ban) {
        if self.bans.try_send(ban).is_err() {
            self.events.emit(event::TokenNotBanned {});
        }
    }

    /// Carries out what followed from a refusal that was one too many, or says what would have.
    ///
    /// # Errors
    /// When more bans are under way than can be heard of: nobody is banned then.
    pub(crate) fn carry_out(&self, sentence: Sentence) -> Result<(), NotHeard> {
        let Sentence { abuse, ban, mode } = sentence;
        let (abuse, what) = (abuse.to_string(), ban.banned.to_string());
        let seconds = ban.until.saturating_sub(ban.at);
        match mode {
            AbuseMode::Observe => {
                self.events.emit(event::ClientObserved { abuse, what, seconds });
            }
            AbuseMode::Enforce if self.bans.try_send(ban).is_err() => return Err(NotHeard),
            AbuseMode::Enforce => self.events.emit(event::ClientBanned { abuse, what, seconds }),
        }
        Ok(())
    }

    /// An instance has failed so often in a row that it may have to be ejected. At most one word
    /// of each instance is on its way.
    pub(crate) fn suspect(&self, live: &Arc<Live>) {
        if live.becomes_suspect() {
            // Whoever would listen is gone only when the edge is.
            let _ = self.suspects.send(live.clone());
        }
    }
}

/// There was no room for a ban among those that are under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NotHeard;

/// What a worker counts beside services and instances.
#[derive(Debug, Default)]
pub struct WorkerCounters {
    /// How exchanges ended.
    pub exchanges: EndingCounters,
    /// Requests that were refused before they could be routed.
    pub refused: Counter,
    /// What is held of memory for clients, in bytes, as it was a moment ago.
    pub(crate) memory_held: AtomicUsize,
    /// Connections that are parked, as it was a moment ago.
    pub(crate) parked: AtomicUsize,
    /// Groups of requests that the turnstile held back, as it was a moment ago.
    pub(crate) groups: AtomicU64,
    /// Bytes that were spliced, as it was a moment ago.
    pub(crate) spliced_bytes: AtomicU64,
}

/// One worker's own.
pub(crate) struct Worker {
    pub(crate) index: usize,
    pub(crate) shared: Arc<Shared>,
    /// Its buffers, counted as the worker's; a client's own come from its guest.
    pub(crate) pool: Pool,
    pub(crate) guests: Guests,
    pub(crate) wheel: Wheel,
    /// Connections that have been idle for a while.
    pub(crate) lot: IdlePool,
    /// All that have, those included that cannot be parked.
    pub(crate) idlers: Rc<Idlers>,
    /// What is said of it now and then.
    pub(crate) seldom: Sayings,
    /// Where requests of HTTP/1 begin.
    pub(crate) turnstile: Turnstile,
    pub(crate) rng: RefCell<fastrand::Rng>,
    pub(crate) ids: RequestIds,
    /// The date of responses that have none.
    pub(crate) calendar: Calendar,
    pub(crate) counters: Arc<WorkerCounters>,
    current: RefCell<Option<Rc<WorkerSnapshot>>>,
    /// That of the snapshot.
    generation: Cell<Generation>,
    /// Told of what is published.
    pub(crate) news: Notify,
    members: RefCell<FxHashMap<(ServiceName, InstanceName, SocketAddr), Weak<WorkerInstance>>>,
    /// Clients' connections that end only when they are told to.
    pub(crate) connections: Rc<LongLivedRegistry>,
    /// Uploads that crawl.
    pub(crate) crawlers: Crawlers,
    /// Instances that are to go.
    departing: RefCell<Vec<Weak<WorkerInstance>>>,
    log: RefCell<Option<LogWriter>>,
    is_draining: Cell<bool>,
    /// Who is banned.
    pub(crate) bans: BanBoard,
}

/// What a worker says of what may happen any number of times.
#[derive(Default)]
pub(crate) struct Sayings {
    /// A client's connection was one too many.
    pub(crate) too_many_connections: Seldom,
    /// A stream was refused for want of memory.
    pub(crate) no_memory: Seldom,
    /// A connection over HTTP/2 was ended for a flood.
    pub(crate) floods: Seldom,
    /// There was no descriptor for a connection to an instance.
    pub(crate) no_descriptor: Seldom,
    /// A client should have been banned, and nobody had time to hear of it.
    pub(crate) not_banned: Seldom,
    /// An idle connection made room.
    pub(crate) made_room: Seldom,
}

/// What a worker is made of.
pub(crate) struct Parts {
    pub(crate) index: usize,
    /// What it may hold for clients, in bytes.
    pub(crate) memory: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) counters: Arc<WorkerCounters>,
    pub(crate) log: Option<LogWriter>,
    pub(crate) seed: u64,
}

impl Worker {
    /// A worker that serves nothing yet.
    pub(crate) fn new(parts: Parts) -> std::io::Result<Rc<Self>> {
        let Parts { index, memory, shared, counters, log, seed } = parts;
        let idlers = Rc::<Idlers>::default();
        let pipes = shared.descriptors.pipes() / shared.workers;
        Ok(Rc::new(Self {
            index,
            shared,
            pool: Pool::new(Account::new(memory), pipes),
            guests: Guests::default(),
            wheel: Wheel::new(),
            lot: IdlePool::new(idlers.clone())?,
            idlers,
            seldom: Sayings::default(),
            turnstile: Turnstile::default(),
            rng: RefCell::new(fastrand::Rng::with_seed(seed)),
            ids: RequestIds::new(seed ^ 0x5bd1_e995_9d1b_54a3),
            calendar: Calendar::new(),
            counters,
            current: RefCell::new(None),
            generation: Cell::new(Generation(0)),
            news: Notify::new(),
            members: RefCell::default(),
            connections: Rc::default(),
            crawlers: Crawlers::default(),
            departing: RefCell::default(),
            log: RefCell::new(log),
            is_draining: Cell::new(false),
            bans: BanBoard::default(),
        }))
    }

    /// What is served now.
    pub(crate) fn current(&self) -> Rc<WorkerSnapshot> {
        self.current.borrow().clone().expect("listeners open after the first snapshot")
    }

    /// Which generation that is.
    #[inline]
    pub(crate) fn generation(&self) -> Generation {
        self.generation.get()
    }

    /// What is served now of what was `service` when the request came; that itself, if it is gone.
    pub(crate) fn newest(&self, service: &Rc<WorkerService>) -> Rc<WorkerService> {
        let current = self.current();
        current.service(&service.service.name).unwrap_or(service).clone()
    }

    /// Whether an instance of `service` may come that is not there: where Plimsoll runs them, as long
    /// as it does.
    pub(crate) fn may_come(&self, service: &WorkerService) -> bool {
        service.service.run.is_some() && !self.is_draining()
    }

    /// Whether the edge is stopping.
    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.get()
    }

    /// Writes one line of the access log, if there is one.
    #[inline]
    pub(crate) fn log<'a>(&self, record: impl FnOnce() -> AccessRecord<'a>) {
        if let Some(log) = &mut *self.log.borrow_mut()
            && log.is_on()
        {
            log.write(&record());
        }
    }

    /// Counts a connection.
    pub(crate) fn opened_one(&self) {
        self.shared.connections.fetch_add(1, Ordering::Relaxed);
        self.shared.descriptors.client_came();
    }

    /// A connection was closed.
    pub(crate) fn closed_one(&self) {
        self.shared.connections.fetch_sub(1, Ordering::Relaxed);
        self.shared.descriptors.client_left();
        if self.is_draining() {
            self.shared.closed.notify_one();
        }
    }

    /// Closes the connection of `listener` here that has been idle for longest; whether there is one.
    pub(crate) fn make_room(&self, listener: &Arc<ListenerLive>) -> bool {
        match self.idlers.take_oldest(listener) {
            Some(Idler::Parked(key)) => self.lot.close(key),
            Some(Idler::Task(called)) => called.call(),
            None => return false,
        }
        true
    }

    /// A descriptor for one more connection to an instance. Where they have run out, idle ones are
    /// closed for it.
    pub(crate) fn slot(&self) -> Option<Slot> {
        let descriptors = &self.shared.descriptors;
        if let Some(slot) = descriptors.for_instance() {
            return Some(slot);
        }
        let members: Vec<_> = self.members.borrow().values().filter_map(Weak::upgrade).collect();
        members.iter().for_each(|member| member.let_go());
        let slot = descriptors.for_instance();
        if slot.is_none()
            && let Some(before) = self.seldom.no_descriptor.happens(self.wheel.now())
        {
            self.shared.events.emit(event::InstanceDescriptorsOut { before });
        }
        slot
    }

    /// Makes room where another worker has to let somebody in and found none.
    fn help_out(&self) {
        let Some(local) = self.current.borrow().clone() else { return };
        for plan in local.plan.listeners.values() {
            if plan.live.takes_wish() && !self.make_room(&plan.live) {
                plan.live.wishes_room();
            }
        }
    }

    pub(crate) fn publish(&self, plan: Arc<Snapshot>) {
        let before = self.current.take();
        let mut member = |live: &Arc<Live>| self.member(live);
        let Shared { client, events, .. } = &*self.shared;
        let outside = Outside { client, events, worker: self.index };
        let local = Rc::new(WorkerSnapshot::new(plan, before.as_deref(), outside, &mut member));
        self.current.replace(Some(local.clone()));
        self.generation.set(local.plan.generation);
        // Those of instances that are gone close their connections when their last request ends.
        drop(before);
        self.members.borrow_mut().retain(|_, member| member.strong_count() > 0);
        self.news.notify_waiters();
        // Whoever waits for room may find some on an instance that is new.
        local.services.iter().for_each(|service| service.live.queue.wake_first());
    }

    /// What this worker has of an instance, kept from one generation to the next.
    fn member(&self, live: &Arc<Live>) -> Rc<WorkerInstance> {
        let key = (live.service.clone(), live.name.clone(), live.address);
        let mut members = self.members.borrow_mut();
        if let Some(member) = members.get(&key).and_then(Weak::upgrade)
            && Arc::ptr_eq(&member.live, live)
        {
            return member;
        }
        let member = Rc::new(WorkerInstance::new(live.clone(), self.pool.clone()));
        members.insert(key, Rc::downgrade(&member));
        member
    }

    /// What is open on each instance that has anything.
    pub(crate) fn open(&self) -> open::OfWorker {
        let now = self.wheel.now();
        let members = self.members.borrow();
        let members = members.values().filter_map(Weak::upgrade);
        members.filter_map(|it| Some((open::key(&it.live), it.open(now)?))).collect()
    }

    pub(crate) fn depart(&self, live: &Arc<Live>, drain: Drain) {
        let member = self.members.borrow().get(&open::key(live)).and_then(Weak::upgrade);
        let Some(member) = member.filter(|member| Arc::ptr_eq(&member.live, live)) else { return };
        member.lasting.depart(self.wheel.now(), drain, Leaver::Instance);
        self.departing.borrow_mut().push(Rc::downgrade(&member));
    }

    pub(crate) fn drain(&self, limit: Duration) {
        self.is_draining.set(true);
        self.lot.clear();
        let (now, drain) = (self.wheel.now(), Drain::all(limit));
        self.connections.depart(now, Drain::all(limit.min(GOODBYES)), Leaver::Edge);
        for member in self.members.borrow().values().filter_map(Weak::upgrade) {
            member.lasting.depart(now, drain, Leaver::Edge);
            self.departing.borrow_mut().push(Rc::downgrade(&member));
        }
        self.wheel.wake_all();
    }

    /// Lets those leave whose turn it is.
    fn call(&self) {
        let now = self.wheel.now();
        self.connections.call(now, Course::Leaves);
        let is_going =
            |member: &Weak<WorkerInstance>| member.upgrade().is_some_and(|it| it.call(now));
        self.departing.borrow_mut().retain(is_going);
    }

    fn sweep(&self) {
        self.lot.sweep(self.wheel.now());
        let members: Vec<_> = self.members.borrow().values().filter_map(Weak::upgrade).collect();
        for member in members {
            member.sweep(self.wheel.now());
        }
    }

    /// Shows others what only this thread may look at.
    fn tell_counts(&self) {
        let told = &self.counters;
        told.memory_held.store(self.pool.account().used(), Ordering::Relaxed);
        told.parked.store(self.lot.len(), Ordering::Relaxed);
        told.groups.store(self.turnstile.groups(), Ordering::Relaxed);
        told.spliced_bytes.store(self.pool.spliced_bytes(), Ordering::Relaxed);
    }

    pub(crate) async fn attend_turnstile(self: Rc<Self>) {
        self.turnstile.turn().await;
    }

    pub(crate) async fn attend_lot(self: Rc<Self>, resume: fn(Parked)) {
        if let Err(error) = self.lot.attend(resume).await {
            self.shared.events.emit(event::IdleUnwatched { why: error.to_string() });
        }
    }

    /// Writes what the log still holds.
    pub(crate) fn flush_log(&self) {
        if let Some(log) = &mut *self.log.borrow_mut() {
            log.flush();
        }
    }

    /// Turns the wheel, and does what comes round with it, for ever.
    pub(crate) async fn keep_time(self: Rc<Self>) {
        let mut ticks = tokio::time::interval(TICK);
        // A late tick is made up for, so that the wheel's time does not fall behind.
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
        let mut turns = 0u32;
        loop {
            ticks.tick().await;
            self.wheel.turn();
            self.tell_counts();
            self.calendar.turn();
            self.call();
            self.help_out();
            turns = turns.wrapping_add(1);
            if turns.is_multiple_of(4) {
                self.flush_log();
            }
            if turns.is_multiple_of((SWEEP_EVERY.as_millis() / TICK.as_millis()) as u32) {
                self.sweep();
            }
        }
    }
}
