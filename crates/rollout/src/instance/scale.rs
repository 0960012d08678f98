//! How many instances of a service there are to be, beside those that leave.

use model::InstanceName;

use super::Lifecycle;

/// What is missing of what is wanted, or too much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scale {
    /// As many stay as are wanted.
    Even,
    /// So many are to be started.
    Up(usize),
    /// These are to go: the last by their names.
    Down(Vec<InstanceName>),
}

/// What is to be done so that `replicas` of `instances` stay. Those that leave, or are gone, do not count.
pub fn scale<'a, P: Clone + 'a>(
    instances: impl IntoIterator<Item = (&'a InstanceName, &'a Lifecycle<P>)>,
    replicas: usize,
) -> Scale {
    let staying = instances.into_iter().filter(|(_, lifecycle)| lifecycle.stays());
    let mut staying: Vec<&InstanceName> = staying.map(|(name, _)| name).collect();
    staying.sort();
    match staying.len() {
        count if count < replicas => Scale::Up(replicas - count),
        count if count > replicas => {
            Scale::Down(staying.split_off(replicas).into_iter().cloned().collect())
        }
        _ => Scale::Even,
    }
}
