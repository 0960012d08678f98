//! What arrives where.

use std::fs;

use model::{AccessLog, LogFormat};
use telemetry::{Destination, LogSink};

use crate::destination::Failing;
use crate::{LONG, end, paths, record, tell};

#[test]
fn lines_of_all_workers_arrive_whole_and_in_each_workers_order() {
    const LINES: usize = 2_000;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let sink = LogSink::start(Destination::File(path.clone()), LogFormat::Text, Default::default())
        .unwrap();
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let mut writer = sink.writer().unwrap();
            scope.spawn(move || {
                (0..LINES).for_each(|n| writer.write(&record(&format!("/{worker}/{n}"))));
            });
        }
    });
    sink.shutdown(LONG).unwrap();
    let paths = paths(&fs::read(path).unwrap());
    for worker in 0..4 {
        let prefix = format!("/{worker}/");
        let mine = paths.iter().filter_map(|path| path.strip_prefix(&prefix));
        let wanted = (0..LINES).map(|n| n.to_string());
        assert!(mine.eq(wanted), "of worker {worker}");
    }
    assert_eq!((paths.len(), sink.dropped_lines()), (4 * LINES, 0));
}

#[test]
fn after_a_rotation_lines_go_to_the_new_file() {
    let folder = tempfile::tempdir().unwrap();
    let (path, rotated) = (folder.path().join("access.log"), folder.path().join("access.log.1"));
    let sink = LogSink::start(Destination::File(path.clone()), LogFormat::Text, Default::default())
        .unwrap();
    let mut writer = sink.writer().unwrap();
    tell(&mut writer, "/before");
    fs::rename(&path, &rotated).unwrap();
    sink.reopen();
    tell(&mut writer, "/after");
    end(writer, &sink);
    let (old, new) = (paths(&fs::read(rotated).unwrap()), paths(&fs::read(path).unwrap()));
    assert_eq!([old, new.clone()].concat(), ["/before", "/after"], "nothing is lost");
    assert_eq!(new.last().unwrap(), "/after");
}

#[test]
fn a_file_that_cannot_be_opened_anew_is_used_on() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, moved) = (folder.path().join("logs"), folder.path().join("moved"));
    fs::create_dir(&dir).unwrap();
    let destination = Destination::File(dir.join("access.log"));
    let sink = LogSink::start(destination, LogFormat::Text, Default::default()).unwrap();
    let mut writer = sink.writer().unwrap();
    fs::rename(&dir, &moved).unwrap();
    // Where its directory was is something else now, so that it cannot be made again.
    fs::write(&dir, "").unwrap();
    sink.reopen();
    tell(&mut writer, "/x");
    end(writer, &sink);
    assert_eq!(paths(&fs::read(moved.join("access.log")).unwrap()), ["/x"]);
}

#[test]
fn a_log_that_was_off_can_be_switched_on_and_its_format_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let sink =
        LogSink::start(Destination::from(&AccessLog::Off), LogFormat::Text, Default::default())
            .unwrap();
    let mut writer = sink.writer().unwrap();
    assert!(!writer.is_on());
    tell(&mut writer, "/off");
    let file = AccessLog::File(path.clone());
    sink.redirect(Destination::from(&file), LogFormat::Json).unwrap();
    assert!(writer.is_on());
    tell(&mut writer, "/on");
    end(writer, &sink);
    let log = fs::read_to_string(path).unwrap();
    assert!(log.starts_with("{\"time\":") && log.contains("\"path\":\"/on\""), "{log}");
    assert_eq!((log.lines().count(), sink.dropped_lines()), (1, 0));
}

#[test]
fn a_destination_that_cannot_be_opened_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let nowhere = folder.path().join("file/access.log");
    assert!(
        LogSink::start(Destination::File(nowhere.clone()), LogFormat::Text, Default::default())
            .is_err()
    );
    let (written, destination) = Failing::with(&[]);
    let sink = LogSink::start(destination, LogFormat::Text, Default::default()).unwrap();
    let mut writer = sink.writer().unwrap();
    assert!(sink.redirect(Destination::File(nowhere), LogFormat::Json).is_err());
    tell(&mut writer, "/x");
    end(writer, &sink);
    assert_eq!(paths(&written.bytes()), ["/x"]);
}
