use std::collections::BTreeSet;
use std::fmt::Write;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::SystemTime;

use super::*;

/// What is written into the log while `work` runs, a line for each event.
fn logged(work: impl FnOnce()) -> String {
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let written = Written::default();
    let to = written.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(Level::TRACE)
        .with_ansi(false)
        .with_target(false)
        .without_time()
        .with_writer(move || to.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, work);
    String::from_utf8(written.0.lock().unwrap().clone()).unwrap()
}

/// What a follower reads at once; `None` where it has to wait.
fn read(follower: &mut Follower) -> Option<Option<Followed>> {
    let mut next = pin!(follower.next());
    match next.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(next) => Some(next),
        Poll::Pending => None,
    }
}

/// All that a follower reads now, in words.
fn read_all(follower: &mut Follower) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(next) = read(follower) {
        match next {
            Some(Followed::Event(recorded)) => all.push(recorded.id.number.to_string()),
            Some(Followed::Gap(Gap { missed: Some(missed) })) => {
                all.push(format!("{missed} missed"))
            }
            Some(Followed::Gap(Gap { missed: None })) => all.push("restarted".to_owned()),
            None => {
                all.push("end".to_owned());
                break;
            }
        }
    }
    all
}

fn happen(events: &Events, times: usize) {
    (0..times).for_each(|_| events.emit(ServiceDown { service: "api".into() }));
}

#[test]
fn each_kind_has_one_line_in_the_log_and_says_the_same_to_those_that_follow() {
    let examples = Event::examples();
    let kinds: Vec<_> = examples.iter().map(Event::kind).collect();
    assert_eq!(kinds, Kind::ALL, "an example of each kind, in order");
    let mut all = String::new();
    for event in examples {
        let events = Events::new(SystemTime::UNIX_EPOCH);
        let line = logged(|| events.emit(event));
        assert_eq!(line.lines().count(), 1, "{line}");
        let recent = events.recent();
        let kind = recent[0].event.kind();
        let level = level_word(kind.level()).to_uppercase();
        assert_eq!(line.trim_start().split_once(' ').unwrap().0, level);
        let names: Vec<_> = recent[0].event.fields().into_iter().map(|(name, _)| name).collect();
        let declared: Vec<_> = kind.fields().iter().map(|(name, _)| *name).collect();
        assert_eq!(names, declared, "{kind:?}");
        let has = |name: &&str| line.contains(&format!(" {name}="));
        assert!(names.iter().all(has) && line.contains(kind.message()), "{line}");
        write!(all, "{line}").unwrap();
    }
    insta::assert_snapshot!(all);
}

#[test]
fn words_and_fields_are_known_once() {
    let words: BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.word()).collect();
    assert_eq!(words.len(), Kind::ALL.len());
    let of_kinds: BTreeSet<_> =
        Kind::ALL.iter().flat_map(|kind| kind.fields()).map(|(name, _)| *name).collect();
    let known: Vec<_> = FIELDS.iter().map(|(name, _)| *name).collect();
    assert_eq!(known, of_kinds.into_iter().collect::<Vec<_>>(), "FIELDS has each field, in order");
    let typed: BTreeSet<_> = Kind::ALL.iter().flat_map(|kind| kind.fields()).collect();
    assert_eq!(typed.len(), known.len(), "a field has one type: {typed:?}");
    for kind in Kind::ALL {
        let of_name =
            kind.struct_name().chars().enumerate().fold(String::new(), |word, (at, c)| {
                let separator = if at > 0 && c.is_uppercase() { "_" } else { "" };
                word + separator + &c.to_lowercase().to_string()
            });
        assert_eq!(kind.word(), of_name, "the word is the struct's name");
        assert!(!kind.meaning().contains('|') && kind.meaning().ends_with('.'), "{kind:?}");
    }
}

