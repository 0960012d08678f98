//! What instances wrote beside the requests that a finding shows: a line that names the request's id, with what follows it, or
//! lines of its time.
//!
//! It is read where the driver keeps it, never on the control loop. How much is read and how much is kept is bounded, and that
//! nothing can be read is no fault: then nothing is shown.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use driver::logs::{Line, Logs, Output, Part};
use model::{InstanceName, ServiceName};

use super::{OutputLine, Shown};

/// So many of an instance's last lines are looked at.
const LINES_READ: usize = 5000;
/// And no more of them than so many bytes.
const BYTES_READ: usize = 4 << 20;
/// So many lines are shown beside one request.
const LINES_SHOWN: usize = 4;
/// Of each so many characters.
const CHARACTERS_SHOWN: usize = 400;
/// When a line was written is known to the second.
const PRECISION: Duration = Duration::from_secs(1);
/// A file system's clock is behind by so much at the most.
const BEHIND: Duration = Duration::from_millis(20);
/// An id that is shorter could stand in a line by chance.
const ID_MIN: usize = 8;

/// A request beside which an instance's output is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    instance: InstanceName,
    request_id: String,
    began: SystemTime,
    ended: SystemTime,
}

impl Wanted {
    /// What is wanted beside `shown`.
    pub(crate) fn of(shown: &Shown) -> Self {
        let request = &shown.request;
        Self {
            instance: request.instance.clone(),
            request_id: request.request_id.to_string(),
            began: shown.at.checked_sub(request.latency).unwrap_or(shown.at),
            ended: shown.at,
        }
    }

    fn is_named_in(&self, text: &str) -> bool {
        self.request_id.len() >= ID_MIN && text.contains(&self.request_id)
    }

    fn is_of_its_time(&self, at: SystemTime) -> bool {
        self.began <= at + BEHIND && at <= self.ended + PRECISION
    }
}

/// A line that was read, and when it was written.
struct Read {
    line: Line,
    at: Option<SystemTime>,
}

/// What the instances of `service` wrote beside each of `wanted`. No line is shown twice.
pub(crate) fn read_output(
    logs: &dyn Logs,
    service: &ServiceName,
    wanted: &[Wanted],
) -> Vec<Vec<OutputLine>> {
    let mut shown = vec![Vec::new(); wanted.len()];
    let instances: BTreeSet<&InstanceName> = wanted.iter().map(|it| &it.instance).collect();
    for instance in instances {
        let of = |it: &&Wanted| it.instance == *instance;
        let Some(since) = wanted.iter().filter(of).map(|it| it.began).min() else { continue };
        let since = since.checked_sub(PRECISION);
        let part = Part { lines: LINES_READ, since };
        let Ok(mut output) = logs.open(service, instance, part) else { continue };
        let lines = read(&mut *output);
        let mut is_shown = vec![false; lines.len()];
        for (at, it) in wanted.iter().enumerate().filter(|(_, it)| of(it)) {
            shown[at] = beside(it, &lines, &mut is_shown);
        }
    }
    shown
}

fn read(output: &mut dyn Output) -> Vec<Read> {
    let (mut lines, mut bytes) = (Vec::new(), 0);
    while bytes < BYTES_READ && lines.len() < LINES_READ {
        let line = match output.line() {
            Ok(Some(line)) => line,
            Ok(None) => match output.rest() {
                Some(rest) => rest,
                None => break,
            },
            Err(_) => break,
        };
        bytes += line.text.len();
        let at = output.at(&line);
        lines.push(Read { line, at });
    }
    lines
}

/// The lines to show beside one request, of those that are not shown yet.
fn beside(wanted: &Wanted, lines: &[Read], is_shown: &mut [bool]) -> Vec<OutputLine> {
    let is_free = |at: &usize| !is_shown[*at];
    let named = (0..lines.len()).find(|at| wanted.is_named_in(&lines[*at].line.text));
    let chosen: Vec<usize> = match named {
        // What follows it may be the rest of it: a stack, say.
        Some(named) => (named..lines.len()).take(LINES_SHOWN).filter(is_free).collect(),
        None => {
            let is_of_its_time =
                |at: &usize| lines[*at].at.is_some_and(|at| wanted.is_of_its_time(at));
            (0..lines.len()).filter(is_free).filter(is_of_its_time).take(LINES_SHOWN).collect()
        }
    };
    chosen.iter().for_each(|at| is_shown[*at] = true);
    chosen.into_iter().map(|at| shown(&lines[at])).collect()
}

fn shown(read: &Read) -> OutputLine {
    OutputLine { at: read.at, text: shortened(read.line.text.clone()) }
}

