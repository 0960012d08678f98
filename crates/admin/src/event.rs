//! What happens, as the API says it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use telemetry::event::{self, Level, Recorded, Value};

use crate::handle::rfc3339;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// Its id, by which one goes on from it. Ids rise by one, in the order of the log.
    pub id: String,
    /// When, as RFC 3339 has it.
    pub at: String,
    /// Its kind, in a word: `docs/reference/events.md` has them all.
    pub kind: String,
    /// How grave it is.
    pub level: EventLevel,
    /// What its kind means, in the words of the log.
    pub message: String,
    /// What differs between events of the kind, by name: texts, numbers and flags. Durations are in seconds. What is
    /// absent is not there.
    pub fields: Map<String, Json>,
}

/// How grave an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EventLevel {
    /// A person must act.
    Error,
    /// A person may have to act.
    Warn,
    /// What one wants to know.
    Info,
    /// What one looks for when something is wrong.
    Debug,
}

/// The latest events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Events {
    /// Those that are kept, in order.
    pub events: Vec<Event>,
    /// The id of the last that happened: a stream that resumes after it misses nothing that is not in `events`.
    pub last: String,
}

/// Events that are not kept any more: the data of the stream's event `gap`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventGap {
    /// How many; absent where Plimsoll was restarted, and it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<u64>,
}

impl From<&Recorded> for Event {
    fn from(recorded: &Recorded) -> Self {
        let kind = recorded.event.kind();
        let fields = recorded.event.fields().into_iter();
        Self {
            id: recorded.id.to_string(),
            at: rfc3339(recorded.at),
            kind: kind.word().to_owned(),
            level: kind.level().into(),
            message: kind.message().to_owned(),
            fields: fields.map(|(name, value)| (name.to_owned(), json(value))).collect(),
        }
    }
}

fn json(value: Value<'_>) -> Json {
    match value {
        Value::Text(text) => text.into(),
        Value::Number(number) => number.into(),
        Value::Fraction(number) => number.into(),
        Value::Flag(flag) => flag.into(),
        Value::Absent => Json::Null,
    }
}

impl From<Level> for EventLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::ERROR => Self::Error,
            Level::WARN => Self::Warn,
            Level::INFO => Self::Info,
            Level::DEBUG | Level::TRACE => Self::Debug,
        }
    }
}

impl From<event::Gap> for EventGap {
    fn from(gap: event::Gap) -> Self {
        Self { missed: gap.missed }
    }
}

impl Events {
    /// Those that `events` keeps.
    pub(crate) fn of(events: &telemetry::Events) -> Self {
        let recent = events.recent();
        let last = recent.last().map_or_else(|| events.last(), |last| last.id);
        Self {
            events: recent.iter().map(|recorded| Event::from(&**recorded)).collect(),
            last: last.to_string(),
        }
    }
}
