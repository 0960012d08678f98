//! What `/proc` says of processes.
//!
//! A number read here may belong to another process a moment later. Whoever acts on it holds a
//! pidfd that was opened *before* the reading, or knows that the process cannot have been reaped.

use std::fs;
use std::io;

use crate::record::ProcessIdentity;

/// What `/proc/PID/stat` says, as far as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    /// It has ended, and its parent has not yet asked how.
    pub(crate) is_zombie: bool,
    /// The number of its parent.
    pub(crate) parent: u32,
    /// The number of its session.
    pub(crate) session: u32,
    /// When it started, in clock ticks since the machine did.
    pub(crate) start_ticks: u64,
}

/// The process `pid`, if there is one.
pub(crate) fn stat(pid: u32) -> Option<Stat> {
    parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// proc_pid_stat(5). The second field is the program's name in parentheses and may hold anything,
/// parentheses too, so the fields are counted behind the last one.
fn parse(text: &str) -> Option<Stat> {
    let (_, fields) = text.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let session = fields.nth(1)?.parse().ok()?;
    let start_ticks = fields.nth(15)?.parse().ok()?;
    Some(Stat { is_zombie: matches!(state, "Z" | "X"), parent, session, start_ticks })
}

/// The signals that this process ignores, real-time signals left out.
pub(crate) fn ignored_signals() -> io::Result<impl Iterator<Item = i32>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    Ok((1..32).filter(move |signal| mask & (1 << (signal - 1)) != 0))
}

/// Which run of the machine this is.
pub(crate) fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// What tells the process `pid` apart from all others. It must not have been reaped.
pub(crate) fn identity(pid: u32) -> io::Result<ProcessIdentity> {
    let stat = stat(pid).ok_or(io::ErrorKind::NotFound)?;
    Ok(ProcessIdentity { pid, start_ticks: stat.start_ticks, boot_id: boot_id()? })
}

/// The numbers of all processes that we may see.
pub(crate) fn pids() -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Whether the process `pid` was started with this variable, as far as we may see.
pub(crate) fn was_given(pid: u32, name: &str, value: &str) -> bool {
    let wanted = format!("{name}={value}");
    let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environ.split(|byte| *byte == 0).any(|pair| pair == wanted.as_bytes())
}

/// The sockets that the process `pid` holds, by their inodes.
pub(crate) fn sockets(pid: u32) -> io::Result<Vec<u64>> {
    let inode = |entry: fs::DirEntry| {
        let link = fs::read_link(entry.path()).ok()?;
        link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    };
    Ok(fs::read_dir(format!("/proc/{pid}/fd"))?.flatten().filter_map(inode).collect())
}

/// The memory that the process `pid` has to itself or shares, in bytes, each shared page divided
/// among those who share it; without the right to know that, all its resident memory.
pub(crate) fn memory(pid: u32) -> u64 {
    let line = |file: &str, name: &str| {
        let text = fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
        kilobytes(&text, name)
    };
    line("smaps_rollup", "Pss:").or_else(|| line("status", "VmRSS:")).unwrap_or(0)
}

/// The bytes of the line `name` in a file whose lines are like `MemFree:   123 kB`.
pub(crate) fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_moves_no_field() {
        let text = "4711 (a) R (b) Z 1 4710 4709 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 987654 1 2";
        assert_eq!(
            parse(text),
            Some(Stat { is_zombie: true, parent: 1, session: 4709, start_ticks: 987_654 })
        );
    }

    #[test]
    fn this_process_is_found_with_its_environment_and_memory() {
        let pid = std::process::id();
        assert!(pids().contains(&pid));
        assert!(!stat(pid).unwrap().is_zombie);
        assert!(memory(pid) > 0);
        let path = std::env::var("PATH").unwrap();
        assert!(was_given(pid, "PATH", &path));
        assert!(!was_given(pid, "PATH", &path[1..]));
    }
}
