//! One request's way through the edge.

pub(crate) mod chain;
pub(crate) mod fault;
pub(crate) mod hops;
pub(crate) mod identity;
pub(crate) mod lasting;
pub(crate) mod open;
pub(crate) mod refusal;
pub(crate) mod request_id;
pub(crate) mod story;

use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use model::{Action, Listener, Route, UpstreamProtocol};
use telemetry::Ending;
use wire::account::Account;
use wire::h1::Framing;
use wire::head::{Method, RequestHead};

use crate::choice::sticky::{self, Stay};
use crate::choice::{self, Choice, Tried};
use crate::connection::client::Client;
use crate::exchange::fault::Fault;
use crate::exchange::identity::Peer;
use crate::exchange::story::Story;
use crate::response::respond::{self, Asked};
use crate::routing::{self, Request, RouteIndex};
use crate::snapshot::{ListenerPlan, Local, LocalService};
use crate::upstream::attempt::Attempt;
use crate::upstream::forward::Outbound;
use crate::upstream::member::Member;
use crate::upstream::own_lines::OwnLines;
use crate::upstream::relay::Upload;
use crate::upstream::retry::Retries;
use crate::worker::Worker;
use crate::worker::wheel::{Alarm, TICK};

/// Where a request came in.
#[derive(Clone, Copy)]
pub(crate) struct Entrance<'a> {
    pub(crate) worker: &'a Rc<Worker>,
    pub(crate) listener: &'a ListenerPlan,
    pub(crate) peer: &'a Peer,
    pub(crate) own_lines: &'a OwnLines,
    pub(crate) alarm: &'a Alarm,
    /// Where what is held for the client is counted.
    pub(crate) account: &'a Account,
}

/// Answers one request. The client's connection knows afterwards whether it can go on.
pub(crate) async fn run<C: Client>(
    entrance: Entrance<'_>,
    client: &mut C,
    head: &RequestHead,
    framing: Framing,
) {
    let Entrance { worker, listener, peer, .. } = entrance;
    let story = Story::begin(worker, head, peer, listener);
    let mut open = Open { worker, client, story, has_ended: false };
    let Open { client, story, .. } = &mut open;
    let outcome = serve(entrance, &mut **client, head, framing, story).await;
    if let Err(fault) = outcome {
        story.fail(fault);
        // What is rare is on the heap, so that all other exchanges are small.
        match story.answered || fault.status().is_none() {
            // It left before there was anything to be sent.
            true if !story.answered && fault == Fault::ClientGone => client.end_after_answer(),
            true => Box::pin(break_off(entrance, &mut **client, fault)).await,
            false => Box::pin(tell_fault(entrance, &mut **client, head, fault, story)).await,
        }
    }
    open.has_ended = true;
}

/// An exchange until it was told, which its end does: the one that it comes to, or the one that is made for
/// it, where its task is dropped with the worker because the time to drain is over.
struct Open<'a, 'h, C: Client> {
    worker: &'a Worker,
    client: &'a mut C,
    story: Story<'h>,
    has_ended: bool,
}

impl<C: Client> Drop for Open<'_, '_, C> {
    fn drop(&mut self) {
        if !self.has_ended {
            self.story.cut_off();
        }
        self.story.tell(self.worker, self.client.take_counts());
    }
}

/// Ends a response that is not whole. A client that is there gets what the instance had sent before
/// it broke off, as fast as it reads; one that has left, or reads nothing, is reset.
async fn break_off<C: Client>(entrance: Entrance<'_>, client: &mut C, fault: Fault) {
    if fault.status().is_some() {
        let limit = entrance.listener.listener.timeouts.write_idle;
        let broken = entrance.alarm.within(limit, |cx| client.poll_break_off(cx)).await;
        if matches!(broken, Some(Ok(()))) {
            return;
        }
    }
    client.abort();
}

async fn tell_fault<C: Client>(
    entrance: Entrance<'_>,
    client: &mut C,
    head: &RequestHead,
    fault: Fault,
    story: &Story<'_>,
) {
    if fault.ends_connection() {
        client.end_after_answer();
    }
    let limit = entrance.listener.listener.timeouts.write_idle;
    let applied = story.applied(entrance.worker);
    let dialect = story.call.map(|call| call.dialect);
    let asked = Asked { head: Some(head), dialect };
    let mut telling = std::pin::pin!(respond::fault(client, asked, fault, &applied));
    // Who does not read it within its time does not get it.
    let _ = entrance.alarm.within(limit, |cx| telling.as_mut().poll(cx)).await;
}

