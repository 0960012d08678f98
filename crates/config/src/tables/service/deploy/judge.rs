//! `judge` of a deploy: how it is decided whether a release is promoted.

use model::{ClientErrors, Judge, LittleData};

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::schema::{Absent, Key, Shape, Table};
use crate::section::Section;
use crate::tables::service::deploy::SPAN;

pub(crate) static JUDGE: Table = Table {
    header: "[services.NAME.deploy.judge]",
    noun: "a judge",
    doc: "How the judge decides whether the new release is promoted: it is compared with the old \
    one on the same time's \
          requests, and rolled back as soon as it is certain that it is worse.",
    keys: &[
        Key::new(
            "max_error_rate",
            Shape::Share,
            Absent::Text("1%"),
            "\"1%\"",
            "More of the new release's requests than this may not fail (5xx, resets, timeouts); \"100%\" is \
             no limit.",
        )
        .aka(&["error_rate", "max_errors"]),
        Key::new(
            "confidence",
            Shape::Number(0.5..=0.999_999),
            Absent::Means("0.99"),
            "0.99",
            "How sure it must be that the new release is worse. One that is no worse is rolled back with a \
             chance of at most 1 less this.",
        ),
        Key::new(
            "max_slowdown",
            Shape::Number(1.0..=1000.0),
            Absent::Means("1.5"),
            "1.5",
            "The new release's 95th percentile over the old one's may be at most this.",
        )
        .aka(&["slowdown", "max_latency"]),
        Key::new(
            "slowdown_floor",
            SPAN,
            Absent::Text("5ms"),
            "\"5ms\"",
            "The new release is not slower than the old one by less than this, whatever `max_slowdown` says.",
        )
        .aka(&["latency_floor", "min_slowdown"]),
        Key::new(
            "warm_up",
            SPAN,
            Absent::Text("20s"),
            "\"20s\"",
            "Latencies of an instance that has been ready for less than this are not judged: caches are cold, and code is not \
             compiled yet. Failures count at once.",
        )
        .aka(&["warmup", "initial_delay"]),
        Key::new(
            "client_errors",
            Shape::Word(&["hold", "rollback", "tell"], &[]),
            Absent::Text("hold"),
            "\"rollback\"",
            "What follows when the new release's share of 4xx, or of redirects, jumps, which may be meant: the deploy is paused until \
             an operator decides, is rolled back, or continues and the receipt says so.",
        )
        .aka(&["on_client_errors"]),
        Key::new(
            "min_requests",
            Shape::Count(1..=1_000_000_000),
            Absent::Count(50),
            "50",
            "With fewer requests than this the judge does not call the new release good.",
        )
        .aka(&["min_samples"]),
        Key::new(
            "little_data",
            Shape::Word(&["go_on", "wait", "hold"], &[]),
            Absent::Text("go_on"),
            "\"wait\"",
            "What follows when a watch ends with fewer: the deploy continues, waits until there \
             are enough, or is paused until an operator decides.",
        ),
    ],
    later: &[],
};

pub(crate) fn read(section: &Section<'_>) -> Judge {
    let default = Judge::default();
    let number = |key| section.node(key).and_then(|node| node.number());
    let max_error_rate = section.share("max_error_rate");
    if max_error_rate == 0.0 {
        refuse_no_errors(section);
    }
    Judge {
        max_error_rate: (max_error_rate < 1.0).then_some(max_error_rate),
        confidence: number("confidence").unwrap_or(default.confidence),
        max_slowdown: number("max_slowdown").or(default.max_slowdown),
        slowdown_floor: section.duration("slowdown_floor"),
        warm_up: section.duration("warm_up"),
        client_errors: section.word("client_errors", client_errors),
        min_requests: section.count("min_requests"),
        little_data: section.word("little_data", little_data),
    }
}

fn refuse_no_errors(section: &Section<'_>) {
    let flaw = Flaw::new(
        Code::OutOfRange,
        "a limit of 0% would be broken by any one failure",
        "every release fails a request some day",
        "write what may fail, such as \"0.1%\"; \"100%\" is no limit",
    );
    section.report_at("max_error_rate", flaw, &[]);
}

fn client_errors(word: &str) -> Option<ClientErrors> {
    match word {
        "hold" => Some(ClientErrors::Hold),
        "rollback" => Some(ClientErrors::Rollback),
        "tell" => Some(ClientErrors::Tell),
        _ => None,
    }
}

fn little_data(word: &str) -> Option<LittleData> {
    match word {
        "go_on" => Some(LittleData::GoOn),
        "wait" => Some(LittleData::Wait),
        "hold" => Some(LittleData::Hold),
        _ => None,
    }
}
