//! `judge` of a deploy: how it is decided whether a release is promoted.

use model::{Judge, LittleData};

use crate::diagnostic::Code;
use crate::faults::Flaw;
use crate::schema::{Absent, Key, Shape, Table};
use crate::section::Section;

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

fn little_data(word: &str) -> Option<LittleData> {
    match word {
        "go_on" => Some(LittleData::GoOn),
        "wait" => Some(LittleData::Wait),
        "hold" => Some(LittleData::Hold),
        _ => None,
    }
}
