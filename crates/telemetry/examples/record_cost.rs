//! What recording one exchange costs, in nanoseconds: the least and the median of rounds, one
//! thread, everything in the cache. A machine that does other things shows in the median. `cargo run --release -p telemetry --example record_cost`

#![expect(clippy::print_stdout, reason = "it is a program that prints")]

use std::hint::black_box;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant, SystemTime};

use model::LogFormat;
use telemetry::{
    AccessFormat, AccessRecord, Counter, Destination, Ending, EndingCounters, Histogram, LogSink,
};

const ROUNDS: usize = 31;
const TIMES: u32 = 50_000;

fn main() -> io::Result<()> {
    counting();
    for format in [LogFormat::Text, LogFormat::Json] {
        writing(format);
        logging(Destination::Other(Box::new(io::sink())), format, &format!("{format:?}, on"))?;
    }
    logging(Destination::Off, LogFormat::Text, "off")
}

/// Prints the least and the median cost of `work`.
fn measure(what: &str, mut work: impl FnMut(u32)) {
    let mut costs: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let began = Instant::now();
            (0..TIMES).for_each(&mut work);
            began.elapsed().as_nanos() as f64 / f64::from(TIMES)
        })
        .collect();
    costs.sort_by(f64::total_cmp);
    println!("{what:<32} {:>7.1} ns {:>7.1} ns", costs[0], costs[ROUNDS / 2]);
}

fn counting() {
    let (counter, endings) = (Counter::default(), EndingCounters::default());
    measure("Counter::add", |n| black_box(&counter).add(u64::from(n)));
    measure("EndingCounters::count", |n| {
        black_box(&endings).count(Ending::ALL[n as usize % Ending::ALL.len()]);
    });
    let histogram = Histogram::default();
    measure("Histogram::record", |n| {
        black_box(&histogram).record(Duration::from_micros(u64::from(n)));
    });
    black_box((counter, endings, histogram));
}

fn record(n: u32) -> AccessRecord<'static> {
    AccessRecord {
        request_id: b"01jd3vq8z2m4t7x9",
        client: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 17)),
        listener: "web",
        protocol: "HTTP/1.1",
        tls: true,
        method: b"GET",
        host: b"shop.example.com",
        path: b"/catalogue/shoes/42/reviews",
        status: 200,
        grpc_status: None,
        bytes_in: 612,
        bytes_out: 5204 + u64::from(n),
        total: Duration::from_micros(1_340),
        upstream_connect: None,
        upstream_first_byte: Some(Duration::from_micros(1_102)),
        route: Some(&"shop.example.com/catalogue/*"),
        auth: None,
        subject: None,
        limit: None,
        service: Some("shop"),
        release: Some("1.4.2"),
        instance: Some("10.0.0.11:8080"),
        attempts: 1,
        ending: Ending::Ok,
        user_agent: Some(
            b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
              Chrome/126.0.0.0 Safari/537.36",
        ),
    }
}

fn writing(format: LogFormat) {
    let mut line = AccessFormat::default();
    let mut out = Vec::with_capacity(64 * 1024);
    let now = SystemTime::now();
    measure(&format!("AccessFormat::write, {format:?}"), |n| {
        out.clear();
        line.write(black_box(&record(n)), now, format, &mut out);
        black_box(&out);
    });
    println!("  a line of {} bytes", out.len());
}

/// With the clock, the batches and the thread that takes them.
fn logging(destination: Destination, format: LogFormat, what: &str) -> io::Result<()> {
    let sink = LogSink::start(destination, format, Default::default())?;
    let mut writer = sink.writer().expect("it has only begun");
    measure(&format!("LogWriter::write, {what}"), |n| writer.write(black_box(&record(n))));
    drop(writer);
    println!("  dropped lines: {}", sink.dropped_lines());
    sink.close();
    Ok(())
}
