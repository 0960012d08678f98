//! What a process writes, read as it comes: by who looks again and again, since nobody tells when there is more.

use std::sync::Arc;
use std::time::Duration;

use driver::logs::{Logs, Output, Part};
use model::{InstanceName, ServiceName};

/// How often is looked for more.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The output of one that runs, from where its own begins.
#[derive(Debug)]
pub(crate) struct OutputReader {
    logs: Arc<dyn Logs>,
    service: ServiceName,
    name: InstanceName,
    /// In bytes of the log's stream.
    from: u64,
    output: Option<Box<dyn Output>>,
}

impl OutputReader {
    /// Of the one of `service` that is called this, whose output begins at `from`.
    pub(crate) fn new(
        logs: Arc<dyn Logs>,
        service: ServiceName,
        name: InstanceName,
        from: u64,
    ) -> Self {
        Self { logs, service, name, from, output: None }
    }

    /// The lines that have come since the last time. Waits for the disk.
    pub(crate) fn lines(&mut self) -> Vec<String> {
        if self.output.is_none() {
            let all = Part { lines: usize::MAX, since: None };
            // Until it has written something there may be nothing to open.
            self.output = self.logs.open(&self.service, &self.name, all).ok();
        }
        let mut lines = Vec::new();
        while let Some(Ok(Some(line))) = self.output.as_mut().map(|output| output.line()) {
            if line.offset >= self.from {
                lines.push(line.text);
            }
        }
        lines
    }

    /// Its last words, which no line's end follows.
    pub(crate) fn rest(&mut self) -> Option<String> {
        let rest = self.output.as_mut()?.rest()?;
        (rest.offset >= self.from).then_some(rest.text)
    }
}
