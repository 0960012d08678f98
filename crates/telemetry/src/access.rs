//! One line of the access log for each exchange.
//!
//! Whatever a client sent is written so that it can neither end a line nor forge a field. The
//! query is never written: it is where tokens travel that should not.

use std::fmt::{self, Write as _};
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::LogFormat;

use crate::ending::Ending;

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
    /// The host that was asked for, with its port if it names one.
    pub host: &'a [u8],
    /// The path as it was sent, without the query.
    pub path: &'a [u8],
    /// The status that the client saw; 0 if it saw none.
    pub status: u16,
    /// Bytes received from the client, heads and framing included.
    pub bytes_in: u64,
    /// Bytes sent to the client, heads and framing included.
    pub bytes_out: u64,
    /// From the request's head to the end of its answer.
    pub total: Duration,
    /// How long the last attempt took to open a connection, if it opened one.
    pub upstream_connect: Option<Duration>,
    /// How long the last attempt took to the answer's head.
    pub upstream_first_byte: Option<Duration>,
    /// The route that it took.
    pub route: Option<&'a dyn fmt::Display>,
    /// The service that it went to.
    pub service: Option<&'a str>,
    /// The release that answered.
    pub release: Option<&'a str>,
    /// The instance that was asked last.
    pub instance: Option<&'a str>,
    /// How many instances were asked.
    pub attempts: u32,
    /// How it ended.
    pub ending: Ending,
    /// What the client says it is.
    pub user_agent: Option<&'a [u8]>,
}

/// Writes lines for one worker. Formats the time of day once a second.
#[derive(Debug, Default)]
pub struct AccessFormat {
    second: u64,
    stamp: String,
}

impl AccessFormat {
    /// Appends the line of `record`, which ended at `now`.
    pub fn write(
        &mut self,
        record: &AccessRecord<'_>,
        now: SystemTime,
        format: LogFormat,
        out: &mut Vec<u8>,
    ) {
        let mut line = Line { out, is_json: format == LogFormat::Json, is_first: true };
        line.begin();
        self.time(now, &mut line);
        line.text("request_id", record.request_id);
        line.address("client", record.client);
        line.text("method", record.method);
        line.text("host", record.host);
        line.text("path", record.path);
        line.number("status", record.status.into());
        line.number("bytes_in", record.bytes_in);
        line.number("bytes_out", record.bytes_out);
        line.millis("duration_ms", record.total);
        record.upstream_connect.iter().for_each(|time| line.millis("connect_ms", *time));
        record.upstream_first_byte.iter().for_each(|time| line.millis("first_byte_ms", *time));
        record.route.iter().for_each(|route| line.display("route", *route));
        record.service.iter().for_each(|name| line.text("service", name.as_bytes()));
        record.release.iter().for_each(|name| line.text("release", name.as_bytes()));
        record.instance.iter().for_each(|name| line.text("instance", name.as_bytes()));
        line.number("attempts", record.attempts.into());
        line.text("ending", record.ending.as_str().as_bytes());
        line.text("listener", record.listener.as_bytes());
        line.text("protocol", record.protocol.as_bytes());
        line.flag("tls", record.tls);
        record.user_agent.iter().for_each(|agent| line.text("user_agent", agent));
        line.end();
    }

    fn time(&mut self, now: SystemTime, line: &mut Line<'_>) {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        if self.second != since.as_secs() || self.stamp.is_empty() {
            self.second = since.as_secs();
            self.stamp.clear();
            let time = jiff::Timestamp::from_second(self.second as i64).unwrap_or_default();
            // Writing to a string cannot fail.
            let _ = write!(self.stamp, "{}", time.strftime("%Y-%m-%dT%H:%M:%S"));
        }
        line.key("time");
        line.quote();
        line.out.extend_from_slice(self.stamp.as_bytes());
        line.out.push(b'.');
        line.digits(since.subsec_millis().into(), 3);
        line.out.push(b'Z');
        line.quote();
    }
}

/// A line that is being written.
struct Line<'a> {
    out: &'a mut Vec<u8>,
    is_json: bool,
    is_first: bool,
}

