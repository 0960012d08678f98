//! One line of the access log for each exchange.
//!
//! Whatever a client sent is written so that it can neither end a line nor forge a field, and cut
//! where it is very long. The query is never written, nor the referrer, which may hold another's:
//! there tokens travel that no log should keep. The fields stand in [`Field`].

mod field;
mod line;
mod short;
mod stamp;

use std::fmt::{self, Write as _};
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use model::LogFormat;

use crate::ending::Ending;
use crate::grpc::GrpcStatus;
use line::{Line, Notation};
use stamp::Stamp;

pub use field::{Field, Kind};
pub use line::{VALUE_BYTES_MAX, is_invisible};

/// Everything that the log tells of one exchange.
#[derive(Clone, Copy)]
pub struct AccessRecord<'a> {
    /// The id by which all logs speak of it.
    pub request_id: &'a [u8],
    /// Who asked.
    pub client: IpAddr,
    /// Where it came in.
    pub listener: &'a str,
    /// The version that the client speaks.
    pub protocol: &'a str,
    /// Whether the client speaks TLS.
    pub tls: bool,
    /// The method as it was sent.
    pub method: &'a [u8],
    /// The host that was requested, with its port if it names one.
    pub host: &'a [u8],
    /// The path as it was sent. A query behind it is not written.
    pub path: &'a [u8],
    /// The status that the client saw; 0 if it saw none.
    pub status: u16,
    /// How a gRPC call ended, if it was one and did not break off.
    pub grpc_status: Option<GrpcStatus>,
    /// Bytes received from the client, heads and framing included.
    pub bytes_in: u64,
    /// Bytes sent to the client, heads and framing included.
    pub bytes_out: u64,
    /// From the request's head to the end of its response.
    pub total: Duration,
    /// How long the last attempt took to open a connection, if it opened one.
    pub upstream_connect: Option<Duration>,
    /// How long the last attempt took to the answer's head.
    pub upstream_first_byte: Option<Duration>,
    /// The route that it took.
    pub route: Option<&'a dyn fmt::Display>,
    /// The authentication that proved who asks.
    pub auth: Option<&'a str>,
    /// Who asks, as that has it.
    pub subject: Option<&'a str>,
    /// The limit that refused it, or would have.
    pub limit: Option<&'a str>,
    /// The service that it went to.
    pub service: Option<&'a str>,
    /// The release that answered.
    pub release: Option<&'a str>,
    /// The instance of the last attempt.
    pub instance: Option<&'a str>,
    /// How many instances were tried.
    pub attempts: u32,
    /// How it ended.
    pub ending: Ending,
    /// What the client says it is.
    pub user_agent: Option<&'a [u8]>,
}

/// Writes lines for one worker. It formats the time of day once a second, and nothing in it
/// allocates once its scratch has grown to the longest route.
#[derive(Debug, Default)]
pub struct AccessFormat {
    stamp: Stamp,
    route: String,
}

impl AccessFormat {
    /// Appends the line of `record`, which ended at `now`, with its end of line.
    pub fn write(
        &mut self,
        record: &AccessRecord<'_>,
        now: SystemTime,
        format: LogFormat,
        out: &mut Vec<u8>,
    ) {
        match format {
            LogFormat::Text => self.line(line::Text, record, now, out),
            LogFormat::Json => self.line(line::Json, record, now, out),
        }
    }

    /// Appends the short line of `record`, for a person at a terminal.
    pub fn write_short(&mut self, record: &AccessRecord<'_>, now: SystemTime, out: &mut Vec<u8>) {
        short::write(record, self.stamp.at(now), out);
    }

