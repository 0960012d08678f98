//! What Plimsoll is started with, in earnest or for the demonstration.

use std::path::Path;
use std::sync::Arc;

use control::Settings;
use driver::port::Ports;
use driver::{Launcher, ProcessDriver, Started};

use crate::LAUNCH;

/// What everything is started with: instances are this very program, run once more, and have what
/// this process was `started` with.
pub(crate) fn settings(file: &Path, started: Started) -> Settings {
    let launcher = Launcher { started, ..Launcher::this_program([LAUNCH]) };
    let driver = ProcessDriver::new(launcher, Ports::default());
    Settings::new(file, Arc::new(driver), Arc::new(admin::write_receipt))
}
