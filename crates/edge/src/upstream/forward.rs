//! Forwards a request: to one instance after another, until one has answered or none may be asked.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use balance::Key;
use telemetry::Ending;
use wire::h1::Framing;

use crate::choice::sticky::Affinity;
use crate::choice::{self, Choice, Claim};
use crate::client::Client;
use crate::exchange::record::ExchangeRecord;
use crate::grpc::Call;
use crate::policy::Routed;
use crate::routing::Request;
use crate::snapshot::WorkerService;
use crate::upstream::attempt::{Attempt, Withheld};
use crate::upstream::downstream::Downstream;
use crate::upstream::entrance::Entrance;
use crate::upstream::failed::{Failed, Then};
use crate::upstream::held::RequestBody;
use crate::upstream::outbound::{Expectation, Known, Outbound};
use crate::upstream::relay::Upload;
use crate::upstream::retry::Retries;
use crate::upstream::sendable::Sendable;
use crate::upstream::trailing::sift;
use crate::upstream::wait::wait_for_instance;

/// Sends the request to one instance after another until one has answered, or none may be asked.
/// Where Plimsoll runs the instances and none is up, as between two releases that may not run beside
/// each other, the request waits for one.
pub(crate) async fn forward<C: Client>(
    entrance: Entrance<'_>,
    client: &mut C,
    request: &Request<'_>,
    body: RequestBody,
    routed: Routed<'_>,
    service: &Rc<WorkerService>,
    record: &mut ExchangeRecord<'_>,
) -> Result<(), Ending> {
    let Entrance { worker, listener, account, .. } = entrance;
    let (head, policies) = (request.head, &routed.route.policies);
    let expectation = Expectation::of(head, &body);
    let RequestBody { framing, held } = body;
    let protocol = service.service.protocol;
    let caller = routed.phase.and_then(|phase| phase.carried.caller());
    let Sendable { body: allowed, rewriting } =
        Sendable::new(policies, caller, Some(&listener.listener), head, framing, protocol)?;
    let request_id = record.request_id;
    let (sender, request_id) = (record.sender, request_id.as_bytes());
    let known = Known { rewriting, sender, request_id, expectation };
    let outbound = Outbound::new(entrance, head, framing, routed, known);
    let retries = Retries::new(worker, service, head.method());
    let mut forwarding = Forwarding {
        entrance,
        request: &outbound,
        framing,
        retries: &retries,
        call: record.call,
        service,
        newest: None,
        key: choice::key_of(&service.service.balance, request),
        drawn: Cell::new(None),
        deadline: None,
    };
    let mut upload = Upload::new(retries.replay(), framing, allowed, &worker.pool, account);
    if let Some(mut held) = held {
        let (edits, phase) = (&policies.request_headers, routed.phase);
        held.sift_trailers(|trailers| sift(trailers, &head.fields, edits, phase));
        upload.resume(*held);
    }
    let mut down = Downstream { client, upload, record };
    service.budget.borrow_mut().deposit(worker.wheel.now());
    let mut last = Last::Nothing;
    loop {
        let found = match forwarding.claim() {
            Some(Ok(claim)) => Ok(claim),
            // What is rare, and large, is on the heap.
            unclaimed => Box::pin(forwarding.wait(unclaimed, &mut down)).await,
        };
        let claim = match (found, last) {
            (Ok(claim), before) => {
                before.discard();
                claim
            }
            // It is not there any more, or wants nothing any more.
            (Err(ending @ (Ending::ClientClosed | Ending::ClientDeadline)), _) => {
                return Err(ending);
            }
            (Err(_), Last::Withheld(held)) => {
                return Box::pin(forwarding.give_out(held, &mut down)).await;
            }
            (Err(Ending::NoInstance), Last::Failed(ending)) => return Err(ending),
            (Err(ending), _) => return Err(ending),
        };
        retries.attempted();
        if claim.has_waited {
            down.record.waited(worker)?;
        }
        down.record.attempt(&claim);
        let outcome = forwarding.attempt(&claim).run(&mut down).await;
        last = match forwarding.follow(outcome, claim, &down) {
            ControlFlow::Break(ended) => return ended,
            ControlFlow::Continue(last) => last,
        };
        down.record.is_still_wanted(worker)?;
        forwarding.newest = Some(worker.newest(service));
    }
}

/// What the client gets where nobody else is found who could be asked.
enum Last {
    /// Nobody was asked yet.
    Nothing,
    Failed(Ending),
    Withheld(Box<Held>),
}

impl Last {
    /// Somebody else was found.
    fn discard(self) {
        if let Self::Withheld(held) = self {
            held.response.discard();
        }
    }
}

/// A response that is withheld, and its instance, which is in use as long as it is.
struct Held {
    response: Box<Withheld>,
    claim: Claim,
}

