//! The reference of metrics, of the access log and of events, as Markdown, made of the enums that name them.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, UNIX_EPOCH};

use model::LogFormat;

use crate::abuse::AbuseOutcome;
use crate::access::{AccessFormat, AccessRecord, Field, VALUE_BYTES_MAX};
use crate::ending::Ending;
use crate::event::{EVENTS_BYTES_MAX, EVENTS_MAX, FIELDS, Kind, level_word};
use crate::exposition::BOUNDS_MICROS;
use crate::grpc::GrpcStatus;
use crate::inquiry::InquiryOutcome;
use crate::limit::LimitOutcome;
use crate::metric::{Label, Metric};
use crate::scrape::{CLASSES, FeedKind, InstanceState, OUTCOMES, Scrape};

const MADE: &str = "\
<!-- Made from crates/telemetry/src by `UPDATE_REFERENCE=1 cargo test -p telemetry`; not to be \
edited. -->
";

/// Every metric and every label.
pub fn metrics() -> String {
    let mut page = Page(MADE.to_owned());
    page.add(format_args!(
        "\n# Metrics\n\n\
         `GET /metrics` of the admin API responds with OpenMetrics text, `{}`, as Prometheus and \
         compatible readers take it. The values of labels come from the configuration and \
         from fixed lists, never from a client, so that no client can create series.\n\n\
         | metric | type | labels | |\n| --- | --- | --- | --- |\n",
        Scrape::MEDIA_TYPE
    ));
    for metric in Metric::ALL {
        let labels: Vec<_> = metric.labels().iter().map(|label| code(label.as_str())).collect();
        let (name, kind, labels) = (metric.name(), metric.kind().as_str(), labels.join(", "));
        page.add(format_args!("| `{name}` | {kind} | {labels} | {} |\n", metric.help()));
    }
    page.add(format_args!("\n## Labels\n\n| label | | values |\n| --- | --- | --- |\n"));
    for label in Label::ALL {
        let (name, meaning, values) = (label.as_str(), label.meaning(), values(*label));
        page.add(format_args!("| `{name}` | {meaning} | {values} |\n"));
    }
    let bounds: Vec<_> = BOUNDS_MICROS.iter().map(|micros| seconds(*micros)).collect();
    page.add(format_args!(
        "\n## Histograms\n\n\
         A histogram `NAME` has the series `NAME_bucket` with the label `le`, `NAME_sum` and \
         `NAME_count`. The buckets end at {} seconds and `+Inf`. What is counted inside is finer, \
         sixteen buckets to each power of two, and what falls into the one that lies across a \
         bound counts as above it: durations that exceed 15/16 of a bound may be missing from it.\n",
        bounds.join(", ")
    ));
    page.0
}

/// Every field of the access log, and every word for how an exchange ended.
pub fn access_log() -> String {
    let mut page = Page(MADE.to_owned());
    page.add(format_args!(
        "\n# The access log\n\n\
         One line for each exchange, written when it has ended. `[log]` says where it goes and in \
         which format:\n\n```\n{}```\n\n```json\n{}```\n\n\
         - **Text** is `key=value` with a space between. A value that has anything but visible \
         ASCII, or a `\"`, a `\\` or a `=`, or nothing at all, is quoted as in JSON.\n\
         - **JSON** is one object.\n\
         - What a client sends can neither end a line nor forge a field: control characters, and \
         those that hide or turn round what follows, are written as `\\u001b`. What is not UTF-8 \
         becomes U+FFFD. A value of more than {VALUE_BYTES_MAX} bytes is cut, and ends with `…`.\n\
         - **Queries are not logged**, nor referrers: there tokens travel that no log should keep.\n\
         - The log never holds up a request. If its destination is too slow or fails, lines are \
         dropped and counted as `{}`.\n\
         - A file is created readable for its owner and group only, and opened again on a reload, \
         so that it can be rotated.\n\n\
         ## Fields\n\n| field | type | when | |\n| --- | --- | --- | --- |\n",
        example(LogFormat::Text),
        example(LogFormat::Json),
        Metric::AccessLogDropped.name(),
    ));
    for field in Field::ALL {
        let (name, kind, when) = (field.as_str(), field.kind().as_str(), field.when());
        page.add(format_args!("| `{name}` | {kind} | {when} | {} |\n", field.meaning()));
    }
    page.add(format_args!(
        "\n## How an exchange ended\n\n\
         `{}` is one of these words; `{}` counts by the same. Where the client gets a response of Plimsoll's own, \
         that has this status; once an instance's has begun, the status is that one's.\n\n\
         | ending | at fault | status | |\n| --- | --- | --- | --- |\n",
        Field::Ending.as_str(),
        Metric::Exchanges.name(),
    ));
    for ending in Ending::ALL {
        let (word, blame) = (ending.as_str(), ending.blame().as_str());
        let status = ending.told().map_or(String::new(), |told| told.status.to_string());
        page.add(format_args!("| `{word}` | {blame} | {status} | {} |\n", ending.meaning()));
    }
    page.0
}

