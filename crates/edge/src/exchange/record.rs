//! What one exchange was: gathered on its way and told once, to the log, the metrics and the
//! instance's record.

use std::rc::Rc;
use std::time::{Duration, Instant};

use telemetry::{Blame, Ending, GrpcStatus, event};
use wire::head::{RequestHead, ResponseHead};
use wire::name::Name;
use wire::traffic::Traffic;

use crate::bans::since_1970;
use crate::choice::Claim;
use crate::exchange::recording::{Facts, Subject, Way};
use crate::exchange::verdict;
use crate::grpc::{self, Call, Ended};
use crate::instance::WorkerInstance;
use crate::live::by_route::RouteSlot;
use crate::live::fate::{Assignment, Fate};
use crate::live::judged::Sample;
use crate::peer::{Peer, Sender};
use crate::policy::abuse::{Moment, Refusal};
use crate::policy::{Carried, Phase};
use crate::response::{Applied, NO_EDITS};
use crate::routing::RouteIndex;
use crate::snapshot::{ListenerPlan, SnapshotRef, WorkerService};
use crate::worker::Worker;
use crate::worker::request_id::RequestId;

/// One exchange, from its head to its record.
pub(crate) struct ExchangeRecord<'a> {
    pub(crate) head: &'a RequestHead,
    pub(crate) sender: Sender,
    pub(crate) request_id: RequestId<'a>,
    pub(crate) status: Option<u16>,
    /// The gRPC call that it is, if it is one.
    pub(crate) call: Option<Call>,
    /// How that ended.
    grpc: Option<GrpcStatus>,
    /// Whether the client has seen the beginning of a response.
    pub(crate) responded: bool,
    pub(crate) route: Option<(Rc<SnapshotRef>, RouteIndex)>,
    /// What the request phase of its route's policies found out, where it has any.
    pub(crate) carried: Option<Rc<Carried>>,
    pub(crate) service: Option<Rc<WorkerService>>,
    pub(crate) member: Option<Rc<WorkerInstance>>,
    pub(crate) attempts: u32,
    pub(crate) ending: Ending,
    /// Where its attempts count.
    slot: RouteSlot,
    /// What decided for the attempt's instance.
    assignment: Assignment,
    peer: &'a Peer,
    listener: &'a ListenerPlan,
    began: Instant,
    attempt_began: Instant,
    connect: Option<Duration>,
    first_byte: Option<Duration>,
    /// The client sends no more, and has probably gone, while the instance has not said anything: so long after the
    /// attempt began.
    left_after: Option<Duration>,
    /// The attempt stands in the account already: its client gave it up later than it need have waited.
    is_overdue: bool,
}

impl<'a> ExchangeRecord<'a> {
    /// The exchange begins with its head.
    pub(crate) fn begin(
        worker: &Worker,
        head: &'a RequestHead,
        peer: &'a Peer,
        listener: &'a ListenerPlan,
    ) -> Self {
        let began = Instant::now();
        let sender = peer.sender(&head.fields, &listener.listener.trusted_proxies);
        Self {
            head,
            sender,
            request_id: RequestId::of(head, sender, &worker.ids),
            status: None,
            call: Call::begin(head, &worker.wheel),
            grpc: None,
            responded: false,
            route: None,
            carried: None,
            service: None,
            member: None,
            attempts: 0,
            ending: Ending::Ok,
            slot: RouteSlot::REST,
            assignment: Assignment::Drawn,
            peer,
            listener,
            began,
            attempt_began: began,
            connect: None,
            first_byte: None,
            left_after: None,
            is_overdue: false,
        }
    }

    /// It goes to `service`, where its attempts count as `slot`.
    pub(crate) fn serves(&mut self, service: &Rc<WorkerService>, slot: RouteSlot) {
        (self.service, self.slot) = (Some(service.clone()), slot);
    }

