//! Watches that a request gets on until its response begins: who is waited for, for how long, and whose
//! fault it is when that is too long.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use model::RetryCondition;
use telemetry::Ending;
use wire::h1::Framing;
use wire::head::ResponseHead;

use crate::client::{Client, StatusLine};
use crate::upstream::attempt::Attempt;
use crate::upstream::failed::{Failed, Reached, client_gone};
use crate::upstream::relay::{Party, Upload};
use crate::worker::crawl::Crawl;

/// How long an instance may keep silent on `Expect: 100-continue` before the client is told to go
/// on in its place; as long as clients themselves wait.
const CONTINUE_AFTER: Duration = Duration::from_secs(1);

/// Watches that a request gets on, until its response begins.
pub(crate) struct Pace {
    /// What is waited for; a change sets the timer anew.
    waits: Option<Waits>,
    moved: u64,
    /// The body has crawled.
    crawl: Option<Crawl>,
    /// The timer that runs is that of a stream which may be silent for long.
    is_patient: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    Body(Party),
    Continue,
    Response,
}

impl Pace {
    pub(crate) fn new(upload: &Upload) -> Self {
        Self { waits: None, moved: upload.moved(), crawl: None, is_patient: false }
    }

    /// Ready when someone has been waited for too long.
    pub(crate) fn poll<C: Client>(
        &mut self,
        cx: &mut Context<'_>,
        attempt: &Attempt<'_>,
        client: &mut C,
        upload: &mut Upload,
    ) -> Poll<Result<ResponseHead, Failed>> {
        let waits = if upload.is_held() {
            Waits::Continue
        } else if upload.is_resting() {
            Waits::Response
        } else {
            Waits::Body(upload.waits_for())
        };
        let has_moved = upload.moved() - self.moved >= attempt.client_timeouts.body_progress;
        if self.waits != Some(waits) || has_moved {
            // Turns between the two sides of a body are no progress by themselves.
            let turned =
                matches!((self.waits, waits), (Some(Waits::Body(_)), Waits::Body(Party::Client)));
            self.waits = Some(waits);
            if !turned || has_moved {
                (self.moved, self.is_patient) = (upload.moved(), false);
                attempt.wait(match waits {
                    Waits::Continue => CONTINUE_AFTER,
                    Waits::Response => attempt.timeouts.first_byte,
                    Waits::Body(Party::Client) => attempt.client_timeouts.body_idle,
                    Waits::Body(Party::Instance) => attempt.timeouts.idle,
                });
            }
        }
        ready!(attempt.timer.poll(cx));
        if attempt.is_over_for_client() {
            return Poll::Ready(Err(Failed::by_client(Ending::ClientDeadline, Reached::Sent)));
        }
        if waits == Waits::Body(Party::Client) && self.crawls(attempt, upload) {
            self.is_patient = true;
            attempt.wait(attempt.silence(upload, attempt.client_timeouts.body_idle));
            ready!(attempt.timer.poll(cx));
        }
        let timeout = RetryCondition::Timeout;
        Poll::Ready(Err(match waits {
            Waits::Continue => return self.go_on(cx, attempt, client, upload),
            Waits::Response | Waits::Body(Party::Instance) => {
                Failed::by_instance(Ending::UpstreamTimeout, Reached::Sent, timeout)
            }
            Waits::Body(Party::Client) => Failed::by_client(Ending::BodyTimeout, Reached::Sent),
        }))
    }

    /// Whether the body may go on though too little of it has come to be progress by itself. In the stream
    /// of a gRPC call nothing need come at all, for a longer while.
    fn crawls(&mut self, attempt: &Attempt<'_>, upload: &Upload) -> bool {
        let is_silent = upload.moved() == self.moved;
        let may_be_silent = !self.is_patient && attempt.may_be_silent(upload);
        if attempt.framing != Framing::Chunked || is_silent && !may_be_silent {
            return false;
        }
        self.moved = upload.moved();
        let now = attempt.worker.wheel.now();
        if self.crawl.is_none() {
            self.crawl = attempt.worker.crawlers.enter(now);
        }
        self.crawl.as_ref().is_some_and(|crawl| crawl.may_last(now))
    }

    /// The instance keeps silent: the client is told to send its body all the same.
    fn go_on<C: Client>(
        &mut self,
        cx: &mut Context<'_>,
        attempt: &Attempt<'_>,
        client: &mut C,
        upload: &mut Upload,
    ) -> Poll<Result<ResponseHead, Failed>> {
        upload.release();
        attempt.timer.clear();
        self.waits = None;
        let told = client.inform(StatusLine::standard(100), |_| {});
        if let Err(error) = told {
            return Poll::Ready(Err(client_gone(error)));
        }
        // Looks again at once, now that the body may move.
        cx.waker().wake_by_ref();
        match client.poll_flush(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(client_gone(error))),
            _ => Poll::Pending,
        }
    }
}