    fn line<N: Notation>(
        &mut self,
        notation: N,
        record: &AccessRecord<'_>,
        now: SystemTime,
        out: &mut Vec<u8>,
    ) {
        let mut line = Line::begin(notation, out, self.stamp.at(now));
        line.text(Field::RequestId, record.request_id);
        line.address(Field::Client, record.client);
        line.text(Field::Method, record.method);
        line.text(Field::Host, record.host);
        line.text(Field::Path, without_query(record.path));
        line.number(Field::Status, record.status.into());
        record.grpc_status.iter().for_each(|it| line.word(Field::GrpcStatus, it.as_str()));
        line.number(Field::BytesIn, record.bytes_in);
        line.number(Field::BytesOut, record.bytes_out);
        line.millis(Field::Duration, record.total);
        record.upstream_connect.iter().for_each(|time| line.millis(Field::Connect, *time));
        record.upstream_first_byte.iter().for_each(|time| line.millis(Field::FirstByte, *time));
        if let Some(route) = record.route {
            self.route.clear();
            write!(self.route, "{route}").expect("writing to a string cannot fail");
            line.text(Field::Route, self.route.as_bytes());
        }
        record.auth.iter().for_each(|name| line.text(Field::Auth, name.as_bytes()));
        record.subject.iter().for_each(|name| line.text(Field::Subject, name.as_bytes()));
        record.limit.iter().for_each(|name| line.text(Field::Limit, name.as_bytes()));
        record.service.iter().for_each(|name| line.text(Field::Service, name.as_bytes()));
        record.release.iter().for_each(|name| line.text(Field::Release, name.as_bytes()));
        record.instance.iter().for_each(|name| line.text(Field::Instance, name.as_bytes()));
        line.number(Field::Attempts, record.attempts.into());
        line.word(Field::Ending, record.ending.as_str());
        line.text(Field::Listener, record.listener.as_bytes());
        line.text(Field::Protocol, record.protocol.as_bytes());
        line.flag(Field::Tls, record.tls);
        record.user_agent.iter().for_each(|agent| line.text(Field::UserAgent, agent));
        line.end();
    }
}

