//! Moves bodies between a client and an instance, piece by piece, without a task or a channel of
//! its own: nothing is read that cannot be written on, so that each side feels the other's pace.

use std::task::{Context, Poll, ready};

use model::BodyLimit;
use wire::account::{Account, Charge};
use wire::body::{Error, Sink, Source};
use wire::buffer::Pool;
use wire::h1::Framing;
use wire::h1::conn::splice::Pipe;
use wire::head::Fields;

use crate::grpc::Ended;
use crate::grpc::web::Frames;
use crate::upstream::events::Events;
use crate::upstream::held::Held;

/// What is kept of a request's body at the most, so that it can be sent a second time.
pub(crate) const REPLAY_BYTES_MAX: usize = 64 * 1024;

/// The side that a relay waits for, or that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Party {
    Client,
    Instance,
}

/// The side that failed, and how.
#[derive(Debug)]
pub(crate) struct BrokenAt {
    pub(crate) party: Party,
    pub(crate) error: Error,
}

/// Why a body did not get across.
#[derive(Debug)]
pub(crate) enum Broken {
    /// This side failed.
    By(Party, Error),
    /// The body is over its limit.
    TooLarge,
}

/// One end of what is moved.
struct End<'a, B> {
    party: Party,
    body: &'a mut B,
}

/// What of a body goes from socket to socket without being copied.
struct Splice {
    /// Where pipes are kept; none when there is none to be had.
    pool: Option<Pool>,
    pipe: Option<Pipe>,
}

impl Splice {
    fn new(pool: Option<&Pool>) -> Self {
        Self { pool: pool.cloned(), pipe: None }
    }

    /// Moves some of the body if it can go this way. Ready with nothing when it cannot, or no
    /// more; `waits_for` says for which of the two sides it waits.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: End<'_, impl Source>,
        to: End<'_, impl Sink>,
        waits_for: &mut Party,
    ) -> Poll<Result<usize, BrokenAt>> {
        let by = |party: Party| move |error| BrokenAt { party, error };
        let (source, sink) = (from.body.source_conn(), to.body.sink_conn());
        let (Some(source), Some(sink)) = (source, sink) else {
            return Poll::Ready(Ok(0));
        };
        if self.pipe.as_ref().is_none_or(Pipe::is_empty) {
            if self.pool.is_none() || !source.can_splice(sink) {
                self.end();
                return Poll::Ready(Ok(0));
            }
            let Some(pipe) = self.pipe() else { return Poll::Ready(Ok(0)) };
            // What was taken before must not wait for what may be long in coming.
            *waits_for = to.party;
            ready!(sink.poll_flush(cx)).map_err(by(to.party))?;
            *waits_for = from.party;
            ready!(source.poll_splice_in(cx, pipe)).map_err(by(from.party))?;
        }
        match &mut self.pipe {
            Some(pipe) if !pipe.is_empty() => {
                *waits_for = to.party;
                sink.poll_splice_out(cx, pipe).map_err(by(to.party))
            }
            _ => Poll::Ready(Ok(0)),
        }
    }

    fn pipe(&mut self) -> Option<&mut Pipe> {
        if self.pipe.is_none() {
            self.pipe = self.pool.as_ref().and_then(|pool| Pipe::take(pool).ok());
            if self.pipe.is_none() {
                self.pool = None;
            }
        }
        self.pipe.as_mut()
    }

    fn end(&mut self) {
        self.pipe.take().into_iter().for_each(Pipe::give_back);
    }
}

/// How far a request's body got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The client waits to be told to go on.
    Held,
    /// It is being read and sent.
    Moving,
    /// It was read whole, and its end is being sent.
    Ending,
    /// It was sent.
    Sent,
    /// The instance does not take it; perhaps it has answered already.
    Refused,
}

/// A request's body on its way from the client to one instance after another.
pub(crate) struct Upload {
    stage: Stage,
    /// What was read so far, while it can be kept.
    replay: Option<Vec<u8>>,
    /// How much of `replay` was sent in this attempt.
    replayed: usize,
    /// Whether all of the body is in `replay`.
    is_whole: bool,
    allowed: BodyLimit,
    moved: u64,
    waits_for: Party,
    trailers: Option<Fields>,
    splice: Splice,
    /// What `replay` holds.
    held: Charge,
}

