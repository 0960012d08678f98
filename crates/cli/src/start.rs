//! What Plimsoll is started with, in earnest or for the demonstration.

use std::path::Path;
use std::sync::Arc;

use control::Settings;
use driver::port::Ports;
use driver::{Driver, Launcher, ProcessDriver, ProcessLogs, Started};

use crate::LAUNCH;

/// What everything is started with: instances are this very program, run once more, and have what
/// this process was `started` with.
pub(crate) fn settings(file: &Path, started: Started) -> Settings {
    let launcher = Launcher { started, ..Launcher::this_program([LAUNCH]) };
    let driver = move |state_dir: &Path| -> Arc<dyn Driver> {
        Arc::new(ProcessDriver::new(launcher, Ports::default(), ProcessLogs::of(state_dir)))
    };
    Settings::new(file, Box::new(driver), admin::FORMS)
}