/// Every kind of event, and every field.
pub fn events() -> String {
    let mut page = Page(MADE.to_owned());
    page.add(format_args!(
        "\n# Events\n\n\
         What happens in Plimsoll is an event: it is a line in its own log, and the admin API has it as JSON, \
         `GET /v1/events` the latest and `GET /v1/events/stream` each as it happens, as server-sent events. \
         `plimsoll events -f` shows them.\n\n\
         - **Kinds, levels and messages** are constant; what differs is in fields. `error` means that a person must act.\n\
         - **Ids** rise by one in the order of the log. The last {EVENTS_MAX} events are kept, of at most {} KiB of text.\n\
         - **A follower resumes** by the header `Last-Event-ID`. What is not kept any more is told as an event of the \
         stream that is called `gap`, with how many are missing; after a restart of Plimsoll that is not known, and \
         `missed` is absent.\n\
         - What instances write is never part of an event, nor is what a request does: see \
         [the access log](access-log.md).\n\n\
         ## Kinds\n\n| kind | level | in the log | fields | |\n| --- | --- | --- | --- | --- |\n",
        EVENTS_BYTES_MAX >> 10,
    ));
    for kind in Kind::ALL {
        let (word, level, message) = (kind.word(), level_word(kind.level()), kind.message());
        let fields: Vec<_> = kind.fields().iter().map(|(name, _)| code(name)).collect();
        let (fields, meaning) = (fields.join(", "), kind.meaning());
        page.add(format_args!("| `{word}` | {level} | {message} | {fields} | {meaning} |\n"));
    }
    page.add(format_args!("\n## Fields\n\n| field | type | |\n| --- | --- | --- |\n"));
    for (name, meaning) in FIELDS {
        let mut types: Vec<_> = Kind::ALL.iter().flat_map(|kind| kind.fields()).collect();
        types.retain(|(field, _)| field == name);
        let of_type = types.first().map_or("", |(_, of_type)| of_type);
        page.add(format_args!("| `{name}` | {of_type} | {meaning} |\n"));
    }
    page.0
}

fn values(label: Label) -> String {
    let words = |words: &[&str]| words.iter().map(|word| code(word)).collect::<Vec<_>>().join(", ");
    match label {
        Label::Class => words(&CLASSES),
        Label::Outcome => words(&OUTCOMES),
        Label::State => {
            words(&InstanceState::ALL.iter().map(|state| state.as_str()).collect::<Vec<_>>())
        }
        Label::GrpcStatus => {
            let names = GrpcStatus::ALL.iter().map(|status| status.as_str());
            words(&names.chain([crate::grpc_counters::NONE]).collect::<Vec<_>>())
        }
        Label::FeedKind => {
            words(&FeedKind::ALL.iter().map(|feed| feed.as_str()).collect::<Vec<_>>())
        }
        Label::Ending => "see [the access log](access-log.md#how-an-exchange-ended)".to_owned(),
        Label::Decision => words(&LimitOutcome::ALL.map(LimitOutcome::as_str)),
        Label::Verdict => words(&AbuseOutcome::ALL.map(AbuseOutcome::as_str)),
        Label::Inquiry => words(&InquiryOutcome::ALL.map(InquiryOutcome::as_str)),
        Label::Limit
        | Label::Abuse
        | Label::Authentication
        | Label::Service
        | Label::Instance
        | Label::Listener
        | Label::Route
        | Label::Host
        | Label::Version => String::new(),
    }
}

fn code(word: &str) -> String {
    format!("`{word}`")
}

fn seconds(micros: u64) -> String {
    format!("{}", Duration::from_micros(micros).as_secs_f64())
}

/// A line as it is really written.
fn example(format: LogFormat) -> String {
    let record = AccessRecord {
        request_id: b"01jd3vq8z2m4t7",
        client: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 17)),
        listener: "web",
        protocol: "HTTP/1.1",
        tls: true,
        method: b"GET",
        host: b"shop.example.com",
        path: b"/cart",
        status: 200,
        grpc_status: None,
        bytes_in: 312,
        bytes_out: 5204,
        total: Duration::from_micros(12_340),
        upstream_connect: Some(Duration::from_micros(410)),
        upstream_first_byte: Some(Duration::from_micros(11_902)),
        route: Some(&"shop.example.com/*"),
        auth: None,
        subject: None,
        limit: None,
        service: Some("shop"),
        release: None,
        instance: Some("10.0.0.11:8080"),
        attempts: 1,
        ending: Ending::Ok,
        user_agent: Some(b"curl/8.5.0"),
    };
    let mut line = Vec::new();
    let now = UNIX_EPOCH + Duration::from_millis(1_767_225_600_123);
    AccessFormat::default().write(&record, now, format, &mut line);
    String::from_utf8_lossy(&line).into_owned()
}

/// A page as it grows.
struct Page(String);

impl Page {
    fn add(&mut self, text: std::fmt::Arguments<'_>) {
        self.0.write_fmt(text).expect("writing to a string cannot fail");
    }
}
