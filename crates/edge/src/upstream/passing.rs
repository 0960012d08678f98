//! Passes an instance's response on to the client, to its end, and keeps the connection if it can serve again.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use model::ExchangeKind;
use model::RetryCondition;
use telemetry::Ending;
use wire::h1::Framing;
use wire::head::{Fields, Method, ResponseHead};
use wire::name::Name;

use crate::client::Client;
use crate::grpc::web::Frames;
use crate::instance::long_lived::LongLived;
use crate::response::{self, Head};
use crate::upstream::Upstream;
use crate::upstream::attempt::Attempt;
use crate::upstream::downstream::Downstream;
use crate::upstream::failed::{Failed, Reached, broken_off, client_gone, cut};
use crate::upstream::keep_alive::idle_for;
use crate::upstream::patience::Patience;
use crate::upstream::relay::{Broken, BrokenAt, Download, Party, Upload};
use crate::upstream::trailing::Trailing;

/// A response of which more is to be waited for.
pub(super) struct Begun {
    pub(super) passing: Passing,
    pub(super) head: ResponseHead,
}

/// A response, as its attempt has it: its connection and its head.
pub(super) struct Incoming<'a> {
    pub(super) upstream: &'a mut Upstream,
    pub(super) head: &'a ResponseHead,
}

/// How far a response has come that has begun.
pub(super) struct Passing {
    /// How long its connection may be kept, if it may be.
    kept_for: Option<Duration>,
    download: Download,
    /// There while it may last: a stream of events, or what is left of an upload.
    lasting: Option<LongLived>,
    patience: Patience,
    /// It was called to leave, for the instance drains.
    is_called: bool,
}

impl Passing {
    /// Begins the response that `incoming` is. `uploading` is the request, while it may last.
    pub(super) fn begin<C: Client>(
        attempt: &Attempt<'_>,
        incoming: &mut Incoming<'_>,
        uploading: Option<LongLived>,
        down: &mut Downstream<'_, '_, C>,
    ) -> Result<Self, Failed> {
        let Incoming { upstream, head } = incoming;
        let Downstream { client, upload, record } = down;
        let method = attempt.request.head.method();
        let nonsense =
            |_| Failed::by_instance(Ending::UpstreamProtocol, Reached::Sent, RetryCondition::Reset);
        let framing = upstream.expect_body(method, head).map_err(nonsense)?;
        let is_kept =
            head.keeps_alive() && framing != Framing::Close && !is_framed_twice(&head.fields);
        let keep_alive = &attempt.claim.service.service.keep_alive;
        let kept_for = is_kept.then(|| idle_for(keep_alive, &head.fields)).flatten();
        if upload.is_held() {
            upload.decline();
            // Whether the client sends its body all the same, only it knows.
            client.end_after_response();
        }
        attempt.charge_told(head);
        // Before the client can know of it.
        attempt.ban_token(head);
        let passed = attempt.passed(head);
        response::begin(*client, Head::Instance(&passed), framing, &attempt.applied())
            .map_err(client_gone)?;
        record.response_begins();
        let lasting = match is_event_stream(method, head, framing) {
            true => Some(attempt.lasts(ExchangeKind::Stream)),
            false => uploading,
        };
        let download = match attempt.call.and_then(|_| Frames::of(head)) {
            Some(frames) => Download::of_call(frames),
            None if lasting.as_ref().is_some_and(is_stream) => Download::of_events(),
            None => Download::from(Party::Instance, Some(&attempt.worker.pool)),
        };
        let (patience, is_called) = (Patience::default(), false);
        Ok(Self { kept_for, download, lasting, patience, is_called })
    }

