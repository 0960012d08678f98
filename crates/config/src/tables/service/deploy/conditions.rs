//! `conditions` of a deploy: what has to hold outside while a new release is watched.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use model::condition::VARIABLES;
use model::{Asks, Bounds, Condition, Unknown};

use crate::diagnostic::Code;
use crate::environment::Origin;
use crate::faults::Flaw;
use crate::node::Node;
use crate::read::{asked, narrow};
use crate::schema::{ANY_NUMBER, Absent, Empty, Format, Key, Shape, Table};
use crate::section::Section;
use crate::value::{name, shown};

const QUERY: Format = Format { noun: "a query in PromQL", pattern: None };

const NAME: Format = Format { noun: "a name such as \"p99-checkout\"", pattern: None };

const VARIABLE: Format =
    Format { noun: "the name of a variable", pattern: Some("^[A-Za-z_][A-Za-z0-9_]*$") };

const VALUE: Shape = Shape::Number(ANY_NUMBER);

static EACH: Shape = Shape::Table(&CONDITION);

pub(crate) const KEY: Key = Key::new(
    "conditions",
    Shape::List { of: &EACH, empty: Empty::Allowed },
    Absent::Means("none"),
    "[{ name = \"p99\", prometheus = \"http://127.0.0.1:9090\", query = 'max(api_p99_seconds{release=\"{version}\"})', max = 0.25 }]",
    "What has to hold outside for a step, and for the bake, to end well: a query to Prometheus or a webhook. A rollback by hand and a first \
     release ask none of them.",
)
.aka(&["webhooks", "analysis_templates", "gates"]);

pub(crate) static CONDITION: Table = Table {
    header: "[[services.NAME.deploy.conditions]]",
    noun: "a condition",
    doc: "What has to hold outside of Plimsoll. It is asked at its pace while a step or the bake lasts, and once more at its end, which waits for \
          that: the deploy continues once every condition holds.",
    keys: &[
        Key::new(
            "name",
            Shape::Text(&NAME),
            Absent::Means("its number in the list"),
            "\"p99-checkout\"",
            "What it is called in progress, receipts and the API.",
        ),
        Key::new(
            "prometheus",
            Shape::Text(&asked::URL),
            Absent::Means("a webhook"),
            "\"http://127.0.0.1:9090\"",
            "Where the HTTP API of Prometheus is, or of what speaks like it; without `/api/v1`. At 0 % it is not asked.",
        )
        .aka(&["address", "provider"]),
        Key::new(
            "query",
            Shape::Text(&QUERY),
            Absent::Means("a webhook"),
            "'max(api_p99_seconds{release=\"{version}\"})'",
            "What Prometheus is asked, in PromQL: one value. `{version}`, `{previous}`, `{service}` and `{deploy}` stand for what is deployed.",
        ),
        Key::new(
            "max",
            VALUE,
            Absent::Means("no upper bound"),
            "0.25",
            "The value may be at most this.",
        )
        .aka(&["below", "failure_condition", "threshold_max"]),
        Key::new(
            "min",
            VALUE,
            Absent::Means("no lower bound"),
            "0.01",
            "The value may be no less than this.",
        )
        .aka(&["above", "success_condition", "threshold_min"]),
        Key::new(
            "webhook",
            Shape::Text(&asked::URL),
            Absent::Means("a query to Prometheus"),
            "\"http://127.0.0.1:9000/may-go-on\"",
            "It gets a POST that says what is deployed. 2xx: it holds; 4xx: it does not, but for 401, 403, 404, 405, 407, 408, 425 and 429, which \
             speak of the request; these and all else: not known.",
        )
        .aka(&["url", "web"]),
        Key::new(
            "every",
            Shape::Duration(Duration::from_secs(1)..=Duration::from_secs(86_400)),
            Absent::Text("30s"),
            "\"30s\"",
            "From one time that it is asked to the next; the first is so long after the step began, or at its end.",
        )
        .aka(&["interval"]),
        Key::new(
            "timeout",
            Shape::Duration(Duration::from_millis(100)..=Duration::from_secs(60)),
            Absent::Text("10s"),
            "\"10s\"",
            "How long the response may take.",
        ),
        Key::new(
            "failures",
            Shape::Count(1..=1000),
            Absent::Count(1),
            "2",
            "So many times in a row it does not hold before the new release is rolled back.",
        )
        .aka(&["failure_limit", "threshold", "retries"]),
        Key::new(
            "unknown",
            Shape::Word(&["hold", "rollback"], &[]),
            Absent::Text("hold"),
            "\"rollback\"",
            "What follows when five times in a row it is not known whether it holds (no sample, NaN, an error, a timeout): the deploy is paused until \
             it is known or an operator decides, or is rolled back.",
        )
        .aka(&["on_error", "inconclusive"]),
        Key::new(
            "token_env",
            Shape::Text(&VARIABLE),
            Absent::Means("none is sent"),
            "\"PROMETHEUS_TOKEN\"",
            "The variable of Plimsoll's own environment that holds the bearer token that is sent. It has to be there before a deploy begins.",
        )
        .aka(&["bearer_token_env", "token"]),
        asked::CA,
    ],
    later: &[],
};