    /// An attempt begins on the instance that was claimed.
    pub(crate) fn attempt(&mut self, claim: &Claim) {
        self.member = Some(claim.member.clone());
        self.assignment = claim.assignment;
        self.attempts += 1;
        // The first begins with the exchange, unless it waited in the queue: one clock read less.
        if self.attempts > 1 {
            self.attempt_began = Instant::now();
        }
        (self.first_byte, self.left_after, self.is_overdue) = (None, None, false);
    }

    /// The client sends no more while the attempt waits for its response. Says how long it has waited, unless
    /// that was known. Where that is longer than a client need wait, the attempt counts from now on: an instance that hangs may
    /// keep it open for long.
    pub(crate) fn leave(&mut self, worker: &Worker) -> Option<Duration> {
        if self.left_after.is_some() {
            return None;
        }
        let waited = self.waited_for();
        self.left_after = Some(waited);
        let fate = self.service.as_ref().map(|service| service.live.judged.given_up(waited));
        if fate == Some(Fate::Overdue) {
            self.attempt_ended(worker, Some(Blame::Client));
            self.is_overdue = true;
        }
        Some(waited)
    }

    /// Whether that was so in this attempt.
    pub(crate) fn is_left(&self) -> bool {
        self.left_after.is_some()
    }

    /// The request has waited for an instance: its attempt begins now, if it is still wanted.
    pub(crate) fn waited(&mut self, worker: &Worker) -> Result<(), Ending> {
        self.attempt_began = Instant::now();
        self.is_still_wanted(worker)
    }

    /// Whether an instance need be asked at all: not for a call whose client has given it up by now.
    pub(crate) fn is_still_wanted(&self, worker: &Worker) -> Result<(), Ending> {
        match self.call {
            Some(call) if call.left(worker.wheel.now()).is_zero() => Err(Ending::ClientDeadline),
            _ => Ok(()),
        }
    }

    /// A connection was opened within `after`.
    pub(crate) fn connected(&mut self, after: Duration) {
        self.connect = Some(after);
    }

    /// The response's head is here. Says how long the instance took to it.
    pub(crate) fn heard(&mut self) -> Duration {
        let took = self.waited_for();
        self.first_byte = Some(took);
        took
    }

    /// How long ago the attempt began.
    pub(crate) fn waited_for(&self) -> Duration {
        self.attempt_began.elapsed()
    }

    /// The attempt is over: tells the instance's record. `blame` says who is to blame for one that failed.
    pub(crate) fn attempt_ended(&self, worker: &Worker, blame: Option<Blame>) {
        let (Some(member), Some(service)) = (&self.member, &self.service) else { return };
        if self.is_overdue {
            return;
        }
        let Some(fate) = self.fate_of_attempt(worker, service, blame) else { return };
        let live = &member.live;
        if service.live.judged.is_on() && self.assignment != Assignment::Asked {
            self.hand_over(worker, service, member, fate);
        }
        live.shard(worker.index).attempts.of(self.slot).count(self.assignment, fate);
        match fate {
            Fate::Ok | Fate::Redirect | Fate::ClientError | Fate::Refused => live.succeeded(),
            Fate::Overdue | Fate::Abandoned => {}
            // Passive ejection counts what a client would call a failure.
            Fate::ServerError | Fate::Failure => {
                let in_a_row = live.failed();
                let rule = service.service.passive.as_ref();
                if rule.is_some_and(|it| in_a_row >= it.max_fails.get()) {
                    worker.shared.suspect(live);
                }
            }
        }
    }

    /// What became of the attempt. `None` where it says nothing of its instance: what Plimsoll itself caused, or the
    /// client's own errors.
    fn fate_of_attempt(
        &self,
        worker: &Worker,
        service: &WorkerService,
        blame: Option<Blame>,
    ) -> Option<Fate> {
        match blame {
            Some(Blame::Instance) => Some(Fate::Failure),
            // A tunnel that was not ended as its protocol has it.
            None if self.ending.blame() == Blame::Instance => Some(Fate::Failure),
            None => self.fate(worker),
            // How a call ends is told at its end alone.
            Some(_) if self.first_byte.is_some() => {
                self.fate(worker).filter(|fate| self.call.is_none() || *fate != Fate::Ok)
            }
            Some(Blame::Client) => Some(service.live.judged.given_up(self.left_after?)),
            Some(Blame::Nobody | Blame::Edge) => None,
        }
    }

