//! Recording a request allocates nothing.

use std::fmt;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use model::LogFormat;
use telemetry::{AccessRecord, Counter, Destination, Ending, EndingCounters, Histogram, LogSink};

/// A route that is written in pieces.
struct Route(&'static str, &'static str);

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/*", self.0, self.1)
    }
}

fn record() -> AccessRecord<'static> {
    AccessRecord {
        request_id: b"01jd3vq8z2m4t7",
        client: IpAddr::V6(Ipv6Addr::LOCALHOST),
        listener: "web",
        protocol: "HTTP/1.1",
        tls: false,
        method: b"GET",
        host: b"shop.example.com",
        path: b"/caf\xc3\xa9/\xff\"quoted\"\n?token=1",
        status: 200,
        grpc_status: None,
        bytes_in: 312,
        bytes_out: 5204,
        total: Duration::from_micros(12_340),
        upstream_connect: Some(Duration::from_micros(410)),
        upstream_first_byte: Some(Duration::from_micros(11_902)),
        route: Some(&Route("GET", "*.example.com")),
        auth: Some("users"),
        subject: Some("alice"),
        limit: Some("per-user"),
        service: Some("shop"),
        release: Some("1.4.2"),
        instance: Some("10.0.0.11:8080"),
        attempts: 2,
        ending: Ending::Ok,
        user_agent: Some(b"Mozilla/5.0 (X11; Linux x86_64)"),
    }
}

/// Takes nothing until the other end of its channel is gone, and then everything.
struct Gate(Receiver<()>);

impl Write for Gate {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.0.recv();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn counting_allocates_nothing() {
    let (counter, endings, histogram) =
        (Counter::default(), EndingCounters::default(), Histogram::default());
    let info = allocation_counter::measure(|| {
        for n in 0..10_000 {
            counter.add(1);
            endings.count(Ending::ALL[n % Ending::ALL.len()]);
            histogram.record(Duration::from_micros(n as u64));
        }
    });
    assert_eq!(info.count_total, 0);
}

#[test]
fn logging_allocates_nothing_once_the_buffers_are_made() {
    for format in [LogFormat::Text, LogFormat::Json] {
        let (open, opened) = channel();
        let sink =
            LogSink::start(Destination::Other(Box::new(Gate(opened))), format, Default::default())
                .unwrap();
        let mut writer = sink.writer().unwrap();
        let record = record();
        // What is dropped tells that all buffers are made.
        while sink.dropped_lines() == 0 {
            writer.write(&record);
        }
        drop(open);
        let info = allocation_counter::measure(|| {
            for _ in 0..100 {
                (0..100).for_each(|_| writer.write(&record));
                writer.flush();
            }
        });
        assert_eq!(info.count_total, 0, "{format:?}");
        drop(writer);
        sink.shutdown(Duration::from_secs(60)).unwrap();
    }
}