/// Whoever makes a record leaves the query out; that it is never written is decided here.
fn without_query(path: &[u8]) -> &[u8] {
    memchr::memchr(b'?', path).map_or(path, |end| &path[..end])
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn record(path: &[u8]) -> AccessRecord<'_> {
        AccessRecord {
            request_id: b"id1",
            client: "192.0.2.1".parse().unwrap(),
            listener: "web",
            protocol: "HTTP/1.1",
            tls: false,
            method: b"GET",
            host: b"a.b",
            path,
            status: 200,
            grpc_status: Some(GrpcStatus::Ok),
            bytes_in: 1,
            bytes_out: 2,
            total: Duration::from_micros(1234),
            upstream_connect: Some(Duration::from_micros(850)),
            upstream_first_byte: Some(Duration::from_micros(7)),
            route: Some(&"/*"),
            auth: Some("users"),
            subject: Some("alice"),
            limit: Some("per-user"),
            service: Some("api"),
            release: Some("1.4.2"),
            instance: Some("10.0.0.1:80"),
            attempts: 1,
            ending: Ending::Ok,
            user_agent: Some(b"curl 8"),
        }
    }

    fn line(record: &AccessRecord<'_>, format: LogFormat) -> String {
        let mut out = Vec::new();
        let now = UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        AccessFormat::default().write(record, now, format, &mut out);
        String::from_utf8(out).unwrap()
    }

    /// Reads a text line back: keys and values, or `None` where it is not what the reference says.
    fn parse_text(line: &str) -> Option<Vec<(String, String)>> {
        let mut rest = line.strip_suffix('\n')?;
        let mut pairs = Vec::new();
        loop {
            let (key, after) = rest.split_once('=')?;
            let (value, after) = match after.starts_with('"') {
                true => {
                    let mut values =
                        serde_json::Deserializer::from_str(after).into_iter::<String>();
                    let value = values.next()?.ok()?;
                    (value, &after[values.byte_offset()..])
                }
                false => {
                    let end = after.find(' ').unwrap_or(after.len());
                    (after[..end].to_owned(), &after[end..])
                }
            };
            pairs.push((key.to_owned(), value));
            match after.strip_prefix(' ') {
                Some(after) => rest = after,
                None => return after.is_empty().then_some(pairs),
            }
        }
    }

    fn get(pairs: &[(String, String)], field: Field) -> &str {
        let mut values = pairs.iter().filter(|(key, _)| key == field.as_str());
        let (_, value) = values.next().unwrap();
        assert!(values.next().is_none(), "twice: {field:?}");
        value
    }

    /// What a log may tell of `value`.
    fn expected(value: &[u8]) -> String {
        let cut = &value[..value.len().min(VALUE_BYTES_MAX)];
        let mark = if cut.len() < value.len() { "…" } else { "" };
        format!("{}{mark}", String::from_utf8_lossy(cut))
    }

    #[test]
    fn text_is_key_and_value() {
        assert_eq!(
            line(&record(b"/x"), LogFormat::Text),
            "time=2023-11-14T22:13:20.123Z request_id=id1 client=192.0.2.1 method=GET host=a.b \
             path=/x status=200 grpc_status=OK bytes_in=1 bytes_out=2 duration_ms=1.234 connect_ms=0.850 \
             first_byte_ms=0.007 route=/* auth=users subject=alice limit=per-user service=api release=1.4.2 instance=10.0.0.1:80 \
             attempts=1 ending=ok listener=web protocol=HTTP/1.1 tls=false user_agent=\"curl 8\"\n"
        );
    }

    fn short(record: &AccessRecord<'_>) -> String {
        let mut out = Vec::new();
        let now = UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        AccessFormat::default().write_short(record, now, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_person_at_a_terminal_reads_one_short_line() {
        let usual = record(b"/x?token=s3cret");
        assert_eq!(short(&usual), "22:13:20Z 200 GET /x 1.2 ms → 10.0.0.1:80\n");
        let refused = AccessRecord { status: 503, instance: None, attempts: 0, ..usual };
        assert_eq!(short(&refused), "22:13:20Z 503 GET /x 1.2 ms\n");
        let grpc_status = Some(GrpcStatus::Unavailable);
        let failed = AccessRecord { grpc_status, ..usual };
        assert_eq!(short(&failed), "22:13:20Z 200 GET /x 1.2 ms → 10.0.0.1:80, UNAVAILABLE\n");
        let gone = AccessRecord {
            status: 0,
            attempts: 3,
            ending: Ending::ClientClosed,
            total: Duration::from_secs(75),
            ..usual
        };
        let expected = "22:13:20Z --- GET /x 75 s → 10.0.0.1:80, 3 attempts, client_closed\n";
        assert_eq!(short(&gone), expected);
    }

    #[test]
    fn a_short_line_is_one_line_and_short_whatever_a_client_sends() {
        let evil = "/a\n 200 GET \u{1b}[2J\u{202e}é".as_bytes();
        let line = short(&record(evil));
        assert!(line.contains("/a\\u000a 200 GET \\u001b[2J\\u202eé"), "{line}");
        assert_eq!(line.matches('\n').count(), 1);
        for path in [vec![b'a'; 40_000], "é".repeat(20_000).into_bytes(), vec![0xff; 40_000]] {
            let line = short(&record(&path));
            assert!(line.chars().count() <= 80 && line.contains('…'), "{line}");
        }
    }

    #[test]
    fn json_is_one_object() {
        assert_eq!(
            line(&record(b"/x"), LogFormat::Json),
            "{\"time\":\"2023-11-14T22:13:20.123Z\",\"request_id\":\"id1\",\
             \"client\":\"192.0.2.1\",\"method\":\"GET\",\"host\":\"a.b\",\"path\":\"/x\",\
             \"status\":200,\"grpc_status\":\"OK\",\"bytes_in\":1,\"bytes_out\":2,\"duration_ms\":1.234,\
             \"connect_ms\":0.850,\"first_byte_ms\":0.007,\"route\":\"/*\",\"auth\":\"users\",\
             \"subject\":\"alice\",\"limit\":\"per-user\",\"service\":\"api\",\
             \"release\":\"1.4.2\",\"instance\":\"10.0.0.1:80\",\"attempts\":1,\"ending\":\"ok\",\
             \"listener\":\"web\",\"protocol\":\"HTTP/1.1\",\"tls\":false,\
             \"user_agent\":\"curl 8\"}\n"
        );
    }

    #[test]
    fn what_did_not_happen_has_no_field() {
        let empty = AccessRecord {
            grpc_status: None,
            upstream_connect: None,
            upstream_first_byte: None,
            route: None,
            auth: None,
            subject: None,
            limit: None,
            service: None,
            release: None,
            instance: None,
            user_agent: None,
            ..record(b"/x")
        };
        let pairs = parse_text(&line(&empty, LogFormat::Text)).unwrap();
        let written: Vec<_> = pairs.iter().map(|(key, _)| key.as_str()).collect();
        let always = Field::ALL.iter().filter(|field| field.when() == "always");
        assert_eq!(written, always.map(|field| field.as_str()).collect::<Vec<_>>());
    }

    #[test]
    fn a_full_record_has_every_field_once_in_the_order_of_the_reference() {
        let pairs = parse_text(&line(&record(b"/x"), LogFormat::Text)).unwrap();
        let written: Vec<_> = pairs.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(written, Field::ALL.iter().map(|field| field.as_str()).collect::<Vec<_>>());

        let line = line(&record(b"/x"), LogFormat::Json);
        let object: serde_json::Map<String, Value> = serde_json::from_str(&line).unwrap();
        assert_eq!(object.len(), Field::ALL.len());
        for field in Field::ALL {
            let is_right = match field.kind() {
                Kind::Time | Kind::Text => object[field.as_str()].is_string(),
                Kind::Count => object[field.as_str()].is_u64(),
                Kind::Millis => object[field.as_str()].is_f64(),
                Kind::Flag => object[field.as_str()].is_boolean(),
            };
            assert!(is_right, "{field:?}");
        }
    }

    #[test]
    fn nothing_that_a_client_sends_can_forge_a_line_or_a_field() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let line =
                line(&record("/a\n status=500 \"\\\u{1b}[2J\u{202e}\u{85}é".as_bytes()), format);
            assert_eq!(line.matches('\n').count(), 1);
            let wanted = "\"/a\\u000a status=500 \\\"\\\\\\u001b[2J\\u202e\\u0085é\"";
            assert!(line.contains(wanted), "{line}");
        }
    }

    #[test]
    fn a_query_is_never_written() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let line = line(&record(b"/login?token=hunter2"), format);
            assert!(line.contains("/login") && !line.contains("hunter2"), "{line}");
        }
    }

    #[test]
    fn an_address_of_either_family_is_written_as_it_is() {
        for address in ["0.0.0.0", "255.255.255.255", "10.0.20.3", "2001:db8::1", "::ffff:1.2.3.4"]
        {
            let record = AccessRecord { client: address.parse().unwrap(), ..record(b"/") };
            let pairs = parse_text(&line(&record, LogFormat::Text)).unwrap();
            assert_eq!(get(&pairs, Field::Client), address);
        }
    }

    #[test]
    fn a_long_value_is_cut_between_characters_and_marked() {
        let long = "é".repeat(VALUE_BYTES_MAX);
        let record = AccessRecord { user_agent: Some(&long.as_bytes()[1..]), ..record(b"/") };
        let pairs = parse_text(&line(&record, LogFormat::Text)).unwrap();
        let agent = get(&pairs, Field::UserAgent);
        assert!(agent.len() <= VALUE_BYTES_MAX + 10 && agent.ends_with("é…"), "{agent}");

        let exact = [b'a'; VALUE_BYTES_MAX];
        let record = AccessRecord { user_agent: Some(&exact), ..record };
        let pairs = parse_text(&line(&record, LogFormat::Text)).unwrap();
        assert_eq!(get(&pairs, Field::UserAgent).as_bytes(), exact);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_read_back_from_either_format(
            path in proptest::collection::vec(any::<u8>(), 0..40),
            agent in ".{0,40}",
            method in "[ -~]{0,9}",
        ) {
            let record = AccessRecord {
                method: method.as_bytes(),
                user_agent: Some(agent.as_bytes()),
                ..record(&path)
            };
            let wanted = [
                (Field::Method, expected(method.as_bytes())),
                (Field::Path, expected(without_query(&path))),
                (Field::UserAgent, expected(agent.as_bytes())),
            ];
            let text = line(&record, LogFormat::Text);
            prop_assert_eq!(text.matches(char::is_control).count(), 1);
            let pairs = parse_text(&text).unwrap();
            let json = line(&record, LogFormat::Json);
            prop_assert_eq!(json.matches(char::is_control).count(), 1);
            let object: Value = serde_json::from_str(&json).unwrap();
            for (field, wanted) in wanted {
                prop_assert_eq!(get(&pairs, field), &*wanted);
                prop_assert_eq!(&object[field.as_str()], &*wanted);
            }
        }
    }
}