/// A line of an instance's own output, no longer than is shown.
pub(crate) fn shortened(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(CHARACTERS_SHOWN) {
        text.truncate(end);
        text.push_str(" ...");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::fs;
    use std::time::UNIX_EPOCH;

    use driver::ProcessLogs;

    use super::*;

    fn at(second: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(second)
    }

    fn wanted(id: &str, second: u64) -> Wanted {
        Wanted {
            instance: "api-3".into(),
            request_id: id.to_owned(),
            began: at(second),
            ended: at(second),
        }
    }

    /// What an instance wrote, each piece by the time at which it was written.
    #[derive(Debug, Default)]
    struct Written(Vec<(u64, String)>);

    impl Logs for Written {
        fn instances(&self, _: &ServiceName) -> std::io::Result<Vec<InstanceName>> {
            Ok(vec!["api-3".into()])
        }

        fn written(&self, _: &ServiceName, _: &InstanceName) -> driver::logs::Written {
            driver::logs::Written::default()
        }

        fn open(
            &self,
            _: &ServiceName,
            instance: &InstanceName,
            part: Part,
        ) -> std::io::Result<Box<dyn Output>> {
            if instance.as_str() != "api-3" {
                return Err(std::io::ErrorKind::NotFound.into());
            }
            let is_meant = |it: &&(u64, String)| part.since.is_none_or(|since| at(it.0) >= since);
            let mut lines: Vec<_> = self.0.iter().filter(is_meant).cloned().collect();
            lines.reverse();
            Ok(Box::new(Reading { lines, last: 0 }))
        }

        fn place(&self, _: &ServiceName) -> String {
            String::new()
        }
    }

    #[derive(Debug)]
    struct Reading {
        lines: Vec<(u64, String)>,
        last: u64,
    }

    impl Output for Reading {
        fn line(&mut self) -> std::io::Result<Option<Line>> {
            let Some((at, text)) = self.lines.pop() else { return Ok(None) };
            self.last = at;
            Ok(Some(Line { offset: 0, text }))
        }

        fn rest(&mut self) -> Option<Line> {
            None
        }

        fn at(&mut self, _: &Line) -> Option<SystemTime> {
            Some(at(self.last))
        }
    }

    fn texts(of: &[Vec<OutputLine>]) -> Vec<Vec<&str>> {
        of.iter().map(|lines| lines.iter().map(|line| line.text.as_str()).collect()).collect()
    }

    #[test]
    fn a_line_that_names_the_request_is_shown_with_what_follows_and_else_those_of_its_time() {
        let lines = [
            (90, "long before"),
            (100, "request 0123456789abcdef: panic"),
            (100, "  at pay.rs:7"),
            (100, "idle"),
            (101, "at the same time"),
            (105, "long after"),
        ];
        let logs = Written(lines.map(|(at, text)| (at, text.to_owned())).into());
        let wanted = [
            wanted("0123456789abcdef", 100),
            wanted("fedcba9876543210", 100),
            wanted("0f0f0f0f0f0f0f0f", 103),
            Wanted { instance: "api-9".into(), ..wanted("x", 100) },
        ];
        let shown = read_output(&logs, &"api".into(), &wanted);
        let first =
            ["request 0123456789abcdef: panic", "  at pay.rs:7", "idle", "at the same time"];
        assert_eq!(texts(&shown), [&first[..], &[], &[], &[]], "each line once");
        let shown = read_output(&logs, &"api".into(), &wanted[1..]);
        let all = ["request 0123456789abcdef: panic", "  at pay.rs:7", "idle", "at the same time"];
        assert_eq!(texts(&shown), [&all[..], &[], &[]], "by its time");
        assert_eq!(shown[0][3].at, Some(at(101)));
    }

    #[test]
    fn an_id_that_is_short_is_no_name_and_long_lines_are_cut() {
        let logs = Written(vec![(10, "7 of 9".to_owned()), (100, "\u{fc}".repeat(1000))]);
        let shown = read_output(&logs, &"api".into(), &[wanted("7", 100)]);
        assert_eq!(texts(&shown), [[format!("{} ...", "\u{fc}".repeat(400)).as_str()]]);
    }

    /// Where processes write it.
    #[test]
    fn of_much_output_the_last_is_read_and_a_few_lines_are_shown() {
        let room = tempfile::tempdir().unwrap();
        let logs = ProcessLogs::of(room.path());
        let directory = std::path::PathBuf::from(logs.place(&"api".into()));
        fs::create_dir_all(&directory).unwrap();
        let mut text = String::new();
        (0..LINES_READ * 2).for_each(|number| writeln!(text, "line {number}").unwrap());
        text.push_str("the last, of request 0123456789abcdef");
        fs::write(directory.join("api-3.log"), text).unwrap();
        let now = SystemTime::now();
        let of = |id: &str| Wanted { began: now, ended: now, ..wanted(id, 0) };
        let shown = read_output(&logs, &"api".into(), &[of("0123456789abcdef"), of("other id")]);
        assert_eq!(texts(&shown)[0], ["the last, of request 0123456789abcdef"]);
        assert_eq!(shown[1].len(), LINES_SHOWN);
        let first: usize = shown[1][0].text.strip_prefix("line ").unwrap().parse().unwrap();
        assert!(first >= LINES_READ, "{first}");
    }
}
