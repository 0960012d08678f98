//! Forwards a request: to one instance after another, until one has answered or none may be asked.

use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll};

use model::{Route, UpstreamProtocol};
use telemetry::Ending;
use wire::h1::Framing;

use crate::choice::sticky::Stay;
use crate::choice::{self, Choice};
use crate::client::Client;
use crate::exchange::story::Story;
use crate::exchange::{Entrance, hops};
use crate::policy;
use crate::policy::rewrite::Rewriting;
use crate::routing::Request;
use crate::snapshot::LocalService;
use crate::upstream::attempt::Attempt;
use crate::upstream::failed::Then;
use crate::upstream::outbound::Outbound;
use crate::upstream::relay::Upload;
use crate::upstream::retry::Retries;
use crate::upstream::wait::wait_for_instance;

/// Sends the request to one instance after another until one has answered, or none may be asked.
/// Where Plimsoll runs the instances and none is up, as between two releases that may not run beside
/// each other, the request waits for one.
pub(crate) async fn forward<C: Client>(
    entrance: Entrance<'_>,
    client: &mut C,
    request: &Request<'_>,
    framing: Framing,
    route: &Route,
    service: &Rc<LocalService>,
    story: &mut Story<'_>,
) -> Result<(), Ending> {
    let Entrance { worker, listener, peer, own_lines, alarm, account } = entrance;
    let head = request.head;
    let allowed = policy::body::allowed(&route.policies, &listener.listener, framing)?;
    let request_id = story.request_id;
    let outbound = Outbound {
        head,
        rewriting: Rewriting::new(&route.policies.rewrite, head)?,
        framing,
        peer,
        own_lines,
        listener,
        sender: story.sender,
        request_id: request_id.as_bytes(),
        policies: &route.policies,
        upgrade: hops::upgrade_of(head),
        via: &worker.shared.pseudonym,
    };
    if service.service.protocol == UpstreamProtocol::H2 && !outbound.rewriting.fits_h2() {
        return Err(Ending::UriTooLong);
    }
    let key = choice::key_of(&service.service.balance, request);
    let retries = Retries::new(worker, service, head.method());
    let mut upload = Upload::new(retries.are_possible(), allowed, &worker.pool, account);
    let (mut last, mut deadline, drawn) = (None, None, Cell::new(None));
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
        let claim = match choice::claim(worker, asked, choice, &mut gone).await {
            Ok(claim) => claim,
            Err(Ending::NoInstance) if worker.may_come(service) => {
                let now = worker.wheel.now();
                let until = *deadline.get_or_insert(now + service.service.queue.timeout);
                // What is rare is on the heap.
                let wait = Box::pin(wait_for_instance(worker, service, &tried, until, gone));
                newest = match wait.await {
                    Ok(newest) => newest,
                    Err(Ending::ClientClosed) => return Err(Ending::ClientClosed),
                    Err(ending) => return Err(last.unwrap_or(ending)),
                };
                asked = &newest;
                story.service = Some(newest.clone());
                story.waited(worker)?;
                continue;
            }
            Err(Ending::NoInstance) => return Err(last.unwrap_or(Ending::NoInstance)),
            Err(ending) => return Err(ending),
        };
        retries.attempted();
        if claim.has_waited {
            story.waited(worker)?;
        }
        story.attempt(&claim.member);
        let wanted = &*claim.service.service;
        let attempt = Attempt {
            worker,
            request: &outbound,
            framing,
            claim: &claim,
            timeouts: &wanted.timeouts,
            client_timeouts: &listener.listener.timeouts,
            protocol: wanted.protocol,
            alarm,
            account,
            retries: &retries,
            stay: Stay::new(&worker.shared.sticky_key, &outbound, &claim),
            call: story.call,
        };
        let outcome = attempt.run(client, &mut upload, story).await;
        let Err(failed) = outcome else {
            story.attempt_ended(worker, None);
            return Ok(());
        };
        let then = retries.follow(&failed, &claim.member, &upload);
        story.attempt_ended(worker, Some(failed.blame(then)));
        if then == Then::End {
            return Err(failed.ending);
        }
        story.is_still_wanted(worker)?;
        last = Some(failed.ending);
        newest = worker.newest(service);
        asked = &newest;
    }
}