/// Whether what was read of a body is kept, so that another attempt can send it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replay {
    Kept,
    /// It is sent once.
    Dropped,
}

/// When a body begins to move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    AtOnce,
    /// It is held back until the client is told to go on.
    Held,
}

impl Upload {
    /// A body of which nothing was read, if there is one. It is kept as long as there is room in `account`, and
    /// may be as long as `allowed`.
    pub(crate) fn new(
        replay: Replay,
        framing: Framing,
        allowed: BodyLimit,
        pool: &Pool,
        account: &Account,
    ) -> Self {
        Self {
            stage: Stage::Moving,
            replay: (replay == Replay::Kept).then(Vec::new),
            replayed: 0,
            // Of what there is not, nothing has to be read.
            is_whole: framing == Framing::None,
            allowed,
            moved: 0,
            waits_for: Party::Client,
            trailers: None,
            splice: Splice::new(Some(pool)),
            held: account.hold(0),
        }
    }

    /// Goes on with what is held of the body already, none of which was sent: all of that can be sent again.
    pub(crate) fn resume(&mut self, held: Held) {
        let Held { bytes, trailers, is_whole, charge } = held;
        self.moved = bytes.len() as u64;
        self.replay = Some(bytes);
        (self.is_whole, self.trailers, self.held) = (is_whole, trailers, charge);
    }

    /// Begins anew for another attempt. What has begun to move is not held back again.
    pub(crate) fn begin(&mut self, start: Start) {
        self.replayed = 0;
        let untouched = self.moved == 0;
        self.stage = if start == Start::Held && untouched { Stage::Held } else { Stage::Moving };
    }

    /// Whether another attempt can send all of it.
    pub(crate) fn is_repeatable(&self) -> bool {
        self.moved == 0 || self.replay.is_some()
    }

    /// Whether some of it was read, and not all: what comes over the connection now is the rest.
    pub(crate) fn is_in_part(&self) -> bool {
        self.moved > 0 && !self.is_whole
    }

    /// Whether it was sent whole.
    pub(crate) fn is_sent(&self) -> bool {
        self.stage == Stage::Sent
    }

    /// Whether nothing more will be read or sent in this attempt, as things stand.
    pub(crate) fn is_resting(&self) -> bool {
        matches!(self.stage, Stage::Held | Stage::Sent | Stage::Refused)
    }

    /// Whether it waits until the client is told to go on.
    pub(crate) fn is_held(&self) -> bool {
        self.stage == Stage::Held
    }

    /// The client was told to go on.
    pub(crate) fn release(&mut self) {
        if self.stage == Stage::Held {
            self.stage = Stage::Moving;
        }
    }

    /// The response has come before the client was told to go on: the body is not asked for.
    pub(crate) fn decline(&mut self) {
        self.stage = Stage::Refused;
    }

    /// Bytes read from the client so far.
    pub(crate) fn moved(&self) -> u64 {
        self.moved
    }

    /// Whom it waits for, when it is pending.
    pub(crate) fn waits_for(&self) -> Party {
        self.waits_for
    }

