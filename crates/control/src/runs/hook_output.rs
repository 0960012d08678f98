//! What a hook writes, as those see it who follow its deploy: as it comes, and bounded, since it stands in the receipt.

use std::collections::VecDeque;
use std::sync::Arc;

use driver::logs::Logs;
use model::{InstanceName, ServiceName};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::OutputTeller;
use super::output_reader::{LOOK_EVERY, OutputReader};

/// So many lines are told as they come.
const FIRST_LINES: usize = 100;
/// Of those behind them so many are told at the end: why a program fails mostly stands in its last words.
const LAST_LINES: usize = 50;

/// The output of a hook that runs.
#[derive(Debug)]
pub(super) struct HookOutput {
    service: ServiceName,
    name: InstanceName,
    teller: OutputTeller,
    reader: OutputReader,
    lines: Bounded,
}

/// Which lines are told.
#[derive(Debug, Default)]
struct Bounded {
    told: usize,
    last: VecDeque<String>,
    left_out: usize,
}

impl HookOutput {
    /// Of the hook of `service` that is called this.
    pub(super) fn new(
        logs: Arc<dyn Logs>,
        service: ServiceName,
        name: InstanceName,
        teller: OutputTeller,
    ) -> Self {
        let reader = OutputReader::new(logs, service.clone(), name.clone(), 0);
        Self { service, name, teller, reader, lines: Bounded::default() }
    }

    /// Tells what is written until it `is_over`, when the other end is dropped.
    pub(super) async fn follow(mut self, mut is_over: oneshot::Receiver<()>) {
        loop {
            let has_ended = timeout(LOOK_EVERY, &mut is_over).await.is_ok();
            let read = spawn_blocking(move || {
                self.read();
                if has_ended {
                    self.finish();
                }
                self
            });
            match read.await {
                Ok(this) if !has_ended => self = this,
                _ => return,
            }
        }
    }

    /// Tells what has come since the last time.
    fn read(&mut self) {
        let read = self.reader.lines().into_iter();
        let lines: Vec<_> = read.filter_map(|line| self.lines.take(line)).collect();
        if !lines.is_empty() {
            self.teller.tell(&self.name, lines);
        }
    }

    /// Tells its last words.
    fn finish(&mut self) {
        let rest = self.reader.rest();
        let mut lines: Vec<_> = rest.and_then(|line| self.lines.take(line)).into_iter().collect();
        lines.extend(std::mem::take(&mut self.lines).end(&self.service));
        if !lines.is_empty() {
            self.teller.tell(&self.name, lines);
        }
    }
}

impl Bounded {
    /// Takes the next line; it is told at once if it comes back.
    fn take(&mut self, line: String) -> Option<String> {
        if self.told < FIRST_LINES {
            self.told += 1;
            return Some(line);
        }
        self.last.push_back(line);
        if self.last.len() > LAST_LINES {
            self.last.pop_front();
            self.left_out += 1;
        }
        None
    }

    /// What is told when it is over.
    fn end(self, service: &ServiceName) -> impl Iterator<Item = String> {
        let Self { last, left_out, .. } = self;
        let gap = (left_out > 0)
            .then(|| format!("... {left_out} lines are left out: plimsoll logs {service}"));
        gap.into_iter().chain(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_the_last_lines_are_told_and_what_is_left_out_is_said() {
        let mut lines = Bounded::default();
        let told: Vec<_> = (1..=1000).filter_map(|line| lines.take(line.to_string())).collect();
        assert_eq!((told.len(), &*told[0], &*told[99]), (100, "1", "100"));
        let end: Vec<_> = lines.end(&"api".into()).collect();
        assert_eq!(end.len(), 51);
        assert_eq!(&*end[0], "... 850 lines are left out: plimsoll logs api");
        assert_eq!((&*end[1], &*end[50]), ("951", "1000"));

        let mut few = Bounded::default();
        assert_eq!(few.take("one".into()), Some("one".to_owned()));
        assert_eq!(few.end(&"api".into()).count(), 0);
    }
}
