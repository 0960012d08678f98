//! Waits for an instance's response: sends the request's body meanwhile, passes on heads of 1xx, and watches whether
//! the client is still there. What has come of the response when its head does is passed on in the same poll.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use model::RetryCondition;
use telemetry::{Blame, Ending};
use wire::body::Error;
use wire::h1::conn;
use wire::head::{ResponseHead, list};
use wire::name::Name;

use crate::client::Client;
use crate::exchange::reading;
use crate::instance::long_lived::LongLived;
use crate::instance::tls::late_refusal;
use crate::live::Bar;
use crate::response;
use crate::upstream::attempt::Attempt;
use crate::upstream::downstream::Downstream;
use crate::upstream::failed::{Failed, Reached, client_gone, unprocessed};
use crate::upstream::pace::Pace;
use crate::upstream::passing::{Begun, Incoming, Passing};
use crate::upstream::relay::{Broken, Party, Upload};
use crate::upstream::{INFORMATIONAL_MAX, Upstream};
use crate::wheel::Timer;

/// How long an exchange may go on whose client sends no more, whose instance is to go and has not
/// said anything: as long as a client may be silent that is lingered for (`connection::linger`).
const LEFT_BEHIND: Duration = Duration::from_secs(5);
/// How often it is looked whether its instance is to go.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A response that has not begun.
pub(super) struct Awaited {
    /// The request, while it may last.
    uploading: Option<LongLived>,
    pace: Pace,
    /// The client sends no more.
    left: Option<Box<LeftBehind>>,
    /// Heads of 1xx that came.
    informed: usize,
}

/// What becomes of a response.
pub(super) enum Came {
    /// It was passed on, whole; for so long its connection may be kept, if it may be.
    Whole(Option<Duration>),
    /// It was begun, and more is to be waited for.
    Begun(Box<Begun>),
    /// Its connection has changed its protocol.
    Switched(Box<ResponseHead>),
    /// Another instance is asked first.
    Withheld(Box<ResponseHead>),
}

impl Awaited {
    /// Nothing has come. `uploading` is the request, if it may last.
    pub(super) fn new(upload: &Upload, uploading: Option<LongLived>) -> Self {
        Self { uploading, pace: Pace::new(upload), left: None, informed: 0 }
    }

    /// Waits for the response, and passes on what there is of it.
    pub(super) fn poll<C: Client>(
        &mut self,
        cx: &mut Context<'_>,
        attempt: &Attempt<'_>,
        upstream: &mut Upstream,
        down: &mut Downstream<'_, '_, C>,
    ) -> Poll<Result<Came, Failed>> {
        let head = match ready!(self.poll_final_head(cx, attempt, upstream, down)) {
            Ok(head) => head,
            Err(failed) => {
                upstream.cancel();
                if failed.ending == Ending::ClientDeadline
                    && let Some(waited) = down.record.leave(attempt.worker)
                {
                    attempt.observe_latency(waited);
                }
                return Poll::Ready(Err(failed));
            }
        };
        let latency = down.record.heard();
        if !down.record.is_left() {
            attempt.observe_latency(latency);
        }
        if head.status() == 101 {
            return Poll::Ready(Ok(Came::Switched(Box::new(head))));
        }
        if attempt.retries.withhold(head.status(), attempt.claim, &down.upload) {
            return Poll::Ready(Ok(Came::Withheld(Box::new(head))));
        }
        let incoming = &mut Incoming { upstream, head: &head };
        let mut passing = Passing::begin(attempt, incoming, self.uploading.take(), down)?;
        Poll::Ready(match passing.poll(cx, attempt, incoming, down) {
            Poll::Ready(passed) => passing.end(attempt, incoming, passed, down).map(Came::Whole),
            Poll::Pending => Ok(Came::Begun(Box::new(Begun { passing, head }))),
        })
    }

    /// Sends the body and waits for the head that ends the wait, passing on those of 1xx.
    fn poll_final_head<C: Client>(
        &mut self,
        cx: &mut Context<'_>,
        attempt: &Attempt<'_>,
        upstream: &mut Upstream,
        down: &mut Downstream<'_, '_, C>,
    ) -> Poll<Result<ResponseHead, Failed>> {
        loop {
            let head = ready!(self.poll_next_head(cx, attempt, upstream, down));
            attempt.timer.clear();
            let head = head?;
            if head.status() >= 200 {
                down.record.status = Some(head.status());
                return Poll::Ready(Ok(head));
            }
            if head.status() == 101 && is_asked_for(attempt.request.upgrade.as_deref(), &head) {
                return Poll::Ready(Ok(head));
            }
            self.informed += 1;
            if head.status() == 101 || self.informed > INFORMATIONAL_MAX {
                let (ending, reset) = (Ending::UpstreamProtocol, RetryCondition::Reset);
                return Poll::Ready(Err(Failed::by_instance(ending, Reached::Sent, reset)));
            }
            // The client did not ask for a 100, or was told already, where none is waited for.
            let is_told = head.status() != 100 || down.upload.is_held();
            if head.status() == 100 {
                down.upload.release();
            }
            if is_told {
                let edits = attempt.response_edits();
                response::inform(down.client, &head, edits).map_err(client_gone)?;
            }
            if let Poll::Ready(Err(error)) = down.client.poll_flush(cx) {
                return Poll::Ready(Err(client_gone(error)));
            }
            self.pace = Pace::new(&down.upload);
            self.left = None;
        }
    }