    /// What the response says of the instance.
    fn fate(&self, worker: &Worker) -> Option<Fate> {
        let status = self.status.unwrap_or(0);
        match &self.call {
            None => Some(Fate::of_status(status)),
            Some(call) => verdict::of_call(call, status, self.grpc, worker.wheel.now()),
        }
    }

    /// Hands the attempt over to the judge of its service.
    #[cold]
    fn hand_over(
        &self,
        worker: &Worker,
        service: &WorkerService,
        member: &WorkerInstance,
        fate: Fate,
    ) {
        let drawn = worker.rng.borrow_mut().u32(..);
        service.live.judged.hand_over(fate, drawn, || Sample {
            at: Instant::now(),
            route: self.slot,
            instance: member.live.clone(),
            assignment: self.assignment,
            client: worker.shared.hash_of_client(self.sender.client),
            fate,
            status: self.first_byte.and(self.status),
            latency: self.first_byte.or(self.left_after).unwrap_or_else(|| self.waited_for()),
            request_id: String::from_utf8_lossy(self.request_id.as_bytes()).into(),
        });
    }

    /// What is done to each of its responses that is our own.
    pub(crate) fn applied(&self, worker: &Worker) -> Applied<'_> {
        let edits = match &self.route {
            Some((plan, index)) => &plan.routes.route(*index).policies.response_headers,
            None => &NO_EDITS,
        };
        let (request_id, date) = (self.request_id.as_bytes(), worker.calendar.today());
        Applied { request_id, date, edits, phase: self.phase(), stay: None }
    }

    /// The response phase of its route's policies, where that has any.
    pub(crate) fn phase(&self) -> Option<Phase<'_>> {
        let (plan, index) = self.route.as_ref()?;
        let policies = plan.policies[index.0 as usize].as_ref()?;
        let edits = &plan.routes.route(*index).policies.response_headers;
        Some(Phase {
            plan: &policies.plan,
            carried: self.carried.as_ref()?,
            head: self.head,
            edits,
        })
    }

    /// Takes what has passed of the limits of bytes that its route goes by.
    fn charge_bytes(&self, worker: &Worker, traffic: Traffic) {
        if let Some(phase) = self.phase() {
            phase.charge_bytes(traffic, || worker.shared.time_of(Instant::now()));
        }
    }

    /// The status by which its client was refused, if it was: that of a gRPC call is the one that HTTP has for it.
    #[inline]
    fn refused_with(&self) -> Option<u16> {
        match (self.status?, self.grpc) {
            (status @ 400..=499, _) => Some(status),
            (_, Some(status)) => grpc::refusal(status),
            _ => None,
        }
    }

    /// Has its refusal counted by the rules of abuse that the route goes by, and carries out what follows.
    #[cold]
    fn was_refused(&self, worker: &Worker, status: u16) {
        let count = |snapshot: &SnapshotRef, route| {
            let carried = self.carried.as_ref();
            let refusal = Refusal {
                status,
                ending: self.ending,
                client: self.sender.client,
                subject: carried.and_then(|it| it.caller()?.subject.as_deref()),
                proxies: &self.listener.listener.trusted_proxies,
            };
            let rules = snapshot.abuse.of(route);
            if rules.is_empty() {
                return;
            }
            let moment = Moment {
                now: worker.shared.time_of(Instant::now()),
                date: since_1970(worker.calendar.now()),
                worker: worker.index,
            };
            for sentence in rules.iter().filter_map(|rule| rule.refused(refusal, moment)) {
                if worker.shared.carry_out(sentence).is_err()
                    && let Some(before) = worker.seldom.not_banned.happens(worker.wheel.now())
                {
                    worker.shared.events.emit(event::ClientNotBanned { before });
                }
            }
        };
        match &self.route {
            Some((snapshot, index)) => count(snapshot, Some(*index)),
            None => count(&worker.current().plan, None),
        }
    }

    /// The client sees the beginning of a response: from now on no other instance is asked.
    pub(crate) fn response_begins(&mut self) {
        self.responded = true;
    }

    /// The response to a gRPC call is whole, and tells how that ended.
    pub(crate) fn call_ends(&mut self, head: &ResponseHead, ended: &Ended) {
        self.grpc = grpc::told(head, ended);
    }

    /// We respond by ourselves, as a route says.
    pub(crate) fn own_response(&mut self, status: u16, ending: Ending) {
        (self.status, self.ending) = (Some(status), ending);
        self.response_begins();
    }

    /// It was closed because its instance drains.
    pub(crate) fn drain_closed(&mut self) {
        self.ending = Ending::DrainClosed;
    }

    /// Its tunnel was broken by its instance, or not ended as its protocol has it.
    pub(crate) fn tunnel_broke(&mut self) {
        self.ending = Ending::UpstreamTruncated;
    }

    /// Nobody was told how it failed.
    pub(crate) fn untold(&mut self) {
        (self.status, self.grpc) = (None, None);
    }

    /// Notes how the exchange failed.
    pub(crate) fn fail(&mut self, ending: Ending) {
        self.ending = ending;
        if !self.responded {
            let told = ending.told();
            let status = |status| self.carried.as_ref().map_or(status, |it| it.status(status));
            self.status = told.map(|it| status(it.status));
            self.grpc = self.call.and(told).map(|it| it.grpc);
        }
    }
}

