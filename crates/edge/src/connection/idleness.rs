//! How long a connection that has nothing to do is kept by its task: for its idle time, or until its
//! place is wanted by another.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::wheel::Timer;
use crate::worker::context::ConnectionContext;
use crate::worker::idlers::Idling;
use crate::worker::parking::PARK_AFTER;

/// One wait of an idle connection. The timer is that of the connection.
pub(super) struct Idleness {
    /// What is left after a while, once it is idle for so long that it may have to make room.
    rest: Option<Duration>,
    idling: Option<Idling>,
}

impl Idleness {
    /// It is idle from now on, for `idle` at the most.
    pub(super) fn begin(timer: &Timer, idle: Duration) -> Self {
        timer.set(idle.min(PARK_AFTER));
        Self { rest: Some(idle.saturating_sub(PARK_AFTER)), idling: None }
    }

    /// Ready when it has been idle for long enough, or has to make room.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        context: &ConnectionContext,
        timer: &Timer,
    ) -> Poll<()> {
        loop {
            if self.idling.as_ref().is_some_and(|idling| idling.poll_called().is_ready()) {
                return Poll::Ready(());
            }
            ready!(timer.poll(cx));
            match self.rest.take() {
                Some(rest) if rest > Duration::ZERO => {
                    let (worker, plan) = (&context.worker, context.plan());
                    self.idling = Some(Idling::begin(&worker.idlers, &plan.live, cx));
                    timer.set(rest);
                }
                _ => return Poll::Ready(()),
            }
        }
    }

    /// It is idle no more.
    pub(super) fn end(&mut self) {
        self.idling = None;
    }
}