    fn poll_next_head<C: Client>(
        &mut self,
        cx: &mut Context<'_>,
        attempt: &Attempt<'_>,
        upstream: &mut Upstream,
        down: &mut Downstream<'_, '_, C>,
    ) -> Poll<Result<ResponseHead, Failed>> {
        let Downstream { client, upload, record } = down;
        if !upload.is_sent()
            && let Poll::Ready(Err(broken)) =
                upload.poll(cx, &mut attempt.body_of(*client), upstream)
            && let Some(failed) = judge_upload(broken)
        {
            return Poll::Ready(Err(failed));
        }
        match upstream.poll_head(cx) {
            Poll::Ready(Ok(Some(head))) => return Poll::Ready(Ok(head)),
            Poll::Ready(Ok(None)) => {
                return Poll::Ready(Err(silent(upstream, Ending::UpstreamReset)));
            }
            Poll::Ready(Err(error)) if error.is_unprocessed() => {
                return Poll::Ready(Err(unprocessed()));
            }
            Poll::Ready(Err(error)) => {
                if let Some(failed) = turned_away(attempt, upstream, &error) {
                    return Poll::Ready(Err(failed));
                }
                return Poll::Ready(Err(silent(upstream, reading::response_failed(&error))));
            }
            Poll::Pending => {}
        }
        if upload.is_sent()
            && let Poll::Ready(ended) = client.poll_ended(cx)
        {
            if let Some(waited) = record.leave(attempt.worker) {
                // It took at least so long: were that not counted, an instance that hangs would
                // look the better, the sooner clients lose patience with it.
                attempt.observe_latency(waited);
            }
            let is_over =
                ended == conn::Ended::Broken || self.poll_left_behind(cx, attempt).is_ready();
            if is_over {
                let gone = Failed::by_client(Ending::ClientClosed, Reached::Sent);
                return Poll::Ready(Err(gone));
            }
        }
        self.pace.poll(cx, attempt, *client, upload)
    }

    /// Ready when the client, which sends no more, has waited long enough for an instance that is to go.
    fn poll_left_behind(&mut self, cx: &mut Context<'_>, attempt: &Attempt<'_>) -> Poll<()> {
        // What is rare is on the heap.
        let left = self.left.get_or_insert_with(|| {
            let timer = attempt.worker.wheel.timer();
            timer.set(LOOK_EVERY);
            Box::new(LeftBehind { timer, since: None })
        });
        loop {
            ready!(left.timer.poll(cx));
            let now = attempt.worker.wheel.now();
            // It may be told to stay after all.
            let is_leaving = attempt.claim.member.live.has(Bar::Drained);
            left.since = left.since.or(Some(now)).filter(|_| is_leaving);
            if left.since.is_some_and(|since| now - since >= LEFT_BEHIND) {
                return Poll::Ready(());
            }
            left.timer.set(LOOK_EVERY);
        }
    }
}

/// What a body that broke means; `None` where the instance's response will tell.
fn judge_upload(broken: Broken) -> Option<Failed> {
    match broken {
        Broken::TooLarge => Some(Failed::by_client(Ending::BodyTooLarge, Reached::Sent)),
        Broken::By(Party::Client, error) => {
            Some(Failed::by_client(reading::request_failed(&error), Reached::Sent))
        }
        Broken::By(Party::Instance, _) => None,
    }
}

/// The instance does not accept our certificate: with TLS 1.3 that is heard only after the request was sent, which it did not read.
#[cold]
fn turned_away(attempt: &Attempt<'_>, upstream: &Upstream, error: &Error) -> Option<Failed> {
    let Error::Io(error) = error else { return None };
    let fault = late_refusal(error).filter(|_| !upstream.is_reused())?;
    attempt.tell_handshake(&fault);
    let (ending, condition) = (Ending::UpstreamTls, RetryCondition::Connect);
    Some(Failed::by_instance(ending, Reached::Nothing, condition))
}

/// The connection ended, spoke nonsense, or could not be read, before there was a response.
fn silent(upstream: &Upstream, ending: Ending) -> Failed {
    let was_stale = upstream.is_reused() && ending == Ending::UpstreamReset;
    let condition = (ending.blame() == Blame::Instance).then_some(RetryCondition::Reset);
    Failed { ending, reached: Reached::Sent, condition, was_stale }
}

/// A client that sends no more, watched until its response begins.
struct LeftBehind {
    timer: Timer,
    /// When it was first seen to wait for an instance that is to go, by the worker's wheel.
    since: Option<Duration>,
}

/// Whether `101` switches to what the client asked for, and says so (RFC 9110 §7.8, §15.2.2).
fn is_asked_for(asked: Option<&[u8]>, head: &ResponseHead) -> bool {
    let agreed = || head.fields.all(Name::Upgrade).flat_map(list);
    let is_among =
        |one: &[u8]| asked.into_iter().flat_map(list).any(|other| other.eq_ignore_ascii_case(one));
    agreed().next().is_some() && agreed().all(is_among)
}
