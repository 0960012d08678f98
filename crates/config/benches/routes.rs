//! How long a file with ten thousand routes takes: `cargo bench -p config`.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::fmt::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use config::{Environment, Origin};
use mimalloc::MiMalloc;

/// The allocator that the program uses.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const ROUTES: usize = 10_000;
const SERVICES: usize = 100;
const ROUNDS: usize = 21;

fn main() {
    measure("host, path, to", |route| {
        format!("host = \"h{}.example.com\"\npath = \"/p{route}/*\"\n", route / 10)
    });
    measure("also methods, headers, rewrite", |route| {
        format!(
            "host = \"h{}.example.com\"\npath = \"/p{route}/*\"\nmethods = [\"GET\", \"POST\"]\n\
             headers = {{ \"x-beta\" = \"{route}\" }}\nrewrite = {{ strip_prefix = \"/p{route}\" }}\n",
            route / 10,
        )
    });
}

fn measure(what: &str, body: impl Fn(usize) -> String) {
    let text = file(body);
    let environment = Environment::fixed();
    let origin = Origin { name: "routes.toml".to_owned(), dir: PathBuf::from("/"), environment };
    let mut times: Vec<Duration> = (0..ROUNDS).map(|_| time(&text, &origin)).collect();
    times.sort_unstable();
    println!(
        "{ROUTES} routes ({what}), {} KiB: best {:.1} ms, median {:.1} ms, worst {:.1} ms",
        text.len() >> 10,
        milliseconds(times[0]),
        milliseconds(times[ROUNDS / 2]),
        milliseconds(times[ROUNDS - 1]),
    );
}

fn time(text: &str, origin: &Origin) -> Duration {
    let start = Instant::now();
    let loaded = config::parse(text, origin).expect("the file is well formed");
    let elapsed = start.elapsed();
    assert_eq!(loaded.intent.routes.len(), ROUTES);
    elapsed
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// A file whose routes begin with what `body` says.
fn file(body: impl Fn(usize) -> String) -> String {
    let mut text = String::from("[listeners.web]\nbind = \"0.0.0.0:8080\"\n\n");
    for service in 0..SERVICES {
        let _ = writeln!(text, "[services.s{service}]\ntargets = [\"10.0.0.{service}:80\"]\n");
    }
    for route in 0..ROUTES {
        let _ = writeln!(text, "[[routes]]\n{}to = \"s{}\"\n", body(route), route % SERVICES);
    }
    text
}
