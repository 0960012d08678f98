//! The client against servers that answer, stall, refuse and lie.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use load::{LoadPlan, OpenLoop, Rate, Tally, Workload, Wrong};

const DEADLINE: Duration = Duration::from_secs(20);

/// Each answer must repeat the number of its request.
struct Echo;

impl Workload for Echo {
    fn request(&self, number: u64) -> Request<Full<Bytes>> {
        Request::get(format!("/{number}")).header("host", "test").body(Full::default()).unwrap()
    }

    fn judge(&self, number: u64, answer: &Response<Bytes>) -> Result<String, Wrong> {
        if answer.body() == format!("/{number}").as_bytes() {
            Ok("echo".to_owned())
        } else {
            Err(Wrong("another's answer".to_owned()))
        }
    }
}

/// Answers each request for a path with what `answer` makes of it; a connection ends with `None`.
fn serve(answer: impl Fn(&str) -> Option<String> + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let answer = answer.clone();
            std::thread::spawn(move || converse(stream, answer));
        }
    });
    address
}

fn converse(mut stream: TcpStream, answer: impl Fn(&str) -> Option<String>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    while let Some(first) = lines.next() {
        if lines.by_ref().find(|line| line.is_empty()).is_none() {
            return;
        }
        let path = first.split(' ').nth(1).unwrap();
        let Some(body) = answer(path) else { return };
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        if stream.write_all(format!("{head}{body}").as_bytes()).is_err() {
            return;
        }
    }
}

fn plan(address: SocketAddr) -> LoadPlan {
    let rate = Rate(NonZeroU32::new(500).unwrap());
    LoadPlan { address, rate, timeout: Duration::from_secs(10) }
}

/// Runs a client until `enough` is so, then to its end.
async fn run(plan: LoadPlan, enough: impl Fn(&Tally) -> bool) -> Tally {
    let client = OpenLoop::start(plan, Echo);
    let begin = Instant::now();
    while !enough(&client.tally()) {
        assert!(begin.elapsed() < DEADLINE, "{:?}", client.tally());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    client.stop().await
}

#[tokio::test]
async fn every_answer_is_counted() {
    let tally =
        run(plan(serve(|path| Some(path.to_owned()))), |tally| tally.answered() >= 50).await;
    assert_eq!((tally.failed(), tally.in_flight()), (0, 0));
    assert_eq!(tally.answered_by("echo"), tally.sent());
}

#[tokio::test]
async fn a_stall_holds_up_no_later_request_and_is_seen_by_all_that_fell_into_it() {
    // One thread for all connections: while it sleeps nobody is answered, as in a server that
    // collects its garbage.
    const STALL: Duration = Duration::from_millis(400);
    let turn = std::sync::Arc::new(std::sync::Mutex::new(()));
    let address = serve(move |path| {
        let _turn = turn.lock().unwrap();
        if path == "/20" {
            std::thread::sleep(STALL);
        }
        Some(path.to_owned())
    });
    let tally = run(plan(address), |tally| tally.answered() > 300).await;
    assert_eq!(tally.failed(), 0);
    // At 500 a second about 200 requests were due during the stall, and waited for half of it on
    // the average. A closed loop would have seen one that was slow.
    let waited = (0..=100).filter(|percent| {
        let latency = tally.latency(1.0 - f64::from(*percent) / 100.0).unwrap();
        latency >= STALL / 4
    });
    let share = waited.count() as f64 / 100.0;
    assert!(share * tally.sent() as f64 >= 100.0, "{share} of {}", tally.sent());
}

#[tokio::test]
async fn what_fails_is_counted_by_its_reason_and_never_sent_again() {
    let (tell, asked) = std::sync::mpsc::channel();
    let address = serve(move |path| {
        tell.send(path.to_owned()).unwrap();
        match path {
            "/3" => None,
            "/5" => Some("/4".to_owned()),
            path => Some(path.to_owned()),
        }
    });
    let tally = run(plan(address), |tally| tally.ended() >= 20).await;
    assert_eq!(tally.failed(), 2, "{:?}", tally.failures());
    assert_eq!(tally.failures()["another's answer"], 1);
    assert_eq!(asked.try_iter().count() as u64, tally.sent());
}

#[tokio::test]
async fn nobody_there_fails_every_request() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let tally = run(plan(nobody), |tally| tally.ended() >= 10).await;
    assert_eq!((tally.answered(), tally.failed()), (0, tally.sent()));
    let why = tally.failures().keys().next().unwrap();
    assert!(why.starts_with("cannot connect: "), "{why}");
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_a_failure() {
    let address = serve(|path| {
        if path == "/1" {
            std::thread::sleep(Duration::from_millis(500));
        }
        Some(path.to_owned())
    });
    let plan = LoadPlan { timeout: Duration::from_millis(100), ..plan(address) };
    let tally = run(plan, |tally| tally.ended() >= 100).await;
    assert_eq!(tally.failures().get("no answer within 0.1 s"), Some(&1), "{tally:?}");
}
