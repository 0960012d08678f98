//! A strict reader of OpenMetrics text 1.0
//! (<https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md>), without
//! timestamps and exemplars: what is not exactly as the specification has it is an error.

use std::collections::BTreeSet;

/// A metric with its series.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) unit: Option<String>,
    pub(crate) help: String,
    pub(crate) series: Vec<Series>,
}

/// One line with a value.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) name: String,
    labels: Vec<(String, String)>,
    pub(crate) value: f64,
}

impl Series {
    pub(crate) fn label(&self, key: &str) -> Option<&str> {
        let found = self.labels.iter().find(|(name, _)| name == key)?;
        Some(&found.1)
    }

    pub(crate) fn labels_but<'a>(
        &'a self,
        left_out: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        let labels = self.labels.iter().filter(move |(key, _)| key != left_out);
        labels.map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

/// Reads a whole page.
pub(crate) fn read(page: &str) -> Result<Vec<Family>, String> {
    let body = page.strip_suffix("# EOF\n").ok_or("it does not end with EOF")?;
    let mut families: Vec<Family> = Vec::new();
    let mut lines = body.split_terminator('\n').peekable();
    while let Some(line) = lines.next() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').ok_or("a help without text")?;
            let kind = meta(lines.next(), "TYPE", name)?.to_owned();
            let unit = match lines.peek().is_some_and(|line| line.starts_with("# UNIT ")) {
                true => Some(meta(lines.next(), "UNIT", name)?.to_owned()),
                false => None,
            };
            let (name, help) = (name.to_owned(), help.to_owned());
            families.push(Family { name, kind, unit, help, series: Vec::new() });
        } else {
            let family = families.last_mut().ok_or("a series before any metric")?;
            family.series.push(series(line).map_err(|why| format!("{why}: {line}"))?);
        }
    }
    let names: BTreeSet<_> = families.iter().map(|family| &family.name).collect();
    if names.len() != families.len() {
        return Err("a metric stands in two places".into());
    }
    families
        .iter()
        .try_for_each(|family| check(family).map_err(|why| format!("{why}: {}", family.name)))?;
    Ok(families)
}

fn meta<'a>(line: Option<&'a str>, keyword: &str, name: &str) -> Result<&'a str, String> {
    let lead = format!("# {keyword} {name} ");
    line.and_then(|line| line.strip_prefix(&lead)).ok_or(format!("no {keyword} of {name}"))
}

fn series(line: &str) -> Result<Series, String> {
    let end = line.find(['{', ' ']).ok_or("no value")?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Vec::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (key, after) = rest.split_once("=\"").ok_or("a label without value")?;
            let (value, after) = quoted(after)?;
            labels.push((key.to_owned(), value));
            match after.strip_prefix(',') {
                Some(after) => rest = after,
                None => break rest = after.strip_prefix('}').ok_or("labels without end")?,
            }
        }
    }
    let value = rest.strip_prefix(' ').ok_or("no space before the value")?;
    let value = if value == "+Inf" { Ok(f64::INFINITY) } else { value.parse() };
    let value = value.map_err(|_| "no number".to_owned())?;
    let keys: BTreeSet<_> = labels.iter().map(|(key, _)| key).collect();
    let are_plain = keys.iter().all(|key| is_name(key)) && is_name(name);
    if keys.len() != labels.len() || !are_plain {
        return Err("a bad name, or a label twice".into());
    }
    Ok(Series { name: name.to_owned(), labels, value })
}

/// A value up to its closing quote, and what stands behind that.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => value.push(match chars.next() {
                Some((_, 'n')) => '\n',
                Some((_, same @ ('"' | '\\'))) => same,
                other => return Err(format!("an escape {other:?}")),
            }),
            char => value.push(char),
        }
    }
    Err("a quote without end".into())
}

fn is_name(name: &str) -> bool {
    let is_first = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    name.bytes().next().is_some_and(is_first)
        && name.bytes().all(|byte| is_first(byte) || byte.is_ascii_digit())
}

