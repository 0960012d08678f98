//! What Plimsoll is started with, in earnest or for the demonstration.

use std::path::Path;
use std::sync::Arc;

use control::{Settings, TxtRecords};
use dns::Records;
use driver::{Driver, Launcher, Started};

use crate::drivers::Drivers;
use crate::{LAUNCH, sealed};

/// What writes records for CAs into zones of the DNS.
fn records(dns: &model::Dns) -> Result<Arc<dyn TxtRecords>, String> {
    let records = Records::new(dns).map_err(|error| error.to_string())?;
    Ok(Arc::new(records))
}

/// What everything is started with: instances are this very program, run once more, and have what
/// this process was `started` with.
pub(crate) fn settings(file: &Path, started: Started) -> Settings {
    let launcher = Launcher { started, ..Launcher::this_program([LAUNCH]) };
    let driver =
        move |state_dir: &Path| -> Arc<dyn Driver> { Arc::new(Drivers::new(launcher, state_dir)) };
    Settings {
        environment: sealed::environment(),
        records: Arc::new(records),
        ..Settings::new(file, Box::new(driver), admin::FORMS)
    }
}