    /// Moves its body, and what is left of the request's. A stream of events ends when it is called to
    /// leave; an upload is one until it was sent.
    pub(super) fn poll<C: Client>(
        &mut self,
        cx: &mut Context<'_>,
        attempt: &Attempt<'_>,
        incoming: &mut Incoming<'_>,
        down: &mut Downstream<'_, '_, C>,
    ) -> Poll<Result<(), Failed>> {
        let Incoming { upstream, head } = incoming;
        let Downstream { client, upload, .. } = down;
        let Self { download, lasting, patience, is_called, .. } = self;
        // A client whose body is broken may still want its response. One that sends too much gets no
        // more of it: the instance would wait for the rest.
        if !upload.is_sent() {
            let uploaded = upload.poll(cx, &mut attempt.body_of(*client), *upstream);
            if matches!(uploaded, Poll::Ready(Err(Broken::TooLarge))) {
                return Poll::Ready(Err(cut(Party::Client, Ending::BodyTooLarge)));
            }
        }
        match &lasting {
            Some(it) if !is_stream(it) && upload.is_sent() => {
                *lasting = None;
                // From now on the instance alone has something to say.
                *patience = Patience::default();
            }
            Some(it) if is_stream(it) && it.poll_called(cx).is_ready() => {
                *is_called = true;
                download.end_after_event();
            }
            _ => {}
        }
        let edits = attempt.response_edits();
        let mut body = Trailing { body: &mut **upstream, head: &head.fields, edits, phase: None };
        match download.poll(cx, &mut body, *client) {
            Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
            Poll::Ready(Err(BrokenAt { party, .. })) => {
                return Poll::Ready(Err(cut(party, broken_off(party))));
            }
            Poll::Pending => {}
        }
        if upload.is_sent() && client.poll_gone(cx).is_ready() {
            return Poll::Ready(Err(cut(Party::Client, Ending::ClientClosed)));
        }
        self.poll_patience(cx, attempt, upload)
    }

    /// Ready when one side has been waited for too long.
    fn poll_patience(
        &mut self,
        cx: &mut Context<'_>,
        attempt: &Attempt<'_>,
        upload: &Upload,
    ) -> Poll<Result<(), Failed>> {
        let waits_for = self.download.waits_for();
        if self.patience.begins_anew(waits_for, self.download.moved(), upload.moved()) {
            attempt.timer.set(match waits_for {
                Party::Client => attempt.client_timeouts.write_idle,
                Party::Instance => attempt.silence(upload, attempt.timeouts.idle),
            });
        }
        ready!(attempt.timer.poll(cx));
        Poll::Ready(Err(match waits_for {
            Party::Client => cut(Party::Client, Ending::WriteTimeout),
            // The instance may have waited for its client as well.
            Party::Instance if attempt.may_be_silent(upload) => {
                cut(Party::Client, Ending::BodyTimeout)
            }
            Party::Instance => cut(Party::Instance, Ending::UpstreamTruncated),
        }))
    }

    /// It was passed on, as far as it came. Says how long its connection may be kept, if it may be.
    #[inline]
    pub(super) fn end<C>(
        &mut self,
        attempt: &Attempt<'_>,
        incoming: &mut Incoming<'_>,
        passed: Result<(), Failed>,
        down: &mut Downstream<'_, '_, C>,
    ) -> Result<Option<Duration>, Failed> {
        let Incoming { upstream, head } = incoming;
        attempt.timer.clear();
        attempt.count_bytes(upstream);
        if let Err(failed) = passed {
            upstream.cancel();
            return Err(failed);
        }
        if self.is_called {
            upstream.cancel();
            down.record.drain_closed();
            return Ok(None);
        }
        if attempt.call.is_some() {
            down.record.call_ends(head, &self.download.take_end());
        }
        Ok(self.kept_for.filter(|_| down.upload.is_sent()))
    }
}

fn is_stream(lasting: &LongLived) -> bool {
    lasting.kind() == ExchangeKind::Stream
}

/// Whether a response says in two ways how long it is. The coding is believed (RFC 9112 §6.3), but
/// what follows it on the connection is not.
fn is_framed_twice(fields: &Fields) -> bool {
    fields.has(Name::ContentLength) && fields.has(Name::TransferEncoding)
}

/// Whether a response is one of server-sent events that its client asks for again when it ends, as
/// an `EventSource` does: by GET. In one that is compressed we cannot see where events end.
fn is_event_stream(method: Method, head: &ResponseHead, framing: Framing) -> bool {
    const TYPE: &[u8] = b"text/event-stream";
    let value = |name: &'static [u8]| head.fields.named(name).next();
    let is_type =
        |media: &[u8]| media.len() >= TYPE.len() && media[..TYPE.len()].eq_ignore_ascii_case(TYPE);
    method == Method::Get
        && matches!(framing, Framing::Chunked | Framing::Close)
        && value(b"content-type").is_some_and(is_type)
        && value(b"content-encoding").is_none_or(|it| it.eq_ignore_ascii_case(b"identity"))
}
