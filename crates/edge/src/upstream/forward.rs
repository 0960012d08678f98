//! Forwards a request: to one instance after another, until one has answered or none may be asked.

use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll};

use telemetry::Ending;
use wire::h1::Framing;

use crate::choice::sticky::Affinity;
use crate::choice::{self, Choice, Claim};
use crate::client::Client;
use crate::exchange::record::ExchangeRecord;
use crate::grpc::Call;
use crate::hops;
use crate::policy::Routed;
use crate::routing::Request;
use crate::snapshot::WorkerService;
use crate::upstream::attempt::{Attempt, Withheld};
use crate::upstream::entrance::Entrance;
use crate::upstream::failed::Then;
use crate::upstream::outbound::Outbound;
use crate::upstream::relay::Upload;
use crate::upstream::retry::Retries;
use crate::upstream::sendable::Sendable;
use crate::upstream::wait::wait_for_instance;

/// Sends the request to one instance after another until one has answered, or none may be asked.
/// Where Plimsoll runs the instances and none is up, as between two releases that may not run beside
/// each other, the request waits for one.
pub(crate) async fn forward<C: Client>(
    entrance: Entrance<'_>,
    client: &mut C,
    request: &Request<'_>,
    framing: Framing,
    routed: Routed<'_>,
    service: &Rc<WorkerService>,
    record: &mut ExchangeRecord<'_>,
) -> Result<(), Ending> {
    let Entrance { worker, listener, peer, own_lines, account, .. } = entrance;
    let (head, Routed { route, phase }) = (request.head, routed);
    let protocol = service.service.protocol;
    let Sendable { body, rewriting } =
        Sendable::new(&route.policies, Some(&listener.listener), head, framing, protocol)?;
    let request_id = record.request_id;
    let outbound = Outbound {
        head,
        rewriting,
        framing,
        peer,
        own_lines,
        listener,
        sender: record.sender,
        request_id: request_id.as_bytes(),
        policies: &route.policies,
        phase,
        upgrade: hops::upgrade_of(head),
        via: &worker.shared.pseudonym,
    };
    let key = choice::key_of(&service.service.balance, request);
    let retries = Retries::new(worker, service, head.method());
    let mut upload = Upload::new(retries.replay(), framing, body, &worker.pool, account);
    let forwarding =
        Forwarding { entrance, request: &outbound, framing, retries: &retries, call: record.call };
    let (mut last, mut deadline, drawn) = (Last::Nothing, None, Cell::new(None));
    let mut newest;
    let mut asked = service;
    service.budget.borrow_mut().deposit(worker.wheel.now());
    loop {
        let tried = retries.tried();
        let mut gone = |cx: &mut Context<'_>| match upload.moved() {
            0 => client.poll_left(cx),
            _ => Poll::Pending,
        };
        let choice = Choice { head, key, drawn: &drawn, tried: &tried };
        let found = match choice::claim(worker, asked, choice) {
            Some(found) => found,
            // What is rare, and large, is on the heap.
            None => Box::pin(choice::wait(worker, asked, choice, &mut gone)).await,
        };
        let found = match found {
            Err(Ending::NoInstance) if worker.may_come(service) => {
                let now = worker.wheel.now();
                let until = *deadline.get_or_insert(now + service.service.queue.timeout);
                // What is rare is on the heap.
                let wait = Box::pin(wait_for_instance(worker, service, &tried, until, gone));
                match wait.await {
                    Ok(come) => {
                        newest = come;
                        asked = &newest;
                        record.service = Some(newest.clone());
                        record.waited(worker)?;
                        continue;
                    }
                    Err(ending) => Err(ending),
                }
            }
            found => found,
        };
        let mut claim = match (found, last) {
            (Ok(claim), before) => {
                before.discard();
                claim
            }
            (Err(Ending::ClientClosed), _) => return Err(Ending::ClientClosed),
            (Err(_), Last::Withheld(held)) => {
                return Box::pin(forwarding.give_out(held, client, &mut upload, record)).await;
            }
            (Err(Ending::NoInstance), Last::Failed(ending)) => return Err(ending),
            (Err(ending), _) => return Err(ending),
        };
        retries.attempted();
        if claim.has_waited {
            record.waited(worker)?;
        }
        record.attempt(&claim.member);
        let outcome = forwarding.attempt(&claim).run(client, &mut upload, record).await;
        last = match outcome {
            Ok(None) => {
                record.attempt_ended(worker, None);
                return Ok(());
            }
            Ok(Some(response)) => {
                // It counts as what it is, whether its client will see it or not.
                record.attempt_ended(worker, None);
                // Were its place kept while it waits for another's, all could wait for each other.
                claim.free_slot();
                Last::Withheld(Box::new(Held { response, claim }))
            }
            Err(failed) => {
                let then = retries.follow(&failed, &claim.member, &upload);
                record.attempt_ended(worker, Some(failed.blame(then)));
                if then == Then::End {
                    return Err(failed.ending);
                }
                Last::Failed(failed.ending)
            }
        };
        record.is_still_wanted(worker)?;
        newest = worker.newest(service);
        asked = &newest;
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
}

impl Forwarding<'_> {
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
        client: &mut C,
        upload: &mut Upload,
        record: &mut ExchangeRecord<'_>,
    ) -> Result<(), Ending> {
        let Held { response, claim } = *held;
        let given = self.attempt(&claim).give_out(*response, client, upload, record).await;
        given.map_err(|failed| failed.ending)
    }
}
