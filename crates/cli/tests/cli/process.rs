//! What a process holds.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What a process holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// Resident, in bytes.
    pub(crate) memory: u64,
    pub(crate) descriptors: usize,
}

impl Usage {
    pub(crate) fn of(pid: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kib: u64 = resident.split_whitespace().next().unwrap().parse().unwrap();
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
        Self { memory: kib * 1024, descriptors }
    }
}

/// Raises the number of descriptors that this process and its children may have, as far as `wanted`
/// and as the system lets it; what it is then.
pub(crate) fn raise_descriptors(wanted: u64) -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= wanted);
    if !enough(limit.current) {
        let more = if enough(limit.maximum) { limit.maximum } else { Some(wanted) };
        // Only root may raise the hard limit; without it the soft one is as good as it gets.
        let raised = setrlimit(Resource::Nofile, Rlimit { current: more, maximum: more });
        if raised.is_err() {
            let soft = Rlimit { current: limit.maximum, maximum: limit.maximum };
            setrlimit(Resource::Nofile, soft).unwrap();
        }
    }
    getrlimit(Resource::Nofile).current.unwrap_or(wanted)
}
