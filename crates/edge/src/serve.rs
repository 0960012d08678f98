//! One request's way through the edge: its route, the policies, the action, and what its client is told where it fails.

use std::num::NonZeroU16;
use std::rc::Rc;

use model::{Action, Listener};
use telemetry::{Ending, Persistence};
use wire::body::Error;
use wire::h1::Framing;
use wire::head::{Method, RequestHead};

use crate::choice::share;
use crate::client::Client;
use crate::exchange::record::ExchangeRecord;
use crate::exchange::recording::Recording;
use crate::hops;
use crate::policy::{self, Passage, Phase, Routed};
use crate::response::respond::{self, Asked};
use crate::routing::{Request, RouteIndex};
use crate::snapshot::{WorkerService, WorkerSnapshot};
use crate::upstream::entrance::Entrance;
use crate::upstream::forward::forward;
use crate::worker::Worker;

/// Answers one request. The client's connection knows afterwards whether it can go on.
pub(crate) async fn run<C: Client>(
    entrance: Entrance<'_>,
    client: &mut C,
    head: &RequestHead,
    framing: Framing,
) {
    let Entrance { worker, listener, peer, .. } = entrance;
    let record = ExchangeRecord::begin(worker, head, peer, listener);
    let mut open = Recording::begin(worker, client, record);
    let Recording { client, subject: record, .. } = &mut open;
    let outcome = serve(entrance, &mut **client, head, framing, record).await;
    if let Err(ending) = outcome {
        record.fail(ending);
        // What is rare is on the heap, so that all other exchanges are small.
        match record.responded || ending.told().is_none() {
            // It left before there was anything to be sent.
            true if !record.responded && ending == Ending::ClientClosed => {
                client.end_after_response()
            }
            true => Box::pin(break_off(entrance, &mut **client, ending)).await,
            false => {
                let told = Box::pin(tell(entrance, &mut **client, head, ending, record)).await;
                // A stream that broke the rules is reset already, and nobody is told.
                if matches!(told, Some(Err(Error::H2(_)))) {
                    record.untold();
                }
            }
        }
    }
    open.end();
}

/// Ends a response that is not whole. A client that is there gets what the instance had sent before
/// it broke off, as fast as it reads; one that has left, or reads nothing, is reset.
async fn break_off<C: Client>(entrance: Entrance<'_>, client: &mut C, ending: Ending) {
    if !matches!(ending, Ending::ClientClosed | Ending::WriteTimeout) {
        let limit = entrance.listener.listener.timeouts.write_idle;
        let broken = entrance.timer.within(limit, |cx| client.poll_break_off(cx)).await;
        if matches!(broken, Some(Ok(()))) {
            return;
        }
    }
    client.abort();
}

async fn tell<C: Client>(
    entrance: Entrance<'_>,
    client: &mut C,
    head: &RequestHead,
    ending: Ending,
    record: &ExchangeRecord<'_>,
) -> Option<Result<(), Error>> {
    if ending.told().is_some_and(|told| told.connection == Persistence::Close) {
        client.end_after_response();
    }
    let limit = entrance.listener.listener.timeouts.write_idle;
    let applied = record.applied(entrance.worker);
    let dialect = record.call.map(|call| call.dialect);
    let asked = Asked { head: Some(head), dialect };
    let mut telling = std::pin::pin!(respond::told(client, asked, ending, &applied));
    // Who does not read it within its time does not get it.
    entrance.timer.within(limit, |cx| telling.as_mut().poll(cx)).await
}

