//! `judge` of a deploy: how it is decided whether a release is promoted.

use std::collections::BTreeMap;
use std::path::PathBuf;

use model::{ClientErrors, Judge, LittleData};

use crate::diagnostic::{Code, Severity};
use crate::environment::{Environment, Origin};
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
            "Latencies of an instance whose first request is less than this ago are not judged: caches are cold, and code is not \
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

/// The rules `base`, but for what `set` says: keys of the judge with their values as in the file, where quotes may be
/// left out.
///
/// # Errors
/// What is wrong, each with what to write instead.
pub fn judge_with(base: &Judge, set: &BTreeMap<String, String>) -> Result<Judge, Vec<String>> {
    let mut text =
        "[listeners.x]\nbind = \"127.0.0.1:1\"\n[services.x]\ncommand = \"x\"\nversion = \"1\"\n[services.x.deploy.judge]\n".to_owned();
    for (key, value) in set {
        let is_toml = toml::from_str::<toml::Table>(&format!("v = {value}")).is_ok();
        let value =
            if is_toml { value.clone() } else { toml::Value::from(value.as_str()).to_string() };
        let key = toml::Value::from(key.as_str());
        text.push_str(&format!("{key} = {value}\n"));
    }
    let origin =
        Origin { name: "--set".to_owned(), dir: PathBuf::new(), environment: Environment::fixed() };
    let said = match crate::parse(&text, &origin) {
        Ok(loaded) => loaded,
        Err(faults) => {
            let errors = faults.iter().filter(|it| it.code.severity() == Severity::Error);
            return Err(errors.map(|it| format!("{}: {}; {}", it.what, it.why, it.hint)).collect());
        }
    };
    let run = said.intent.services.values().find_map(|service| service.run.as_ref());
    let said = &run.expect("it stands in the text").deploy.judge;
    let mut rule = base.clone();
    for key in set.keys() {
        take(&mut rule, said, key);
    }
    Ok(rule)
}

/// Takes what `said` says under `key`.
fn take(rule: &mut Judge, said: &Judge, key: &str) {
    match key {
        "max_error_rate" => rule.max_error_rate = said.max_error_rate,
        "confidence" => rule.confidence = said.confidence,
        "max_slowdown" => rule.max_slowdown = said.max_slowdown,
        "slowdown_floor" => rule.slowdown_floor = said.slowdown_floor,
        "warm_up" => rule.warm_up = said.warm_up,
        "client_errors" => rule.client_errors = said.client_errors,
        "min_requests" => rule.min_requests = said.min_requests,
        "little_data" => rule.little_data = said.little_data,
        _ => unreachable!("the reader knows no other key"),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn set(settings: &[(&str, &str)]) -> Result<Judge, Vec<String>> {
        let settings = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let base = Judge { min_requests: 7, ..Judge::default() };
        judge_with(&base, &settings.collect())
    }

    #[test]
    fn each_key_can_be_set_and_the_others_stay() {
        for key in JUDGE.keys {
            let example = key.example.trim_matches('"');
            let rule =
                set(&[(key.name, example)]).unwrap_or_else(|why| panic!("{}: {why:?}", key.name));
            assert!(key.name == "min_requests" || rule.min_requests == 7, "{}", key.name);
        }
        let rule = set(&[("max_error_rate", "5%"), ("warm_up", "1m"), ("client_errors", "tell")]);
        let expected = Judge {
            max_error_rate: Some(0.05),
            warm_up: std::time::Duration::from_secs(60),
            client_errors: ClientErrors::Tell,
            min_requests: 7,
            ..Judge::default()
        };
        assert_eq!(rule.unwrap(), expected);
    }

    #[test]
    fn what_is_no_setting_of_a_judge_is_refused_with_what_to_write() {
        let faults = set(&[("max_eror_rate", "5%"), ("confidence", "2")]).unwrap_err();
        assert!(faults.iter().any(|fault| fault.contains("max_error_rate")), "{faults:?}");
        assert!(faults.iter().any(|fault| fault.contains("0.999999")), "{faults:?}");
        assert!(set(&[("x\ny", "\"\n[admin]")]).is_err());
    }
}