#[test]
fn the_order_of_numbers_is_the_order_of_the_log_also_where_several_threads_tell() {
    let events = Events::default();
    let mut follower = events.follow(None);
    let log = logged(|| {
        // Each thread hands its lines to the same log.
        let dispatch = tracing::dispatcher::get_default(Clone::clone);
        std::thread::scope(|scope| {
            for thread in 0..4u32 {
                let (events, dispatch) = (events.clone(), dispatch.clone());
                scope.spawn(move || {
                    tracing::dispatcher::with_default(&dispatch, || {
                        for number in 0..50 {
                            let why = format!("{thread}.{number}");
                            events.emit(AddressesNotApplied { why });
                        }
                    });
                });
            }
        });
    });
    let of_log: Vec<_> = log.lines().map(|line| line.rsplit('"').nth(1).unwrap()).collect();
    let mut followed = Vec::new();
    while let Some(Some(Followed::Event(recorded))) = read(&mut follower) {
        let Event::AddressesNotApplied(AddressesNotApplied { why }) = &recorded.event else {
            panic!("{recorded:?}");
        };
        followed.push(why.clone());
    }
    assert_eq!(followed, of_log);
    assert_eq!(followed.len(), 200);
}

#[test]
fn a_follower_reads_what_happens_from_now_on_and_wakes_for_it() {
    let events = Events::default();
    happen(&events, 3);
    let mut follower = events.follow(None);
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    {
        let mut next = pin!(follower.next());
        assert!(next.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        happen(&events, 1);
        assert_eq!(*woken.0.lock().unwrap(), 1);
    }
    assert_eq!(read_all(&mut follower), ["4"]);
}

#[derive(Default)]
struct Woken(Mutex<usize>);

impl std::task::Wake for Woken {
    fn wake(self: Arc<Self>) {
        *self.0.lock().unwrap() += 1;
    }
}

#[test]
fn a_follower_resumes_where_it_was_and_is_told_what_it_missed() {
    let events = Events::default();
    happen(&events, 3);
    let first = events.recent()[0].id;
    assert_eq!(read_all(&mut events.follow(Some(first))), ["2", "3"]);
    let mut slow = events.follow(Some(first));
    happen(&events, EVENTS_MAX);
    assert_eq!(events.recent().len(), EVENTS_MAX);
    let read = read_all(&mut slow);
    assert_eq!(read[..2], ["2 missed", "4"]);
    assert_eq!(read.len(), 1 + EVENTS_MAX);
    // What is yet to happen was seen by nobody.
    let ahead = EventId { number: 9999, ..first };
    assert_eq!(read_all(&mut events.follow(Some(ahead)))[..3], ["restarted", "3 missed", "4"]);
    // Another start of Plimsoll has counted anew.
    let other = EventId { start: first.start + 1, number: 2 };
    let read = read_all(&mut events.follow(Some(other)));
    assert_eq!(read[..3], ["restarted", "3 missed", "4"]);
}

#[test]
fn what_is_kept_is_bounded_in_bytes_too() {
    let events = Events::default();
    let mut follower = events.follow(None);
    let tell = |bytes: usize| events.emit(AddressesNotApplied { why: "x".repeat(bytes) });
    (0..9).for_each(|_| tell(EVENTS_BYTES_MAX / 4));
    assert_eq!(read_all(&mut follower), ["5 missed", "6", "7", "8", "9"]);
    tell(EVENTS_BYTES_MAX * 2);
    assert_eq!(events.recent().len(), 1, "the latest is kept whatever it has");
    tell(1);
    assert_eq!(events.recent().len(), 1);
}

#[test]
fn followers_come_to_the_end_and_the_log_goes_on() {
    let events = Events::default();
    let close = events.close_on_drop();
    let mut follower = events.follow(None);
    happen(&events, 1);
    drop(close);
    let log = logged(|| happen(&events, 1));
    assert_eq!(log.lines().count(), 1);
    assert_eq!(read_all(&mut follower), ["1", "end"]);
    assert_eq!(read_all(&mut events.follow(None)), ["end"]);
}

#[test]
fn ids_are_read_as_they_are_written() {
    let id = EventId { start: 0x19ab_34ff, number: 42 };
    assert_eq!((id.to_string().as_str(), "19ab34ff-42".parse()), ("19ab34ff-42", Ok(id)));
    for text in ["", "42", "-", "x-1", "1-x", "1-", "-1", "1-2-3", "1--2"] {
        assert_eq!(text.parse::<EventId>(), Err(NotAnId), "{text}");
    }
}