    /// Moves what can be moved. Ready when it rests.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut impl Source,
        instance: &mut impl Sink,
    ) -> Poll<Result<(), Broken>> {
        loop {
            match self.stage {
                Stage::Sent | Stage::Refused => return Poll::Ready(Ok(())),
                Stage::Held => {
                    if self.poll_begun(cx, client, instance)?.is_pending() {
                        return Poll::Ready(Ok(()));
                    }
                    self.stage = Stage::Moving;
                }
                Stage::Ending => {
                    self.waits_for = Party::Instance;
                    match ready!(instance.poll_finish(cx, self.trailers.as_ref())) {
                        Ok(()) => self.stage = Stage::Sent,
                        Err(error) => return Poll::Ready(self.refused(error)),
                    }
                }
                Stage::Moving if self.has_replay() => {
                    self.waits_for = Party::Instance;
                    let rest = self.replay.as_ref().map(|kept| &kept[self.replayed..]);
                    match ready!(instance.poll_send(cx, rest.unwrap_or_default())) {
                        Ok(n) => self.replayed += n,
                        Err(error) => return Poll::Ready(self.refused(error)),
                    }
                }
                Stage::Moving if self.is_whole || client.is_over() => {
                    self.is_whole = true;
                    self.stage = Stage::Ending;
                }
                Stage::Moving => ready!(self.poll_move(cx, client, instance))?,
            }
        }
    }

    /// Ready when the client sends its body without being told to, as it may at any time. Until then
    /// the instance has the head, and decides by it.
    fn poll_begun(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut impl Source,
        instance: &mut impl Sink,
    ) -> Poll<Result<(), Broken>> {
        if let Poll::Ready(Err(error)) = instance.poll_flush(cx) {
            return Poll::Ready(self.refused(error));
        }
        match ready!(client.poll_fill(cx)) {
            Ok(_) => Poll::Ready(Ok(())),
            // It has left, and its request is not to run any more.
            Err(error) => Poll::Ready(Err(Broken::By(Party::Client, error))),
        }
    }

    fn has_replay(&self) -> bool {
        self.replay.as_ref().is_some_and(|kept| self.replayed < kept.len())
    }

    /// The instance takes no more. That is for its response to explain, if there is one.
    fn refused(&mut self, error: Error) -> Result<(), Broken> {
        self.stage = Stage::Refused;
        Err(Broken::By(Party::Instance, error))
    }

    fn poll_move(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut impl Source,
        instance: &mut impl Sink,
    ) -> Poll<Result<(), Broken>> {
        let by_client = |error| Broken::By(Party::Client, error);
        // What may have to be sent again must be seen. A length over the limit was refused.
        if self.replay.is_none() {
            let from = End { party: Party::Client, body: &mut *client };
            let to = End { party: Party::Instance, body: &mut *instance };
            match ready!(self.splice.poll(cx, from, to, &mut self.waits_for)) {
                Ok(0) => {}
                Ok(n) => {
                    self.moved += n as u64;
                    return Poll::Ready(Ok(()));
                }
                Err(broken) if broken.party == Party::Instance => {
                    return Poll::Ready(self.refused(broken.error));
                }
                Err(BrokenAt { party, error }) => {
                    return Poll::Ready(Err(Broken::By(party, error)));
                }
            }
        }
        client.expect_room(instance.room());
        match client.poll_fill(cx).map_err(by_client)? {
            Poll::Pending => {
                self.waits_for = Party::Client;
                if instance
                    .poll_flush(cx)
                    .map_err(|error| Broken::By(Party::Instance, error))?
                    .is_pending()
                {
                    self.waits_for = Party::Instance;
                }
                return Poll::Pending;
            }
            Poll::Ready(false) => {
                self.trailers = client.take_trailers().map_err(by_client)?;
                self.is_whole = true;
                self.stage = Stage::Ending;
                return Poll::Ready(Ok(()));
            }
            Poll::Ready(true) => {}
        }
        let data = client.data();
        if !self.allowed.allows(self.moved + data.len() as u64) {
            return Poll::Ready(Err(Broken::TooLarge));
        }
        self.waits_for = Party::Instance;
        let taken = match ready!(instance.poll_send(cx, data)) {
            Ok(taken) => taken,
            Err(error) => return Poll::Ready(self.refused(error)),
        };
        self.keep(&data[..taken]);
        self.moved += taken as u64;
        client.consume(taken);
        Poll::Ready(Ok(()))
    }

    fn keep(&mut self, data: &[u8]) {
        match &mut self.replay {
            Some(kept)
                if kept.len() + data.len() <= REPLAY_BYTES_MAX && self.held.grow(data.len()) =>
            {
                kept.extend_from_slice(data);
                self.replayed += data.len();
            }
            kept => *kept = None,
        }
    }
}

/// What is read of a body while it is passed on.
enum Watched {
    /// Where a stream of events stands.
    Events(Events),
    /// How a call of grpc-web ended.
    Call(Box<Frames>),
}

impl Watched {
    fn follow(&mut self, data: &[u8]) {
        match self {
            Self::Events(events) => events.follow(data),
            Self::Call(frames) => frames.follow(data),
        }
    }

    /// Whether the body may end here, as far as that is ours to say.
    fn is_between(&self) -> bool {
        match self {
            Self::Events(events) => events.is_between(),
            Self::Call(_) => true,
        }
    }

    /// How many bytes of `data` there are until it may.
    fn until_between(&self, data: &[u8]) -> usize {
        match self {
            Self::Events(events) => events.until_between(data),
            Self::Call(_) => data.len(),
        }
    }
}