fn check(family: &Family) -> Result<(), String> {
    if family.unit.as_ref().is_some_and(|unit| !family.name.ends_with(&format!("_{unit}"))) {
        return Err("the unit is not at the name's end".into());
    }
    let all: BTreeSet<_> =
        family.series.iter().map(|series| (&series.name, sorted(&series.labels))).collect();
    if all.len() != family.series.len() {
        return Err("a series stands there twice".into());
    }
    let suffixes: &[&str] = match family.kind.as_str() {
        "counter" => &["_total"],
        "gauge" => &[""],
        "info" => &["_info"],
        "histogram" => &["_bucket", "_sum", "_count"],
        other => return Err(format!("a type {other}")),
    };
    for series in &family.series {
        let suffix = series.name.strip_prefix(&family.name).ok_or("a foreign series")?;
        let is_right = match family.kind.as_str() {
            "info" => series.value == 1.0,
            "gauge" => true,
            _ => series.value >= 0.0,
        };
        if !suffixes.contains(&suffix) || !is_right || series.value.is_nan() {
            return Err(format!("a wrong series {series:?}"));
        }
    }
    if family.kind == "histogram" { histogram(family) } else { Ok(()) }
}

fn sorted(labels: &[(String, String)]) -> BTreeSet<&(String, String)> {
    labels.iter().collect()
}

/// The series of each set of labels stand together, the buckets grow, and the last has them all.
fn histogram(family: &Family) -> Result<(), String> {
    let labels = |series: &Series| {
        let labels = series.labels_but("le").map(|(key, value)| (key.to_owned(), value.to_owned()));
        labels.collect::<Vec<_>>()
    };
    let mut seen = BTreeSet::new();
    for group in family.series.chunk_by(|one, next| labels(one) == labels(next)) {
        if !seen.insert(labels(&group[0])) {
            return Err("a histogram in two places".into());
        }
        let of = |suffix: &str| {
            let name = format!("{}{suffix}", family.name);
            group.iter().filter(move |series| series.name == name)
        };
        let bound = |series: &Series| match series.label("le") {
            Some("+Inf") => Ok(f64::INFINITY),
            // The canonical form of a float has a point.
            Some(le) if le.contains('.') => le.parse().map_err(|_| format!("a bound {le}")),
            other => Err(format!("a bound {other:?}")),
        };
        let bounds: Vec<f64> = of("_bucket").map(bound).collect::<Result<_, String>>()?;
        let counts: Vec<f64> = of("_bucket").map(|series| series.value).collect();
        let count: Vec<f64> = of("_count").map(|series| series.value).collect();
        let grows = |values: &[f64]| values.is_sorted_by(|one, next| one <= next);
        let is_right = bounds.is_sorted_by(|one, next| one < next)
            && bounds.last() == Some(&f64::INFINITY)
            && grows(&counts)
            && counts.last() == count.first()
            && (count.len(), of("_sum").count()) == (1, 1);
        if !is_right {
            return Err(format!("buckets {bounds:?} {counts:?} of {count:?}"));
        }
    }
    Ok(())
}

#[test]
fn the_reader_is_strict() {
    let good = "# HELP a b c.\n# TYPE a counter\na_total{x=\"1\"} 2\n# EOF\n";
    assert_eq!(read(good).unwrap().len(), 1);
    for (from, to) in [
        ("# EOF\n", ""),
        ("# EOF\n", "\n# EOF\n"),
        ("a_total{x=\"1\"} 2\n", "a_total{x=\"1\"} 2\na_total{x=\"1\"} 3\n"),
        ("a_total", "a"),
        ("counter", "counters"),
        ("x=\"1\"", "x=\"1\",x=\"2\""),
        ("x=\"1\"", "x=\"\\1\""),
        ("x=\"1\"", "1x=\"1\""),
        ("x=\"1\"", "x=\"1"),
        (" 2\n", " -2\n"),
        (" 2\n", "  2\n"),
        ("# TYPE a", "# TYPE b"),
        ("# TYPE a counter\n", "# TYPE a counter\n# UNIT a bytes\n"),
    ] {
        let bad = good.replace(from, to);
        assert!(bad != good && read(&bad).is_err(), "{bad}");
    }
}