/// Reads all of them.
pub(crate) fn read(section: &Section<'_>, origin: &Origin) -> Vec<Condition> {
    let node = section.node("conditions");
    let items = node.iter().flat_map(Node::items);
    let mut names = BTreeSet::new();
    let read = items.zip(1..).filter_map(|(item, number): (Node<'_>, u32)| {
        let condition = condition(&item.section()?, number, origin)?;
        if !names.insert(condition.name.clone()) {
            let what = format!("two conditions are called \"{}\"", shown(&condition.name));
            let why = "progress and receipts could not tell them apart";
            item.report(Flaw::new(Code::Duplicate, what, why, "give one another `name`"));
        }
        Some(condition)
    });
    read.collect()
}

fn condition(section: &Section<'_>, number: u32, origin: &Origin) -> Option<Condition> {
    let name = section.parse("name", parse_name);
    let asks = asks(section);
    let ca = asked::ca(section, origin);
    let token_env = section.parse("token_env", name::parse_variable);
    let (every, timeout) = (section.duration("every"), section.duration("timeout"));
    let unknown = section.word("unknown", |word| match word {
        "hold" => Some(Unknown::Hold),
        "rollback" => Some(Unknown::Rollback),
        _ => None,
    });
    let failures = NonZeroU32::new(narrow(section.count("failures"))?)?;
    let name = name.unwrap_or_else(|| number.to_string());
    Some(Condition { name, asks: asks?, ca, every, timeout, failures, token_env, unknown })
}

fn asks(section: &Section<'_>) -> Option<Asks> {
    let prometheus = asked::url(section, "prometheus");
    let webhook = asked::url(section, "webhook");
    let query = section.parse("query", parse_query);
    let number = |key| section.node(key).and_then(|node| node.number());
    let bounds = Bounds { min: number("min"), max: number("max") };
    match (section.has("prometheus"), section.has("webhook")) {
        (true, true) | (false, false) => {
            section.report(Flaw::new(
                Code::Conflict,
                "a condition asks either Prometheus or a webhook",
                "it has both, or neither",
                "write `prometheus` with `query` and `max` or `min`, or `webhook`",
            ));
            None
        }
        (false, true) => {
            for key in ["query", "min", "max"].into_iter().filter(|key| section.has(key)) {
                let what = format!("`{key}` has no effect beside `webhook`");
                let why = "a webhook says by its status whether it holds";
                section.report_at(key, Flaw::new(Code::Conflict, what, why, "take it out"), &[]);
            }
            Some(Asks::Webhook { url: webhook? })
        }
        (true, false) => {
            let is_bounded = section.has("min") || section.has("max");
            if !section.has("query") || !is_bounded {
                section.report(Flaw::new(
                    Code::Missing,
                    "what Prometheus is asked, or what its value may be, is missing",
                    "a condition is a query and a bound",
                    "write `query` and `max` or `min`",
                ));
            }
            if bounds.min.zip(bounds.max).is_some_and(|(min, max)| min > max) {
                let flaw = Flaw::new(
                    Code::OutOfRange,
                    "`min` is above `max`",
                    "no value would do",
                    "write the lesser of the two as `min`",
                );
                section.report_at("min", flaw, &[]);
            }
            Some(Asks::Prometheus { url: prometheus?, query: query?, bounds })
        }
    }
}

/// A short text on one line: it stands in lines of progress.
fn parse_name(text: &str) -> Result<String, Flaw> {
    let is_fit = (1..=63).contains(&text.chars().count())
        && !text.chars().any(|char| char.is_control() || char == '{')
        && text.trim() == text;
    match is_fit {
        true => Ok(text.to_owned()),
        false => Err(Flaw::invalid(
            format!("\"{}\" is not a name", shown(text)),
            "it stands in lines of progress",
            "write up to 63 characters, as in \"p99-checkout\"",
        )),
    }
}

/// Reads a query. What stands alone between braces is no PromQL: it is meant as a variable.
fn parse_query(text: &str) -> Result<String, Flaw> {
    let inner = |part: &str| part.split_once('}').map(|(inner, _)| inner.to_owned());
    let is_word = |word: &String| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let words = text.split('{').skip(1).filter_map(inner).filter(is_word);
    let unknown = words.into_iter().find(|word| !VARIABLES.contains(&word.as_str()));
    let Some(word) = unknown else { return Ok(text.to_owned()) };
    let hint = match suggest::nearest(&word, VARIABLES) {
        Some(meant) => format!("did you mean `{{{meant}}}`?"),
        None => "write {version}, {previous}, {service} or {deploy}".to_owned(),
    };
    let what = format!("`{{{word}}}` stands for nothing that is deployed");
    Err(Flaw::invalid(what, "and it is no label matcher, which compares", hint))
}