/// A response's body, or one direction of a tunnel.
pub(crate) struct Download {
    is_ending: bool,
    watched: Option<Watched>,
    /// Whether it ends with the event that is being passed on.
    is_last_event: bool,
    /// So much of what was offered last was not taken. It is offered again first, and no less: a
    /// sink may have announced it.
    owed: usize,
    trailers: Option<Fields>,
    moved: u64,
    waits_for: Party,
    from: Party,
    splice: Splice,
}

impl Download {
    /// Nothing was moved yet. `from` names the side that is read. With a `pool` for pipes, what is
    /// long goes without being copied.
    pub(crate) fn from(from: Party, pool: Option<&Pool>) -> Self {
        let splice = Splice::new(pool);
        Self {
            is_ending: false,
            watched: None,
            is_last_event: false,
            owed: 0,
            trailers: None,
            moved: 0,
            waits_for: from,
            from,
            splice,
        }
    }

    /// An event stream, which can be ended between two events.
    pub(crate) fn of_events() -> Self {
        Self::watched(Watched::Events(Events::default()))
    }

    /// The response to a call of grpc-web.
    pub(crate) fn of_call(frames: Frames) -> Self {
        Self::watched(Watched::Call(Box::new(frames)))
    }

    fn watched(watched: Watched) -> Self {
        Self { watched: Some(watched), ..Self::from(Party::Instance, None) }
    }

    /// Passes on no event beyond the one that has begun: what follows is the end.
    pub(crate) fn end_after_event(&mut self) {
        self.is_last_event = true;
    }

    fn to(&self) -> Party {
        match self.from {
            Party::Client => Party::Instance,
            Party::Instance => Party::Client,
        }
    }

    /// What it told, once it has ended.
    pub(crate) fn take_end(&mut self) -> Ended {
        let in_body = match &self.watched {
            Some(Watched::Call(frames)) => Some(frames.status()),
            _ => None,
        };
        Ended { trailers: self.trailers.take(), in_body }
    }

    /// Bytes moved so far.
    pub(crate) fn moved(&self) -> u64 {
        self.moved
    }

    /// Whether all that was to be read was.
    pub(crate) fn is_at_end(&self) -> bool {
        self.is_ending
    }

    /// Whom it waits for, when it is pending.
    pub(crate) fn waits_for(&self) -> Party {
        self.waits_for
    }

    /// Moves what can be moved. Ready at the end, when that was passed on too.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut impl Source,
        sink: &mut impl Sink,
    ) -> Poll<Result<(), BrokenAt>> {
        let (from, to) = (self.from, self.to());
        let by = |party: Party| move |error| BrokenAt { party, error };
        while !self.is_ending {
            let is_between = self.watched.as_ref().is_none_or(Watched::is_between);
            if source.is_over() || (self.is_last_event && self.owed == 0 && is_between) {
                self.is_ending = true;
                break;
            }
            let (read, written) =
                (End { party: from, body: &mut *source }, End { party: to, body: &mut *sink });
            let spliced = self.splice.poll(cx, read, written, &mut self.waits_for);
            match ready!(spliced)? {
                0 => {}
                n => {
                    self.moved += n as u64;
                    continue;
                }
            }
            source.expect_room(sink.room());
            match source.poll_fill(cx) {
                Poll::Pending => {
                    self.waits_for = from;
                    if sink.poll_flush(cx).map_err(by(to))?.is_pending() {
                        self.waits_for = to;
                    }
                    return Poll::Pending;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(by(from)(error))),
                Poll::Ready(Ok(false)) => {
                    self.trailers = source.take_trailers().map_err(by(from))?;
                    self.is_ending = true;
                }
                Poll::Ready(Ok(true)) => {
                    self.waits_for = to;
                    let data = source.data();
                    let offered = match &self.watched {
                        Some(_) if self.owed > 0 => self.owed,
                        Some(watched) if self.is_last_event => watched.until_between(data),
                        _ => data.len(),
                    };
                    self.owed = offered;
                    let taken = ready!(sink.poll_send(cx, &data[..offered])).map_err(by(to))?;
                    self.owed -= taken;
                    if let Some(watched) = &mut self.watched {
                        watched.follow(&data[..taken]);
                    }
                    source.consume(taken);
                    self.moved += taken as u64;
                }
            }
        }
        self.waits_for = to;
        sink.poll_finish(cx, self.trailers.as_ref()).map_err(by(to))
    }
}