async fn serve<C: Client>(
    entrance: Entrance<'_>,
    client: &mut C,
    head: &RequestHead,
    framing: Framing,
    story: &mut Story<'_>,
) -> Result<(), Fault> {
    if matches!(head.method(), Method::Connect | Method::Trace) {
        return Err(Fault::MethodNotAllowed);
    }
    let local = entrance.worker.current();
    let request = Request::new(head, story.sender.client).map_err(|_| Fault::BadRequest)?;
    let gone = |_| Fault::ClientGone;
    let Listener { redirect_https, trusted_proxies, .. } = &*entrance.listener.listener;
    if let Some(port) = *redirect_https
        && !entrance.peer.is_secure(story.sender, &head.fields, trusted_proxies)
    {
        if head.authority().is_empty() {
            return Err(Fault::BadRequest);
        }
        story.own_answer(308, Ending::Redirect);
        let applied = story.applied(entrance.worker);
        return Box::pin(respond::redirect_https(client, head, port, &applied)).await.map_err(gone);
    }
    let plan = local.plan.clone();
    let found = plan.routes.find(&request).map_err(|_| Fault::BadRequest)?;
    let index = found.ok_or(Fault::NoRoute)?;
    let route = plan.routes.route(index);
    story.route = Some((plan.clone(), index));
    match &route.action {
        Action::Forward(_) if entrance.worker.shared.pseudonym.is_in(&head.fields) => {
            Err(Fault::Loop)
        }
        Action::Forward(_) if hops::max_forwards(head) == Some(0) => {
            story.own_answer(200, Ending::Respond);
            let applied = story.applied(entrance.worker);
            Box::pin(respond::options(client, &applied)).await.map_err(gone)
        }
        Action::Forward(_) => {
            let service = choose(entrance.worker, &local, index, head);
            story.service = Some(service.clone());
            forward(entrance, client, &request, framing, route, &service, story).await
        }
        Action::Redirect(redirect) => {
            story.own_answer(redirect.status, Ending::Redirect);
            let applied = story.applied(entrance.worker);
            Box::pin(respond::redirect(client, head, redirect, &applied)).await.map_err(gone)
        }
        Action::Respond(own) => {
            story.own_answer(own.status, Ending::Respond);
            let applied = story.applied(entrance.worker);
            Box::pin(respond::respond(client, head, own, &applied)).await.map_err(gone)
        }
    }
}

/// The service among those that share the route's requests: the one whose cookie the client has, as long
/// as that has a share and an instance that may serve, or else by chance.
fn choose(
    worker: &Worker,
    local: &Local,
    index: RouteIndex,
    head: &RequestHead,
) -> Rc<LocalService> {
    let shares = &local.plan.shares[index.0 as usize];
    if let [_, _, ..] = shares.of[..] {
        let key = &worker.shared.sticky_key;
        let stays = |(place, weight): &&(usize, u32)| {
            let service = &local.services[*place];
            *weight > 0
                && sticky::named(key, &service.service, head).is_some()
                && service.members.iter().any(|member| member.live.is_eligible())
        };
        if let Some((place, _)) = shares.of.iter().find(stays) {
            return local.services[*place].clone();
        }
    }
    let mut left = match shares.of.len() {
        1 => 0,
        _ => worker.rng.borrow_mut().u32(..shares.sum.max(1)),
    };
    let chosen = shares.of.iter().find(|(_, weight)| {
        let here = left < *weight;
        left = left.saturating_sub(*weight);
        here
    });
    let (place, _) = chosen.unwrap_or(&shares.of[0]);
    local.services[*place].clone()
}

/// How much of the path the route's rewrite takes away.
fn cut_of(route: &Route, head: &RequestHead) -> Result<usize, Fault> {
    match &route.policies.rewrite.strip_prefix {
        Some(prefix) => routing::cut(head.path(), prefix).map_err(|_| Fault::BadRequest),
        None => Ok(0),
    }
}

/// How long it may take on a busy machine until an instance that ended is served no more.
const LOSS_SEEN_WITHIN: Duration = Duration::from_millis(500);

