//! Destinations that are slow, full or gone: they cost lines, and nothing else.

use std::io::{self, ErrorKind};
use std::time::Duration;

use model::LogFormat;
use telemetry::{Destination, LogSink};

use crate::destination::{Failing, Gate};
use crate::{LONG, end, paths, record, tell};

#[test]
fn a_stuck_destination_costs_lines_and_never_holds_up_a_worker() {
    let (gate, destination) = Gate::closed();
    let sink = LogSink::start(destination, LogFormat::Text, Default::default()).unwrap();
    let mut writer = sink.writer().unwrap();
    let mut lines = 0;
    // Were it held up, this would never end, since nobody opens the gate.
    while sink.dropped_lines() == 0 {
        writer.write(&record(&format!("/{lines}")));
        lines += 1;
    }
    let written = gate.open();
    end(writer, &sink);
    let paths = paths(&written.bytes());
    assert_eq!(paths.len() as u64 + sink.dropped_lines(), lines);
    let first: Vec<_> = (0..paths.len()).map(|n| format!("/{n}")).collect();
    assert_eq!(paths, first, "the oldest lines are kept, whole and in order");
}

#[test]
fn a_slow_destination_has_no_effect_on_another_worker_s_buffers() {
    let (gate, destination) = Gate::closed();
    let sink = LogSink::start(destination, LogFormat::Text, Default::default()).unwrap();
    let (mut greedy, mut modest) = (sink.writer().unwrap(), sink.writer().unwrap());
    while sink.dropped_lines() == 0 {
        greedy.write(&record("/greedy"));
    }
    let dropped = sink.dropped_lines();
    tell(&mut modest, "/modest");
    assert_eq!(sink.dropped_lines(), dropped);
    let written = gate.open();
    drop(greedy);
    end(modest, &sink);
    assert!(paths(&written.bytes()).contains(&"/modest".to_owned()));
}

#[test]
fn what_cannot_be_written_is_counted_and_what_follows_is_written() {
    let (written, destination) = Failing::with(&[ErrorKind::StorageFull, ErrorKind::BrokenPipe]);
    let sink = LogSink::start(destination, LogFormat::Text, Default::default()).unwrap();
    let mut writer = sink.writer().unwrap();
    ["/1", "/2", "/3"].iter().for_each(|path| tell(&mut writer, path));
    end(writer, &sink);
    assert_eq!(paths(&written.bytes()), ["/3"]);
    assert_eq!((sink.dropped_lines(), sink.write_errors()), (2, 2));
}

#[test]
fn a_reader_that_went_away_costs_lines_only() {
    let (reader, pipe) = io::pipe().unwrap();
    let sink =
        LogSink::start(Destination::Other(Box::new(pipe)), LogFormat::Text, Default::default())
            .unwrap();
    let mut writer = sink.writer().unwrap();
    drop(reader);
    tell(&mut writer, "/x");
    end(writer, &sink);
    assert_eq!((sink.dropped_lines(), sink.write_errors()), (1, 1));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_costs_lines_only() {
    let destination = Destination::File("/dev/full".into());
    let sink = LogSink::start(destination, LogFormat::Text, Default::default()).unwrap();
    let mut writer = sink.writer().unwrap();
    tell(&mut writer, "/x");
    end(writer, &sink);
    assert_eq!((sink.dropped_lines(), sink.write_errors()), (1, 1));
}

#[test]
fn a_shutdown_gives_up_at_its_limit_and_may_be_waited_for_again() {
    let (gate, destination) = Gate::closed();
    let sink = LogSink::start(destination, LogFormat::Text, Default::default()).unwrap();
    let mut writer = sink.writer().unwrap();
    tell(&mut writer, "/x");
    gate.knocks.recv().unwrap();
    let limit = Duration::from_millis(1);
    assert_eq!(sink.shutdown(limit).unwrap_err().limit, limit);
    let written = gate.open();
    end(writer, &sink);
    assert_eq!(paths(&written.bytes()), ["/x"]);
}

#[test]
fn what_comes_after_the_end_is_counted_as_dropped() {
    let (written, destination) = Failing::with(&[]);
    let sink = LogSink::start(destination, LogFormat::Text, Default::default()).unwrap();
    let mut writer = sink.writer().unwrap();
    sink.shutdown(LONG).unwrap();
    assert!(sink.writer().is_none());
    (0..3).for_each(|_| tell(&mut writer, "/late"));
    assert_eq!((written.bytes().len(), sink.dropped_lines()), (0, 3));
}

#[test]
fn a_quiet_worker_s_line_arrives_when_it_is_flushed() {
    let (gate, destination) = Gate::closed();
    let sink = LogSink::start(destination, LogFormat::Text, Default::default()).unwrap();
    let mut writer = sink.writer().unwrap();
    writer.write(&record("/x"));
    assert!(gate.knocks.try_recv().is_err());
    writer.flush();
    gate.knocks.recv_timeout(LONG).unwrap();
    gate.open();
    end(writer, &sink);
}