impl Subject for ExchangeRecord<'_> {
    fn began(&self) -> Instant {
        self.began
    }

    fn ending(&self) -> Ending {
        self.ending
    }

    fn cut_off(&mut self) {
        self.ending = Ending::Shutdown;
        if !self.responded {
            self.untold();
        }
    }

    fn count(&self, worker: &Worker, traffic: Traffic, total: Duration) {
        if self.carried.is_some() {
            self.charge_bytes(worker, traffic);
        }
        if let Some(status) = self.refused_with() {
            self.was_refused(worker, status);
        }
        let Some(service) = &self.service else { return };
        let shard = service.live.shard(worker.index);
        let class = self.status.map_or(0, |status| usize::from(status / 100).min(5));
        shard.by_class[class].add(1);
        let has_failed = match &self.call {
            None => class == 5,
            Some(_) => {
                shard.grpc.count(self.grpc);
                self.fate(worker).is_some_and(Fate::is_failed)
            }
        };
        if has_failed || !matches!(self.ending.blame(), Blame::Nobody | Blame::Client) {
            shard.failed.add(1);
        }
        shard.bytes_in.add(traffic.received);
        shard.bytes_out.add(traffic.sent);
        // What is closed from outside says nothing of how long responses take.
        let is_tunnel = self.status == Some(101);
        if !is_tunnel && !matches!(self.ending, Ending::Tunnel | Ending::DrainClosed) {
            shard.duration.record(total);
        }
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            request_id: self.request_id.as_bytes(),
            client: self.sender.client,
            listener: self.listener,
            peer: self.peer,
            protocol: self.head.version().as_str(),
            method: self.head.method_text(),
            host: self.head.authority(),
            path: self.head.path(),
            user_agent: self.head.fields.get(Name::UserAgent),
            status: self.status,
            grpc: self.grpc,
            way: Way {
                route: self.route.as_ref().map(|(plan, index)| (&**plan, *index)),
                caller: self.carried.as_ref().and_then(|carried| carried.caller()),
                limit: self.phase().and_then(|phase| phase.limit_over()),
                service: self.service.as_deref(),
                member: self.member.as_deref(),
                attempts: self.attempts,
                connect: self.connect,
                first_byte: self.first_byte,
            },
        }
    }
}
