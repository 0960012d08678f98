//! The wait for a proof of who asks: what is asked of somebody else, or read of the request's body, before a request comes to its action.
//!
//! It holds up nothing but its own request. It ends with the answer, when its time is over, or when the client has gone; one that only
//! half-closed its connection has not. What is asked is the policy's (`policy::auth`).

use std::rc::Rc;
use std::task::Poll;

use model::BodyLimit;
use telemetry::Ending;

use crate::client::Client;
use crate::exchange::record::ExchangeRecord;
use crate::peer::Approach;
use crate::policy::auth::inquiry::{Heard, Incoming, Inquiry};
use crate::policy::auth::signed::Signable;
use crate::policy::auth::{Progress, Refused};
use crate::policy::{self, Carried, Passage, PolicyPlan};
use crate::routing::Request;
use crate::serve::holding::hold;
use crate::upstream::entrance::Entrance;
use crate::upstream::held::RequestBody;

/// A request whose sender is to be proven.
pub(super) struct Proving<'a> {
    /// The policies of its route, which ask for it.
    pub(super) plan: Option<&'a PolicyPlan>,
    pub(super) context: policy::Context<'a>,
    pub(super) entrance: Entrance<'a>,
    pub(super) request: &'a Request<'a>,
    /// How large its body may be.
    pub(super) allowed: BodyLimit,
}

impl<'a> Proving<'a> {
    /// Asks until it is known who asks, and goes on with the route's policies from there. What they find out is in `record`, which has
    /// what they found out before, and nobody else. What had to be seen of the body is held in `body`.
    ///
    /// # Errors
    /// Where nobody waits for a response any more, or has waited for too long.
    pub(super) async fn run<C: Client>(
        mut self,
        client: &mut C,
        body: &mut RequestBody,
        record: &mut ExchangeRecord<'_>,
    ) -> Result<Result<Passage, Ending>, Ending> {
        let mut carried = record.carried.take().and_then(Rc::into_inner).unwrap_or_default();
        let passage = self.ask(client, body, record, &mut carried).await;
        record.carried = Some(Rc::new(carried));
        passage
    }

    async fn ask<C: Client>(
        &mut self,
        client: &mut C,
        body: &mut RequestBody,
        record: &mut ExchangeRecord<'_>,
        carried: &mut Carried,
    ) -> Result<Result<Passage, Ending>, Ending> {
        let asking = self.plan.and_then(|plan| Some((plan, policy::asking(plan)?)));
        // Nothing that is not proven passes.
        let Some((plan, mut asking)) = asking else { return Ok(Err(Ending::AuthUnready)) };
        let signable = self.signable(body, record);
        let answered = loop {
            let inquiry = match asking.go_on(signable, self.context.auth) {
                Progress::Answered(answered) => break answered,
                Progress::Wait(inquiry) => Ok(inquiry),
                Progress::Body(sealed) => {
                    let Self { entrance, request, allowed, .. } = *self;
                    let held = hold(body, entrance, client, request.head, allowed, record).await?;
                    // What was in time when it began to come need not be any more.
                    self.context.auth.now = entrance.worker.calendar.now();
                    let open = |bytes| asking.open(sealed, signable, bytes, self.context.auth);
                    held.ok_or(Refused::TooLarge).and_then(open)
                }
            };
            let heard = match inquiry {
                Ok(inquiry) => hear(self.entrance, client, inquiry, record).await?,
                Err(refused) => Heard::Found(Err(refused)),
            };
            if let Some(answered) = asking.hear(heard) {
                break answered;
            }
        };
        Ok(policy::proven(plan, self.request, answered, self.context, carried))
    }

    fn signable(&self, body: &RequestBody, record: &ExchangeRecord<'_>) -> Signable<'a> {
        let Self { entrance, request, .. } = *self;
        let approach = Approach {
            peer: entrance.peer,
            sender: record.sender,
            fields: &request.head.fields,
            trusted_proxies: &entrance.listener.listener.trusted_proxies,
        };
        Signable { incoming: Incoming { request, approach }, framing: body.framing }
    }
}

/// Waits for what comes of `inquiry`.
async fn hear<C: Client>(
    entrance: Entrance<'_>,
    client: &mut C,
    mut inquiry: Inquiry,
    record: &mut ExchangeRecord<'_>,
) -> Result<Heard, Ending> {
    let worker = entrance.worker;
    let within = match record.call {
        Some(call) => inquiry.within.min(call.left(worker.wheel.now())),
        None => inquiry.within,
    };
    let heard = entrance.timer.within(within, |cx| {
        if let Poll::Ready(heard) = inquiry.poll(cx) {
            return Poll::Ready(Ok(heard));
        }
        client.poll_gone(cx).map(|()| Err(Ending::ClientClosed))
    });
    let heard = heard.await;
    // No instance has had it so far.
    record.waited(worker)?;
    heard.unwrap_or(Ok(Heard::Found(Err(Refused::Busy))))
}