impl Line<'_> {
    fn begin(&mut self) {
        if self.is_json {
            self.out.push(b'{');
        }
    }

    fn end(&mut self) {
        self.out.extend_from_slice(if self.is_json { b"}\n" } else { b"\n" });
    }

    fn quote(&mut self) {
        if self.is_json {
            self.out.push(b'"');
        }
    }

    fn key(&mut self, key: &str) {
        if !std::mem::take(&mut self.is_first) {
            self.out.push(if self.is_json { b',' } else { b' ' });
        }
        self.quote();
        self.out.extend_from_slice(key.as_bytes());
        self.quote();
        self.out.push(if self.is_json { b':' } else { b'=' });
    }

    fn number(&mut self, key: &str, value: u64) {
        self.key(key);
        self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    fn flag(&mut self, key: &str, value: bool) {
        self.key(key);
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
    }

    /// Milliseconds with three places.
    fn millis(&mut self, key: &str, time: Duration) {
        let micros = time.as_micros() as u64;
        self.number(key, micros / 1000);
        self.out.push(b'.');
        self.digits(micros % 1000, 3);
    }

    fn digits(&mut self, value: u64, places: u32) {
        for place in (0..places).rev() {
            self.out.push(b'0' + (value / 10u64.pow(place) % 10) as u8);
        }
    }

    fn address(&mut self, key: &str, address: IpAddr) {
        self.key(key);
        self.quote();
        // Writing to memory cannot fail, and an address needs no escape.
        let _ = write!(Plain(self.out), "{address}");
        self.quote();
    }

    fn display(&mut self, key: &str, value: &dyn fmt::Display) {
        self.text(key, value.to_string().as_bytes());
    }

    fn text(&mut self, key: &str, value: &[u8]) {
        self.key(key);
        let is_bare = !self.is_json && !value.is_empty() && value.iter().all(is_plain);
        if is_bare {
            self.out.extend_from_slice(value);
            return;
        }
        self.out.push(b'"');
        for chunk in value.utf8_chunks() {
            chunk.valid().chars().for_each(|char| self.escaped(char));
            if !chunk.invalid().is_empty() {
                self.escaped(char::REPLACEMENT_CHARACTER);
            }
        }
        self.out.push(b'"');
    }

    fn escaped(&mut self, char: char) {
        match char {
            '"' => self.out.extend_from_slice(b"\\\""),
            '\\' => self.out.extend_from_slice(b"\\\\"),
            // Also what a terminal or a log viewer would take for an end of line or a command.
            char if char.is_control() || matches!(char, '\u{2028}' | '\u{2029}') => {
                let _ = write!(Plain(self.out), "\\u{:04x}", char as u32);
            }
            char => self.out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// Whether a byte can stand in a bare value.
fn is_plain(byte: &u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'=')
}

struct Plain<'a>(&'a mut Vec<u8>);

impl fmt::Write for Plain<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(path: &[u8], format: LogFormat) -> String {
        let record = AccessRecord {
            request_id: b"id1",
            client: "192.0.2.1".parse().unwrap(),
            listener: "web",
            protocol: "HTTP/1.1",
            tls: false,
            method: b"GET",
            host: b"a.b",
            path,
            status: 200,
            bytes_in: 1,
            bytes_out: 2,
            total: Duration::from_micros(1234),
            upstream_connect: None,
            upstream_first_byte: Some(Duration::from_micros(7)),
            route: Some(&"/*"),
            service: Some("api"),
            release: None,
            instance: Some("10.0.0.1:80"),
            attempts: 1,
            ending: Ending::Ok,
            user_agent: Some(b"curl 8"),
        };
        let mut out = Vec::new();
        let now = UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        AccessFormat::default().write(&record, now, format, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_is_key_and_value() {
        assert_eq!(
            line(b"/x", LogFormat::Text),
            "time=2023-11-14T22:13:20.123Z request_id=id1 client=192.0.2.1 method=GET host=a.b \
             path=/x status=200 bytes_in=1 bytes_out=2 duration_ms=1.234 first_byte_ms=0.007 \
             route=/* service=api instance=10.0.0.1:80 attempts=1 ending=ok listener=web \
             protocol=HTTP/1.1 tls=false user_agent=\"curl 8\"\n"
        );
    }

    #[test]
    fn json_is_one_object() {
        let line = line(b"/x", LogFormat::Json);
        assert!(line.starts_with("{\"time\":\"2023-11-14T22:13:20.123Z\",\"request_id\":\"id1\""));
        assert!(line.contains("\"status\":200,") && line.contains("\"duration_ms\":1.234,"));
        assert!(line.ends_with("\"user_agent\":\"curl 8\"}\n"));
    }

    #[test]
    fn nothing_that_a_client_sends_can_forge_a_line_or_a_field() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let line = line(b"/a\n status=500 \"\\\x1b[2J\xff", format);
            assert_eq!(line.matches('\n').count(), 1);
            assert!(line.contains("\"/a\\u000a status=500 \\\"\\\\\\u001b[2J\u{fffd}\""), "{line}");
        }
    }
}
