//! The log's thread, its destinations and its workers' ends, together.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod destination;
mod files;
mod trouble;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use telemetry::{AccessRecord, Ending, LogSink, LogWriter};

/// How long to wait for what must happen.
const LONG: Duration = Duration::from_secs(60);

fn record(path: &str) -> AccessRecord<'_> {
    AccessRecord {
        request_id: b"id",
        client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        listener: "web",
        protocol: "HTTP/1.1",
        tls: false,
        method: b"GET",
        host: b"localhost",
        path: path.as_bytes(),
        status: 200,
        grpc_status: None,
        bytes_in: 1,
        bytes_out: 1,
        total: Duration::from_micros(1),
        upstream_connect: None,
        upstream_first_byte: None,
        route: None,
        auth: None,
        subject: None,
        limit: None,
        service: None,
        release: None,
        instance: None,
        attempts: 0,
        ending: Ending::Respond,
        user_agent: None,
    }
}

/// Writes one line and hands it over.
fn tell(writer: &mut LogWriter, path: &str) {
    writer.write(&record(path));
    writer.flush();
}

fn end(writer: LogWriter, sink: &LogSink) {
    drop(writer);
    sink.shutdown(LONG).unwrap();
}

/// The paths of the lines of a log.
fn paths(log: &[u8]) -> Vec<String> {
    let log = std::str::from_utf8(log).unwrap();
    assert!(log.is_empty() || log.ends_with('\n'), "{log}");
    let path = |line: &str| {
        let (_, rest) = line.split_once(" path=").unwrap();
        rest.split_once(' ').unwrap().0.to_owned()
    };
    log.lines().map(path).collect()
}