async fn serve<C: Client>(
    entrance: Entrance<'_>,
    client: &mut C,
    head: &RequestHead,
    framing: Framing,
    record: &mut ExchangeRecord<'_>,
) -> Result<(), Ending> {
    if matches!(head.method(), Method::Connect | Method::Trace) {
        return Err(Ending::MethodNotAllowed);
    }
    let local = entrance.worker.current();
    let request = Request::new(head, record.sender.client).map_err(|_| Ending::BadRequest)?;
    let gone = |_| Ending::ClientClosed;
    let Listener { redirect_https, trusted_proxies, .. } = &*entrance.listener.listener;
    if let Some(port) = *redirect_https
        && !entrance.peer.is_secure(record.sender, &head.fields, trusted_proxies)
    {
        return Box::pin(redirect_https_to(port, entrance, client, head, record)).await;
    }
    let plan = local.plan.clone();
    let found = plan.routes.find(&request).map_err(|_| Ending::BadRequest)?;
    let index = found.ok_or(Ending::NoRoute)?;
    let route = plan.routes.route(index);
    record.route = Some((plan.clone(), index));
    let mut routed = Routed { route, phase: None };
    let carried;
    if let Some(policies) = &plan.policies[index.0 as usize] {
        let decided = policy::request(&policies.plan, &request);
        carried = Rc::new(decided.carried);
        record.carried = Some(carried.clone());
        match decided.passage {
            Ok(Passage::Action) => {}
            Ok(Passage::Preflight) => {
                record.own_response(204, Ending::Preflight);
                let applied = record.applied(entrance.worker);
                return Box::pin(respond::preflight(client, &applied)).await.map_err(gone);
            }
            Err(ending) => {
                policies.live.refused(entrance.worker.index, ending);
                return Err(ending);
            }
        }
        let (plan, edits) = (&policies.plan, &route.policies.response_headers);
        routed.phase = Some(Phase { plan, carried: &carried, head, edits });
    }
    match &route.action {
        Action::Forward(_) if entrance.worker.shared.pseudonym.is_in(&head.fields) => {
            Err(Ending::Loop)
        }
        Action::Forward(_) if hops::max_forwards(head) == Some(0) => {
            record.own_response(200, Ending::Respond);
            let applied = record.applied(entrance.worker);
            Box::pin(respond::options(client, &applied)).await.map_err(gone)
        }
        Action::Forward(_) => {
            let service = choose(entrance.worker, &local, index, head);
            record.service = Some(service.clone());
            forward(entrance, client, &request, framing, routed, &service, record).await
        }
        Action::Redirect(redirect) => {
            record.own_response(redirect.status, Ending::Redirect);
            let applied = record.applied(entrance.worker);
            Box::pin(respond::redirect(client, head, redirect, &applied)).await.map_err(gone)
        }
        Action::Respond(own) => {
            record.own_response(own.status, Ending::Respond);
            let applied = record.applied(entrance.worker);
            Box::pin(respond::respond(client, head, own, &applied)).await.map_err(gone)
        }
    }
}

/// Sends the client to the same place over TLS, at `port`.
async fn redirect_https_to<C: Client>(
    port: NonZeroU16,
    entrance: Entrance<'_>,
    client: &mut C,
    head: &RequestHead,
    record: &mut ExchangeRecord<'_>,
) -> Result<(), Ending> {
    if head.authority().is_empty() {
        return Err(Ending::BadRequest);
    }
    record.own_response(308, Ending::Redirect);
    let applied = record.applied(entrance.worker);
    let told = respond::redirect_https(client, head, port, &applied).await;
    told.map_err(|_| Ending::ClientClosed)
}

/// The service among those that share the route's requests.
fn choose(
    worker: &Worker,
    local: &WorkerSnapshot,
    index: RouteIndex,
    head: &RequestHead,
) -> Rc<WorkerService> {
    let shares = &local.plan.shares[index.0 as usize];
    let keeps = |place: usize| {
        let WorkerService { service, members, .. } = &*local.services[place];
        share::keeps(&worker.shared.sticky_key, service, members, head)
    };
    let chosen = share::choose(shares, keeps, |sum| worker.rng.borrow_mut().u32(..sum));
    let (place, _) = shares.of[chosen.share];
    local.services[place].clone()
}
