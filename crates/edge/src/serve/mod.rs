//! One request's way through the edge: its route, the policies, the action, and what its client is told where it fails.

pub(crate) mod decision;
pub mod explain;
mod holding;
mod proving;

use std::rc::Rc;

use telemetry::{Ending, Persistence};
use wire::body::Error;
use wire::h1::Framing;
use wire::head::RequestHead;

use crate::choice::share;
use crate::client::Client;
use crate::exchange::record::ExchangeRecord;
use crate::exchange::recording::{Recording, Subject};
use crate::live::by_route::RouteSlot;
use crate::policy::auth::AuthContext;
use crate::policy::limit::{Effect, LimitContext, Moment};
use crate::policy::{self, Phase, Routed};
use crate::response::respond::{self, Asked};
use crate::routing::RouteIndex;
use crate::serve::decision::{
    Decision, Local, Next, Refused, Setting, Unroutable, decide, https_port, passed, routable,
};
use crate::serve::proving::Proving;
use crate::snapshot::{WorkerService, WorkerSnapshot};
use crate::upstream::entrance::Entrance;
use crate::upstream::forward::forward;
use crate::upstream::held::RequestBody;
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
    let Entrance { worker, listener, peer, .. } = entrance;
    let local = worker.current();
    let request = routable(head, record.sender.client).map_err(Unroutable::ending)?;
    let plan = local.plan.clone();
    let setting = Setting {
        https_port: https_port(&listener.listener, peer, record.sender, &head.fields),
        challenges: &worker.shared.challenges,
        routes: &plan.routes,
        standing: worker.bans.standing(record.sender.client, || worker.calendar.now()),
        whereabouts: listener.whereabouts(head.authority()),
        pseudonym: &worker.shared.pseudonym,
    };
    let policies_of = |index: RouteIndex| plan.policies[index.0 as usize].as_deref();
    let began = record.began();
    let context = || policy::Context {
        auth: AuthContext {
            auths: &local.auths,
            bans: &worker.bans,
            peer,
            clients: listener.clients.as_ref(),
            store: &plan.store,
            now: worker.calendar.now(),
        },
        limit: LimitContext {
            at: Moment::Instant { at: began, edge_began: worker.shared.began() },
            worker: worker.index,
            effect: Effect::Take,
        },
    };
    let plan_of = |index| policies_of(index).map(|policies| (&policies.plan, context()));
    let Decision { route, mut carried, mut next } = decide(setting, &request, plan_of);
    let mut body = RequestBody::new(framing);
    if let Some(index) = route {
        record.route = Some((plan.clone(), index));
        record.carried.clone_from(&carried);
    }
    let index = loop {
        match next {
            Ok(Next::Forward(index)) => break index,
            // What is rare is on the heap, so that all other exchanges are small.
            Ok(Next::Local(local)) => {
                return Box::pin(respond(entrance, client, head, local, record)).await;
            }
            Ok(Next::Proof(index)) => {
                // It adds to what is carried, and so has to have it alone.
                carried = None;
                let of_route = policies_of(index).map(|it| &it.plan);
                let policies = &plan.routes.route(index).policies;
                let allowed = policy::body::limit(policies, Some(&listener.listener));
                let context = context();
                let proving =
                    Proving { plan: of_route, context, entrance, request: &request, allowed };
                let passage = Box::pin(proving.run(client, &mut body, record)).await?;
                carried.clone_from(&record.carried);
                next = passed(setting, &request, index, passage);
            }
            Err(refused) => {
                if let (Refused::Policy(ending), Some(policies)) =
                    (refused, route.and_then(policies_of))
                {
                    policies.live.refused(worker.index, ending);
                }
                return Err(refused.ending());
            }
        }
    };
    let route = plan.routes.route(index);
    let phase = carried.as_deref().zip(policies_of(index)).map(|(carried, policies)| Phase {
        plan: &policies.plan,
        carried,
        head,
        edits: &route.policies.response_headers,
    });
    let (service, slot) = choose(worker, &local, index, head);
    record.serves(&service, slot);
    forward(entrance, client, &request, body, Routed { route, phase }, &service, record).await
}

/// Responds without a service, as was decided.
async fn respond<C: Client>(
    entrance: Entrance<'_>,
    client: &mut C,
    head: &RequestHead,
    local: Local<'_>,
    record: &mut ExchangeRecord<'_>,
) -> Result<(), Ending> {
    let challenge = match local {
        // It may have been withdrawn this moment.
        Local::Challenge => entrance.worker.shared.challenges.answer(head),
        _ => None,
    };
    record.own_response(local.status(), local.ending());
    let applied = record.applied(entrance.worker);
    let told = match local {
        Local::Challenge => {
            let body = challenge.as_deref().unwrap_or_default();
            respond::challenge(client, head, body, &applied).await
        }
        Local::RedirectHttps(port) => respond::redirect_https(client, head, port, &applied).await,
        Local::Preflight => respond::preflight(client, &applied).await,
        Local::Options => respond::options(client, &applied).await,
        Local::Redirect(redirect) => respond::redirect(client, head, redirect, &applied).await,
        Local::Respond(own) => respond::respond(client, head, own, &applied).await,
    };
    told.map_err(|_| Ending::ClientClosed)
}

/// The service among those that share the route's requests, and where its attempts count.
fn choose(
    worker: &Worker,
    local: &WorkerSnapshot,
    index: RouteIndex,
    head: &RequestHead,
) -> (Rc<WorkerService>, RouteSlot) {
    let shares = &local.plan.shares[index.0 as usize];
    let keeps = |place: usize| {
        let WorkerService { service, members, .. } = &*local.services[place];
        share::keeps(&worker.shared.sticky_key, service, members, head)
    };
    let chosen = share::choose(shares, keeps, |sum| worker.rng.borrow_mut().u32(..sum));
    let share = shares.of[chosen.share];
    (local.services[share.place].clone(), share.slot)
}