/// What all attempts at one request have in common.
struct Forwarding<'a> {
    entrance: Entrance<'a>,
    request: &'a Outbound<'a>,
    framing: Framing,
    retries: &'a Retries<'a>,
    call: Option<Call>,
    /// The service as it was when the request came.
    service: &'a Rc<WorkerService>,
    /// As it is by now, where more than one instance is asked.
    newest: Option<Rc<WorkerService>>,
    /// The hash by which it balances, if it does.
    key: Option<Key>,
    /// The number that was drawn for the client, once one was.
    drawn: Cell<Option<u64>>,
    /// Until when the request may wait for an instance to come, once it does.
    deadline: Option<Duration>,
}

impl Forwarding<'_> {
    /// The service, as it is chosen from.
    fn asked(&self) -> &Rc<WorkerService> {
        self.newest.as_ref().unwrap_or(self.service)
    }

    /// Claims an instance. `None` where all are full.
    fn claim(&self) -> Option<Result<Claim, Ending>> {
        let tried = &self.retries.tried();
        let Self { key, drawn, request, .. } = self;
        let choice = Choice { head: request.head, key: *key, drawn, tried };
        choice::claim(self.entrance.worker, self.asked(), choice)
    }

    /// Whether the request asks for the new release of two: it waits for no other, and that has the instances that it has.
    fn is_for_new_release(&self) -> bool {
        let split = self.asked().split.as_ref();
        split.is_some_and(|split| split.asked(self.request.head).is_some())
    }

    /// Waits for an instance where none could be claimed: for room, where all are full, or for one to come, where
    /// there is none.
    async fn wait<C: Client>(
        &mut self,
        mut found: Option<Result<Claim, Ending>>,
        down: &mut Downstream<'_, '_, C>,
    ) -> Result<Claim, Ending> {
        let worker = self.entrance.worker;
        loop {
            let tried = &self.retries.tried();
            let mut gone = |cx: &mut Context<'_>| match down.upload.is_in_part() {
                false => down.client.poll_left(cx),
                true => Poll::Pending,
            };
            let choice =
                Choice { head: self.request.head, key: self.key, drawn: &self.drawn, tried };
            let known = match found {
                Some(known) => known,
                None => choice::wait(worker, self.asked(), choice, &mut gone).await,
            };
            match known {
                Err(Ending::NoInstance)
                    if worker.may_come(self.service) && !self.is_for_new_release() =>
                {
                    let limit = self.service.service.queue.timeout;
                    let until = *self.deadline.get_or_insert_with(|| worker.wheel.now() + limit);
                    let come = wait_for_instance(worker, self.service, tried, until, gone).await?;
                    down.record.service = Some(come.clone());
                    self.newest = Some(come);
                    down.record.waited(worker)?;
                    found = self.claim();
                }
                known => return known,
            }
        }
    }

    /// An attempt has ended: how the exchange does, or what its client gets if nobody else is found.
    fn follow<C>(
        &self,
        outcome: Result<Option<Box<Withheld>>, Failed>,
        mut claim: Claim,
        down: &Downstream<'_, '_, C>,
    ) -> ControlFlow<Result<(), Ending>, Last> {
        let worker = self.entrance.worker;
        match outcome {
            Ok(None) => {
                down.record.attempt_ended(worker, None);
                ControlFlow::Break(Ok(()))
            }
            Ok(Some(response)) => {
                // It counts as what it is, whether its client will see it or not.
                down.record.attempt_ended(worker, None);
                // Were its place kept while it waits for another's, all could wait for each other.
                claim.free_slot();
                ControlFlow::Continue(Last::Withheld(Box::new(Held { response, claim })))
            }
            Err(failed) => {
                let then = self.retries.follow(&failed, &claim.member, &down.upload);
                down.record.attempt_ended(worker, Some(failed.blame(then)));
                match then {
                    Then::End => ControlFlow::Break(Err(failed.ending)),
                    Then::Retry => ControlFlow::Continue(Last::Failed(failed.ending)),
                }
            }
        }
    }

    fn attempt<'a>(&'a self, claim: &'a Claim) -> Attempt<'a> {
        let Entrance { worker, listener, timer, account, .. } = self.entrance;
        let wanted = &*claim.service.service;
        Attempt {
            worker,
            request: self.request,
            framing: self.framing,
            claim,
            timeouts: &wanted.timeouts,
            client_timeouts: &listener.listener.timeouts,
            protocol: wanted.protocol,
            timer,
            account,
            retries: self.retries,
            stay: Affinity::new(&worker.shared.sticky_key, self.request.approach(), claim),
            call: self.call,
        }
    }

    /// Nobody else was found: the response that was withheld is the client's after all. What it says of its
    /// instance was counted when it came.
    async fn give_out<C: Client>(
        &self,
        held: Box<Held>,
        down: &mut Downstream<'_, '_, C>,
    ) -> Result<(), Ending> {
        let Held { response, claim } = *held;
        let given = self.attempt(&claim).give_out(*response, down).await;
        given.map_err(|failed| failed.ending)
    }
}
