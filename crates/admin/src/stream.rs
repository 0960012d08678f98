//! Events as they happen, as server-sent events (WHATWG HTML §9.2): the server's side, and the client's.
//!
//! An event has its id and, as data, an [`Event`]; what a follower missed is an event `gap`, whose data is an
//! [`EventGap`]. A line without meaning comes now and then, so that both sides and what is between them see that the
//! other is there.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::response::Sse;
use axum::response::sse::{Event as Message, KeepAlive};
use futures_util::stream::{once, unfold};
use futures_util::{Stream, StreamExt};
use http::HeaderMap;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use telemetry::event::{EventId, Followed, NotAnId};
use tokio::sync::OwnedSemaphorePermit;

use crate::{ClientError, Event, EventGap};

/// The media type of such a stream.
pub(crate) const MEDIA_TYPE: &str = "text/event-stream";
/// The header by which a follower says what it has seen.
pub(crate) const LAST_EVENT_ID: &str = "last-event-id";
/// What the event is called that tells of events that were missed.
const GAP: &str = "gap";
/// A stream on which nothing happens has a line after this time, at most.
const ALIVE_EVERY: Duration = Duration::from_secs(10);
/// A client waits so long for anything, and then takes the other side for gone.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// No message is longer, in bytes: an event is one line, and what is kept of them is bounded.
const MESSAGE_MAX: usize = 4 << 20;

/// The event that a follower saw last, if it says one.
///
/// # Errors
/// When what it says is no event's id.
pub(crate) fn last_seen(headers: &HeaderMap) -> Result<Option<EventId>, NotAnId> {
    let Some(id) = headers.get(LAST_EVENT_ID) else { return Ok(None) };
    id.to_str().map_err(|_| NotAnId)?.parse().map(Some)
}

/// The events from now on, or after the one that the follower saw last. Ends when Plimsoll has stopped; `place` is
/// held until the client has gone.
pub(crate) fn follow(
    events: &telemetry::Events,
    after: Option<EventId>,
    place: OwnedSemaphorePermit,
) -> Sse<impl Stream<Item = Result<Message, Infallible>> + use<>> {
    let messages = unfold((events.follow(after), place), |(mut follower, place)| async move {
        let message = message(follower.next().await?);
        Some((Ok(message), (follower, place)))
    });
    // A client knows by a first line that it follows: the head goes out with it, and nothing may happen for long.
    let begin = once(async { Ok(Message::default().comment("")) });
    Sse::new(begin.chain(messages)).keep_alive(KeepAlive::new().interval(ALIVE_EVERY))
}

fn message(followed: Followed) -> Message {
    let text =
        |document: serde_json::Result<String>| document.expect("our documents have text for keys");
    match followed {
        Followed::Event(recorded) => {
            let event = Event::from(&*recorded);
            Message::default().id(&event.id).data(text(serde_json::to_string(&event)))
        }
        Followed::Gap(gap) => {
            Message::default().event(GAP).data(text(serde_json::to_string(&EventGap::from(gap))))
        }
    }
}

/// What comes of a stream of events.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// Something happened.
    Event(Box<Event>),
    /// Events were missed.
    Gap(EventGap),
}

/// The client's side of a stream of events.
#[derive(Debug)]
pub struct EventStream {
    body: Incoming,
    parser: Parser,
    /// Its end is the stream's.
    _connection: tokio::task::JoinHandle<hyper::Result<()>>,
}

impl EventStream {
    pub(crate) fn new(
        body: Incoming,
        connection: tokio::task::JoinHandle<hyper::Result<()>>,
    ) -> Self {
        Self { body, parser: Parser::default(), _connection: connection }
    }

    /// Waits for what comes next; `None` at the end, when Plimsoll has stopped.
    ///
    /// # Errors
    /// When the connection breaks, or says what cannot be read.
    pub async fn next(&mut self) -> Result<Option<Told>, ClientError> {
        loop {
            if let Some(told) = self.parser.next()? {
                return Ok(Some(told));
            }
            let frame = tokio::time::timeout(SILENCE_MAX, self.body.frame()).await;
            match frame.map_err(|_| ClientError::Slow)?.transpose()? {
                Some(frame) => self.parser.take(frame.data_ref().map_or(&[][..], |data| data)),
                None => return Ok(None),
            }
        }
    }
}

/// Takes a stream apart. What it does not know it passes over, as the specification says.
#[derive(Debug, Default)]
struct Parser {
    buffer: VecDeque<u8>,
    event: String,
    data: String,
}

impl Parser {
    fn take(&mut self, bytes: &[u8]) {
        self.buffer.extend(bytes);
    }

    /// The next message that is whole.
    fn next(&mut self) -> Result<Option<Told>, ClientError> {
        while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.buffer.drain(..=end).take(end).collect();
            let line = String::from_utf8_lossy(&line);
            let (field, value) = line.trim_end_matches('\r').split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field.trim_end_matches('\r') {
                "event" => value.clone_into(&mut self.event),
                "data" => {
                    if !self.data.is_empty() {
                        self.data.push('\n');
                    }
                    self.data.push_str(value);
                }
                "" if value.is_empty() => {
                    if let Some(told) = self.end_message()? {
                        return Ok(Some(told));
                    }
                }
                _ => {}
            }
        }
        match self.buffer.len() + self.data.len() > MESSAGE_MAX {
            true => Err(ClientError::Endless),
            false => Ok(None),
        }
    }

    fn end_message(&mut self) -> Result<Option<Told>, ClientError> {
        let (event, data) = (std::mem::take(&mut self.event), std::mem::take(&mut self.data));
        if data.is_empty() {
            return Ok(None);
        }
        Ok(match event.as_str() {
            "" | "message" => Some(Told::Event(serde_json::from_str(&data)?)),
            GAP => Some(Told::Gap(serde_json::from_str(&data)?)),
            // Of a later version.
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_however_they_come_in_pieces() {
        let event = "{\"id\":\"1-1\",\"at\":\"\",\"kind\":\"k\",\"level\":\"info\",\"message\":\"m\",\
                     \"fields\":{\"a\":1}}";
        let text = format!(
            ": alive\n\nid: 1-1\ndata: {event}\n\n:\n\nevent: later\ndata: x\n\nevent: gap\r\ndata: \
             {{\"missed\":3}}\r\n\r\nevent: gap\ndata:{{}}\n\n"
        );
        for size in [1, 2, 7, text.len()] {
            let mut parser = Parser::default();
            let mut all = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                parser.take(piece);
                while let Some(told) = parser.next().unwrap() {
                    all.push(told);
                }
            }
            let [Told::Event(one), Told::Gap(gap), Told::Gap(unknown)] = &all[..] else {
                panic!("{size}: {all:?}");
            };
            assert_eq!((one.id.as_str(), &one.fields["a"]), ("1-1", &1.into()));
            assert_eq!((gap.missed, unknown.missed), (Some(3), None));
        }
    }

    #[test]
    fn a_message_without_end_is_refused() {
        let mut parser = Parser::default();
        parser.take(b"data: ");
        assert!(parser.next().unwrap().is_none());
        parser.take(&vec![b'x'; MESSAGE_MAX]);
        assert!(matches!(parser.next(), Err(ClientError::Endless)));
    }
}
