//! The labels by which our containers are told apart from all others.

use std::collections::HashMap;

use bollard::models::ContainerInspectResponse;
use driver::Launch;

/// Whose it is: the name of a state directory.
const STATE: &str = "plimsoll.state";
/// Which start of it: no other start has the same.
const RUN: &str = "plimsoll.run";

/// What a container of `launch` is labelled with.
pub(crate) fn of(launch: &Launch, state: &str, run: &str) -> HashMap<String, String> {
    let labels = [
        (STATE, state),
        (RUN, run),
        ("plimsoll.service", launch.service.as_str()),
        ("plimsoll.version", &launch.version),
        ("plimsoll.instance", launch.instance.as_str()),
    ];
    labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// What all containers of a state directory are found by.
pub(crate) fn of_state(state: &str) -> String {
    format!("{STATE}={state}")
}

/// Which start a container was.
pub(crate) fn run(labels: &HashMap<String, String>) -> Option<&str> {
    labels.get(RUN).map(String::as_str)
}

/// Whether a container is this start.
pub(crate) fn is_run(container: &ContainerInspectResponse, mark: &str) -> bool {
    let labels = container.config.as_ref().and_then(|config| config.labels.as_ref());
    labels.and_then(run) == Some(mark)
}