/// Waits until the service has an instance that may serve and was not `tried`: until `deadline` while
/// it has none at all, and otherwise until it would be known that those who were tried are gone.
async fn wait_for_instance(
    worker: &Rc<Worker>,
    service: &Rc<LocalService>,
    tried: &Tried,
    deadline: Duration,
    mut gone: impl FnMut(&mut Context<'_>) -> Poll<()>,
) -> Result<Rc<LocalService>, Fault> {
    let shard = service.live.shard(worker.index);
    let Some(_ticket) = service.live.absence.join(service.service.queue.length) else {
        shard.queue_full.add(1);
        return Err(Fault::NoInstance);
    };
    let alarm = worker.wheel.alarm();
    let seen_by = worker.wheel.now() + LOSS_SEEN_WITHIN;
    while worker.wheel.now() < deadline {
        // One comes with what is published next, or because its checks pass again.
        let mut news = std::pin::pin!(worker.news.notified());
        let left = alarm.within(TICK, |cx| match gone(cx) {
            Poll::Ready(()) => Poll::Ready(true),
            Poll::Pending => news.as_mut().poll(cx).map(|()| false),
        });
        if left.await == Some(true) {
            return Err(Fault::ClientGone);
        }
        let newest = worker.newest(service);
        let is_new = |member: &Rc<Member>| !tried.iter().any(|it| Rc::ptr_eq(it, member));
        let mut eligible = newest.members.iter().filter(|it| it.live.is_eligible()).peekable();
        let is_absent = eligible.peek().is_none();
        if eligible.any(is_new) {
            return Ok(newest);
        }
        let is_seen = !is_absent && worker.wheel.now() > seen_by;
        if is_seen || !worker.may_come(&newest) {
            return Err(Fault::NoInstance);
        }
    }
    shard.queue_timeouts.add(1);
    // Nobody was busy: there was nobody.
    Err(Fault::NoInstance)
}

/// Sends the request to one instance after another until one has answered, or none may be asked.
/// Where Plimsoll runs the instances and none is up, as between two releases that may not run beside
/// each other, the request waits for one.
async fn forward<C: Client>(
    entrance: Entrance<'_>,
    client: &mut C,
    request: &Request<'_>,
    framing: Framing,
    route: &Route,
    service: &Rc<LocalService>,
    story: &mut Story<'_>,
) -> Result<(), Fault> {
    let Entrance { worker, listener, peer, own_lines, alarm, account } = entrance;
    let head = request.head;
    let allowed = route.policies.body.unwrap_or(listener.listener.limits.body);
    if matches!(framing, Framing::Length(length) if !allowed.allows(length)) {
        return Err(Fault::BodyTooLarge);
    }
    let request_id = story.request_id;
    let outbound = Outbound {
        head,
        cut: cut_of(route, head)?,
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
    if service.service.protocol == UpstreamProtocol::H2 && !outbound.fits_h2() {
        return Err(Fault::TargetTooLong);
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
            Err(Fault::NoInstance) if worker.may_come(service) => {
                let now = worker.wheel.now();
                let until = *deadline.get_or_insert(now + service.service.queue.timeout);
                // What is rare is on the heap.
                let wait = Box::pin(wait_for_instance(worker, service, &tried, until, gone));
                newest = match wait.await {
                    Ok(newest) => newest,
                    Err(Fault::ClientGone) => return Err(Fault::ClientGone),
                    Err(fault) => return Err(last.unwrap_or(fault)),
                };
                asked = &newest;
                story.service = Some(newest.clone());
                story.waited(worker)?;
                continue;
            }
            Err(Fault::NoInstance) => return Err(last.unwrap_or(Fault::NoInstance)),
            Err(fault) => return Err(fault),
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
        let mut outcome = attempt.run(client, &mut upload, story).await;
        let follows = match &mut outcome {
            Ok(()) => false,
            Err(failed) => {
                let follows = retries.follow(failed, &claim.member, &upload);
                // That a kept connection was closed is nobody's fault, unless the client feels it.
                failed.blames_instance |= failed.was_stale && !follows;
                follows
            }
        };
        story.attempt_ended(worker, outcome.as_ref().err());
        let Err(failed) = outcome else { return Ok(()) };
        if !follows {
            return Err(failed.fault);
        }
        story.is_still_wanted(worker)?;
        last = Some(failed.fault);
        newest = worker.newest(service);
        asked = &newest;
    }
}
