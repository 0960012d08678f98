//! What is open on an instance, as people read it.

use std::time::Duration;

use admin::{Instance, Open};

use crate::quantity::{counted, rough};

/// What is open, by kind, and for how long the oldest of it has been: "2 tunnels and 1 request, the
/// oldest for 5m 7s"; `None` when nothing is.
pub(crate) fn told(instance: &Instance) -> Option<String> {
    if instance.in_flight == 0 {
        return None;
    }
    let unknown = Open { requests: instance.in_flight as u32, ..Open::default() };
    let Open { requests, uploads, streams, tunnels } = instance.open.unwrap_or(unknown);
    let kinds = [
        (tunnels, "tunnel"),
        (streams, "event stream"),
        (uploads, "upload"),
        (requests, "request"),
    ];
    let kinds = kinds.into_iter().filter(|(count, _)| *count > 0);
    let kinds: Vec<_> = kinds.map(|(count, kind)| counted(count as usize, kind)).collect();
    let mut text = match kinds.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => return None,
    };
    match instance.oldest_s.map(|seconds| Duration::from_secs(seconds.max(0.0) as u64)) {
        Some(age) if !age.is_zero() => text.push_str(&format!(", the oldest for {}", rough(age))),
        _ => {}
    }
    Some(text)
}
