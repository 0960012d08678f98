//! What a process holds.

use std::fs;

/// What a process holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    /// Resident, in bytes.
    pub(super) memory: u64,
    pub(super) descriptors: usize,
}

impl Usage {
    pub(super) fn of(pid: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kib: u64 = resident.split_whitespace().next().unwrap().parse().unwrap();
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
        Self { memory: kib * 1024, descriptors }
    }
}
