//! Whether the machine has room for old and new together.

use std::path::Path;
use std::{fs, io};

use rustix::fs::statvfs;
use rustix::process::{Resource, getrlimit};

use super::{Machine, Obstacle};
use crate::port::Ports;
use crate::procfs::kilobytes;

/// Where the system mounts its control groups, version 2.
const CGROUPS: &str = "/sys/fs/cgroup";

/// What new instances need while the old still run. What is zero is not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// Memory in bytes: best what as many of the old ones take ([`crate::Instance::memory`]).
    pub memory_bytes: u64,
    /// Descriptors of ours: connections to them, what we watch them by.
    pub descriptors: u64,
    /// Bytes for their output, where the driver keeps it.
    pub output_bytes: u64,
    /// One for each.
    pub ports: usize,
}

impl Room {
    /// What there is too little of.
    pub fn check(&self, machine: Machine<'_>) -> Vec<Obstacle> {
        let (memory, descriptors) = (self.memory_bytes, self.descriptors);
        let (output, logs) = (self.output_bytes, machine.logs);
        [
            enough(memory, "how much memory is available", memory_available, |available| {
                Obstacle::Memory { needed: memory, available }
            }),
            enough(
                descriptors,
                "how many descriptors are open",
                descriptors_available,
                |available| Obstacle::Descriptors { needed: descriptors, available },
            ),
            self.check_ports(machine.ports),
            enough(
                output,
                "how much of the disk is free",
                || disk_available(logs),
                |available| Obstacle::Disk { path: logs.to_owned(), needed: output, available },
            ),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn check_ports(&self, ports: &Ports) -> Option<Obstacle> {
        let available = ports.free(self.ports);
        (available < self.ports).then_some(Obstacle::Ports { needed: self.ports, available })
    }
}

fn enough(
    needed: u64,
    what: &'static str,
    look: impl FnOnce() -> io::Result<u64>,
    fault: impl FnOnce(u64) -> Obstacle,
) -> Option<Obstacle> {
    match (needed > 0).then(look)? {
        Ok(available) => (available < needed).then(|| fault(available)),
        Err(source) => Some(Obstacle::Unknown { what, source }),
    }
}

/// What the kernel would give without swapping, and each of our control groups lets us have.
fn memory_available() -> io::Result<u64> {
    let machine = kilobytes(&fs::read_to_string("/proc/meminfo")?, "MemAvailable:");
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let ours = groups.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    let root = Path::new(CGROUPS);
    let own = root.join(ours);
    let limits =
        own.ancestors().take_while(|group| group.starts_with(root)).filter_map(group_available);
    limits.chain(machine).min().ok_or(io::ErrorKind::InvalidData.into())
}

/// What is left in one control group; pages that are only cached give way.
fn group_available(group: &Path) -> Option<u64> {
    let number = |file: &str| fs::read_to_string(group.join(file)).ok()?.trim().parse::<u64>().ok();
    let statistics = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
    let cached = statistics.lines().find_map(|line| line.strip_prefix("inactive_file "));
    let cached = cached.and_then(|bytes| bytes.parse().ok()).unwrap_or(0);
    let used = number("memory.current")?.saturating_sub(cached);
    Some(number("memory.max")?.saturating_sub(used))
}

fn descriptors_available() -> io::Result<u64> {
    let open = fs::read_dir("/proc/self/fd")?.count() as u64;
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    Ok(limit.saturating_sub(open))
}

/// On the disk where `path` is, or its nearest parent that exists.
fn disk_available(path: &Path) -> io::Result<u64> {
    let there = path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    let disk = statvfs(there)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lack_is_told_and_what_is_there_is_not() {
        let here = std::env::temp_dir().join("not/yet/made");
        let little = Room { memory_bytes: 1, descriptors: 1, output_bytes: 1, ports: 1 };
        let machine = Machine { ports: &Ports::default(), logs: &here };
        assert!(little.check(machine).is_empty());
        let much = Room {
            memory_bytes: 1 << 60,
            descriptors: 1 << 60,
            output_bytes: 1 << 60,
            ports: 70_000,
        };
        let faults = much.check(machine);
        assert!(
            matches!(
                faults[..],
                [
                    Obstacle::Memory { .. },
                    Obstacle::Descriptors { .. },
                    Obstacle::Ports { .. },
                    Obstacle::Disk { .. }
                ]
            ),
            "{faults:?}"
        );
    }

    #[test]
    fn a_control_group_counts_what_it_can_give_back() {
        let group = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| fs::write(group.path().join(file), text).unwrap();
        write("memory.current", "900\n");
        write("memory.stat", "anon 500\ninactive_file 300\n");
        write("memory.max", "1000\n");
        assert_eq!(group_available(group.path()), Some(400));
        write("memory.max", "max\n");
        assert_eq!(group_available(group.path()), None);
    }
}
