//! Events over the API, as they happen: in order, resumed after a break, with a word of what a slow follower misses.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use admin::{Client, EventLevel, EventStream, Server, SocketClaim, Told};
use telemetry::{Events, event};

mod scripted;

use scripted::Eventful;

fn serve() -> (tempfile::TempDir, Server, Client, Events) {
    let dir = tempfile::tempdir().unwrap();
    let events = Events::default();
    let claim = SocketClaim::new(dir.path()).unwrap();
    let server = admin::serve(claim, admin::router(Eventful(events.clone()))).unwrap();
    let client = Client::new(dir.path());
    (dir, server, client, events)
}

fn happen(events: &Events, service: &str) {
    events.emit(event::ServiceDown { service: service.into() });
}

/// The service that the next event is about.
async fn next(stream: &mut EventStream) -> String {
    match stream.next().await.unwrap().unwrap() {
        Told::Event(event) => event.fields["service"].as_str().unwrap().to_owned(),
        Told::Gap(gap) => panic!("{gap:?}"),
    }
}

#[tokio::test]
async fn an_event_is_told_with_its_kind_its_time_and_its_fields() {
    let (_dir, _server, client, events) = serve();
    events.emit(event::InstanceEjected {
        service: "api".into(),
        instance: "api-1".into(),
        why: "5 failures in a row".to_owned(),
        seconds: std::time::Duration::from_millis(1500),
    });
    let admin::Events { events, last } = client.events().await.unwrap();
    let [event] = &events[..] else { panic!("{events:?}") };
    assert_eq!((event.id.as_str(), event.kind.as_str()), (last.as_str(), "instance_ejected"));
    assert_eq!((event.level, event.message.as_str()), (EventLevel::Warn, "instance is ejected"));
    let fields = serde_json::json!({
        "service": "api", "instance": "api-1", "why": "5 failures in a row", "seconds": 1.5
    });
    assert_eq!(serde_json::Value::Object(event.fields.clone()), fields);
    assert!(event.at.ends_with('Z'), "{}", event.at);
}

#[tokio::test]
async fn a_stream_goes_on_after_the_last_event_that_was_seen() {
    let (_dir, _server, client, events) = serve();
    happen(&events, "a");
    let seen = client.events().await.unwrap();
    happen(&events, "b");
    let mut stream = client.follow_events(&seen.last).await.unwrap();
    assert_eq!(next(&mut stream).await, "b");
    happen(&events, "c");
    assert_eq!(next(&mut stream).await, "c");
    drop(stream);
    happen(&events, "d");
    let mut resumed = client.follow_events(&seen.last).await.unwrap();
    for service in ["b", "c", "d"] {
        assert_eq!(next(&mut resumed).await, service);
    }
    // The first id stands for before all events.
    let start = seen.last.split_once('-').unwrap().0;
    let mut all = client.follow_events(&format!("{start}-0")).await.unwrap();
    assert_eq!(next(&mut all).await, "a");
}

#[tokio::test]
async fn who_followed_another_start_is_told_so_and_gets_what_is_kept() {
    let (_dir, _server, client, events) = serve();
    happen(&events, "a");
    let mut stream = client.follow_events("1-7").await.unwrap();
    let Some(Told::Gap(gap)) = stream.next().await.unwrap() else { panic!("no gap") };
    assert_eq!(gap.missed, None);
    assert_eq!(next(&mut stream).await, "a");
    // Of an event that is yet to happen nothing was seen.
    let start = client.events().await.unwrap().last;
    let start = start.split_once('-').unwrap().0;
    let mut ahead = client.follow_events(&format!("{start}-99")).await.unwrap();
    let Some(Told::Gap(gap)) = ahead.next().await.unwrap() else { panic!("no gap") };
    assert_eq!(gap.missed, None);
    assert_eq!(next(&mut ahead).await, "a");
    let wrong = client.follow_events("yesterday").await;
    let Err(admin::ClientError::Problem(problem)) = wrong else { panic!("{wrong:?}") };
    assert_eq!(problem.status, 400);
}

#[tokio::test]
async fn a_follower_that_reads_too_slowly_is_told_how_much_it_missed() {
    const HAPPENED: u64 = 4000;
    let (_dir, _server, client, events) = serve();
    let mut stream = client.follow_events(&client.events().await.unwrap().last).await.unwrap();
    // More than the connection and what is kept can hold together.
    let why = "x".repeat(8 << 10);
    for _ in 0..HAPPENED {
        events.emit(event::AddressesNotApplied { why: why.clone() });
        tokio::task::yield_now().await;
    }
    let (mut seen, mut gaps) = (0, 0);
    while seen < HAPPENED {
        match stream.next().await.unwrap().unwrap() {
            Told::Event(event) => {
                let number: u64 = event.id.rsplit('-').next().unwrap().parse().unwrap();
                assert_eq!(number, seen + 1, "nothing is left out without a word");
                seen = number;
            }
            Told::Gap(gap) => {
                gaps += 1;
                seen += gap.missed.unwrap();
            }
        }
    }
    assert!(gaps > 0, "it was too slow");
}

#[tokio::test]
async fn followers_leave_seats_to_commands() {
    let (_dir, _server, client, events) = serve();
    let last = client.events().await.unwrap().last;
    let mut followers = Vec::new();
    let problem = loop {
        assert!(followers.len() < 256, "as many as a listener has seats");
        match client.follow_events(&last).await {
            Ok(stream) => followers.push(stream),
            Err(admin::ClientError::Problem(problem)) => break problem,
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!((problem.status, followers.len()), (503, 64));
    assert_eq!(problem.kind, admin::Kind::TooManyFollowers);
    client.events().await.unwrap();
    happen(&events, "a");
    assert_eq!(next(&mut followers[0]).await, "a");
    // One that has gone makes room, as soon as that is seen.
    drop(followers.pop());
    let again = async {
        while client.follow_events(&last).await.is_err() {
            happen(&events, "b");
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), again).await.unwrap();
}

#[tokio::test]
async fn a_stream_ends_with_plimsoll() {
    let (_dir, _server, client, events) = serve();
    let end = events.close_on_drop();
    let mut stream = client.follow_events(&client.events().await.unwrap().last).await.unwrap();
    happen(&events, "a");
    drop(end);
    assert_eq!(next(&mut stream).await, "a");
    assert_eq!(stream.next().await.unwrap(), None);
}
