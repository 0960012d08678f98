//! Every kind of client through every way in which a release can be replaced: nothing fails, nothing
//! runs twice that must not, and WebSockets and event streams are closed only as they should be.

use std::collections::BTreeMap;
use std::time::Instant;

use futures_util::StreamExt;
use tokio::runtime::Runtime;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::account::{Account, Kind, run_twice};
use super::clients::{Clients, Doors};
use super::house::House;

/// Replaces what runs by the release of this name.
type Way = fn(&mut House, &str);

/// The ways, in this order.
const WAYS: [(&str, Way); 7] = [
    ("rolling", |house, version| house.promoted(&[version, "--strategy", "rolling"])),
    ("blue-green", |house, version| house.promoted(&[version, "--strategy", "blue-green"])),
    ("canary", |house, version| {
        let steps = ["--strategy", "canary", "--steps", "20% 300ms, 60% 300ms"];
        house.promoted(&[&[version], &steps[..]].concat());
    }),
    ("replace", |house, version| house.promoted(&[version, "--strategy", "replace"])),
    ("promote", |house, version| {
        let steps = ["--no-wait", "--strategy", "canary", "--steps", "50% 1h"];
        house.done(&[&["deploy", "api", version], &steps[..]].concat());
        house.until("the step", |service| service["run"]["deploy"]["stage"] == "at 50 %");
        house.done(&["promote", "api"]);
    }),
    ("rollback", |house, _| drop(house.done(&["rollback", "api"]))),
    ("reload in between", |house, version| {
        house.done(&["deploy", "api", version, "--no-wait"]);
        while !house.service()["run"]["deploy"].is_null() {
            house.reload();
        }
    }),
];

#[test]
fn every_kind_of_client_through_every_way() {
    through_all_ways(1, 1.0);
}

#[test]
fn a_service_that_is_taken_out_takes_leave_of_websockets() {
    let house = House::new("");
    let runtime = Runtime::new().unwrap();
    let connecting = async {
        let stream = tokio::net::TcpStream::connect(house.running.address).await.unwrap();
        tokio_tungstenite::client_async("ws://test/ws", stream).await.unwrap().0
    };
    let mut socket = runtime.block_on(connecting);
    house.take_out();
    let heard = runtime.block_on(socket.next());
    let Some(Ok(Message::Close(Some(close)))) = heard else { panic!("{heard:?}") };
    assert_eq!(close.code, CloseCode::Away);
    // Its instance still waits for the client's farewell.
    let gone = house.sandbox.plimsoll(&["deploy", "api", "2"]);
    assert_eq!(gone.code, Some(3), "{gone:#?}");
    assert!(gone.stderr.contains("there is no service `api`"), "{}", gone.stderr);
}

#[test]
#[ignore = "takes some minutes: scripts/deploys"]
fn every_kind_of_client_through_every_way_many_times() {
    through_all_ways(5, 5.0);
}

fn through_all_ways(rounds: usize, poll_seconds: f64) {
    let mut house =
        House::new("replicas = 2\ndeploy = { bake = \"300ms\", drain = { tunnels = \"1s\" } }\n");
    let runtime = Runtime::new().unwrap();
    let account = Account::default();
    let doors = Doors {
        plain: house.running.address,
        secure: house.secure(),
        tls: house.tls(),
        poll_seconds,
    };
    let clients = runtime.block_on(async { Clients::start(doors, &account) });
    let mut table = Table::default();
    for round in 0..rounds {
        for (number, (way, go)) in WAYS.iter().enumerate() {
            let (before, began) = (account.so_far(), Instant::now());
            go(&mut house, &format!("v{round}.{number}"));
            house.settled();
            table.add(way, began, &before, &account.so_far());
        }
    }
    runtime.block_on(clients.stop());
    table.print();
    let kinds = account.so_far();
    let failed: Vec<_> = kinds.iter().filter(|(_, kind)| kind.failures() > 0).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!(kinds.len(), 9, "{kinds:#?}");
    assert_eq!(run_twice(&house.journal()), [""; 0], "they ran twice");
    table.assert_each_was_tried();
}

/// What came of each kind in each way.
#[derive(Default)]
struct Table {
    seconds: BTreeMap<&'static str, f64>,
    cells: BTreeMap<(&'static str, &'static str), Kind>,
}

impl Table {
    fn add(
        &mut self,
        way: &'static str,
        began: Instant,
        before: &BTreeMap<&'static str, Kind>,
        after: &BTreeMap<&'static str, Kind>,
    ) {
        *self.seconds.entry(way).or_default() += began.elapsed().as_secs_f64();
        for (kind, now) in after {
            let then = before.get(kind).cloned().unwrap_or_default();
            let cell = self.cells.entry((kind, way)).or_default();
            cell.answered += now.answered - then.answered;
            cell.moved += now.moved - then.moved;
            for (why, count) in &now.failed {
                let earlier = then.failed.get(why).copied().unwrap_or(0);
                *cell.failed.entry(why.clone()).or_default() += count - earlier;
            }
        }
    }

    /// As it stands in docs/reliability.md: answered, closed and come back, failed.
    #[expect(clippy::print_stdout, reason = "what was counted is what the long one is run for")]
    fn print(&self) {
        let ways: Vec<_> = WAYS.iter().map(|(way, _)| *way).collect();
        println!("| | {} |\n| --- |{}", ways.join(" | "), " ---: |".repeat(ways.len()));
        let mut kinds: Vec<_> = self.cells.keys().map(|(kind, _)| *kind).collect();
        kinds.dedup();
        for kind in kinds {
            let cell = |way: &&str| match &self.cells[&(kind, *way)] {
                cell if cell.moved > 0 => {
                    format!("{} ({} moved) / {}", cell.answered, cell.moved, cell.failures())
                }
                cell => format!("{} / {}", cell.answered, cell.failures()),
            };
            println!("| {kind} | {} |", ways.iter().map(cell).collect::<Vec<_>>().join(" | "));
        }
        let seconds = ways.iter().map(|way| format!("{:.1} s", self.seconds[way]));
        println!("| took | {} |", seconds.collect::<Vec<_>>().join(" | "));
    }

    fn assert_each_was_tried(&self) {
        for ((kind, way), cell) in &self.cells {
            assert!(cell.answered > 0, "{kind} was not tried in {way}");
        }
        for kind in ["WebSocket echo", "server-sent events"] {
            assert!(self.cells[&(kind, "rolling")].moved > 0, "{kind}: none was moved");
        }
    }
}
