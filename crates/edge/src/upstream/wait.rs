//! Waits for an instance where a service has none.

use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use telemetry::Ending;

use crate::choice::Tried;
use crate::instance::WorkerInstance;
use crate::snapshot::WorkerService;
use crate::wheel::TICK;
use crate::worker::Worker;

/// How long it may take on a busy machine until an instance that ended is served no more.
const LOSS_SEEN_WITHIN: Duration = Duration::from_millis(500);

/// Waits until the service has an instance that may serve and was not `tried`: until `deadline` while
/// it has none at all, and otherwise until it would be known that those who were tried are gone.
pub(crate) async fn wait_for_instance(
    worker: &Rc<Worker>,
    service: &Rc<WorkerService>,
    tried: &Tried,
    deadline: Duration,
    mut gone: impl FnMut(&mut Context<'_>) -> Poll<()>,
) -> Result<Rc<WorkerService>, Ending> {
    let shard = service.live.shard(worker.index);
    let Some(_ticket) = service.live.absence.join(service.service.queue.length) else {
        shard.queue_full.add(1);
        return Err(Ending::NoInstance);
    };
    let timer = worker.wheel.timer();
    let seen_by = worker.wheel.now() + LOSS_SEEN_WITHIN;
    while worker.wheel.now() < deadline {
        // One comes with what is published next, or because its checks pass again.
        let mut news = std::pin::pin!(worker.news.notified());
        let left = timer.within(TICK, |cx| match gone(cx) {
            Poll::Ready(()) => Poll::Ready(true),
            Poll::Pending => news.as_mut().poll(cx).map(|()| false),
        });
        if left.await == Some(true) {
            return Err(Ending::ClientClosed);
        }
        let newest = worker.newest(service);
        let is_new = |member: &Rc<WorkerInstance>| !tried.iter().any(|it| Rc::ptr_eq(it, member));
        let mut eligible = newest.members.iter().filter(|it| it.live.is_eligible()).peekable();
        let is_absent = eligible.peek().is_none();
        if eligible.any(is_new) {
            return Ok(newest);
        }
        let is_seen = !is_absent && worker.wheel.now() > seen_by;
        if is_seen || !worker.may_come(&newest) {
            return Err(Ending::NoInstance);
        }
    }
    shard.queue_timeouts.add(1);
    // Nobody was busy: there was nobody.
    Err(Ending::NoInstance)
}
