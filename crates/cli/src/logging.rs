//! Plimsoll's own log, on standard error. The access log is none of its business.

use std::io::{self, IsTerminal};

use jiff::Timestamp;
use model::{Intent, Log, LogFormat, LogLevel};
use tokio::sync::watch;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt, reload};

/// The log's level, which can be changed while it is written.
pub(crate) struct Level(reload::Handle<EnvFilter, Registry>);

/// Begins to log as `log` wants it.
pub(crate) fn start(log: &Log) -> Level {
    let (filter, handle) = reload::Layer::new(filter(log.level));
    let layer = fmt::layer().with_writer(io::stderr).with_target(false);
    let registry = tracing_subscriber::registry().with(filter);
    match log.format {
        LogFormat::Text if io::stderr().is_terminal() => {
            registry.with(layer.with_ansi(true).with_timer(TimeOfDay)).init();
        }
        LogFormat::Text => registry.with(layer.with_ansi(false)).init(),
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).init(),
    }
    Level(handle)
}

/// For a person who reads along: the time of day in UTC, to the second. Files and pipes have it whole.
struct TimeOfDay;

impl FormatTime for TimeOfDay {
    fn format_time(&self, writer: &mut Writer<'_>) -> std::fmt::Result {
        write!(writer, "{}", Timestamp::now().strftime("%H:%M:%SZ"))
    }
}

impl Level {
    /// Follows what is wanted from now on.
    pub(crate) async fn follow(self, mut intent: watch::Receiver<std::sync::Arc<Intent>>) {
        while intent.changed().await.is_ok() {
            let level = intent.borrow_and_update().log.level;
            // The log is there as long as the process.
            let _ = self.0.reload(filter(level));
        }
    }
}

/// What is written at `level`. Libraries are heard from `debug` on only where they warn: they log
/// each frame. Those that read what clients send are heard at `trace` alone: they warn of each frame
/// that is odd, so that a client could fill the disk, and without its address. What is to be known
/// of it is said by who uses them.
fn filter(level: LogLevel) -> EnvFilter {
    EnvFilter::new(match level {
        LogLevel::Error => "error,h2=off,rustls=off",
        LogLevel::Warn => "warn,h2=off,rustls=off",
        LogLevel::Info => "info,h2=off,rustls=off",
        LogLevel::Debug => {
            "warn,h2=off,rustls=off,plimsoll=debug,admin=debug,control=debug,edge=debug,wire=debug,\
             telemetry=debug"
        }
        LogLevel::Trace => "trace",
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(line);
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written at `level` of what a library and we have to say.
    fn written(level: LogLevel) -> String {
        let written = Written::default();
        let to = written.clone();
        let layer = fmt::layer().with_writer(move || to.clone()).with_ansi(false);
        let subscriber = tracing_subscriber::registry().with(filter(level)).with(layer);
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(target: "h2::proto::ping_pong", "a frame is odd");
            tracing::error!(target: "rustls::common_state", "an alert came");
            tracing::error!(target: "edge::accept", "somebody must act");
        });
        String::from_utf8(written.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn libraries_say_nothing_of_what_a_client_sends_unless_all_is_wanted() {
        for level in [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug] {
            let written = written(level);
            assert!(written.contains("somebody must act"), "{level:?}: {written}");
            assert_eq!(written.lines().count(), 1, "{level:?}: {written}");
        }
        assert_eq!(written(LogLevel::Trace).lines().count(), 3);
    }
}
