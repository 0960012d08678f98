//! What instances have written, wherever their driver keeps it: read while they run, when they are gone, and while no
//! Plimsoll runs. Nothing here knows a file.

use std::fmt;
use std::io;
use std::time::SystemTime;

use model::{InstanceName, ServiceName};

/// The output of a driver's instances.
pub trait Logs: fmt::Debug + Send + Sync {
    /// The instances of `service` that have output, in no order.
    ///
    /// # Errors
    /// When it cannot be seen.
    fn instances(&self, service: &ServiceName) -> io::Result<Vec<InstanceName>>;

    /// When what an instance wrote was written; nothing is known of one that has no output.
    fn written(&self, service: &ServiceName, instance: &InstanceName) -> Written;

    /// Opens the output of an instance.
    ///
    /// # Errors
    /// When it cannot be read; [`io::ErrorKind::NotFound`] where there is none.
    fn open(
        &self,
        service: &ServiceName,
        instance: &InstanceName,
        part: Part,
    ) -> io::Result<Box<dyn Output>>;

    /// Where the output of `service` would be, for people.
    fn place(&self, service: &ServiceName) -> String;
}

/// The output of one instance as it is read: each line once, in order, those to come included.
pub trait Output: fmt::Debug + Send {
    /// The next line that is there already, if there is one.
    ///
    /// # Errors
    /// When it cannot be read; [`io::ErrorKind::NotFound`] where it was removed.
    fn line(&mut self) -> io::Result<Option<Line>>;

    /// What stands behind the last line's end: of an instance that is gone, its last words.
    fn rest(&mut self) -> Option<Line>;

    /// When `line` was written, to the second; `None` where that is not known any more.
    fn at(&mut self, line: &Line) -> Option<SystemTime>;
}

/// A line of an instance's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Where in the output it begins, in bytes.
    pub offset: u64,
    /// What is not UTF-8 is replaced.
    pub text: String,
}

/// How much of an instance's output is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// At most so many of the last lines; `usize::MAX` for all.
    pub lines: usize,
    /// Nothing that was written before.
    pub since: Option<SystemTime>,
}

/// When an instance's output was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// When it began; `None` where that is not known.
    pub begun: Option<SystemTime>,
    /// When the last of it was written.
    pub last: Option<SystemTime>,
}
