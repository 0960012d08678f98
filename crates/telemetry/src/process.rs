//! What the system tells of this process, from `/proc` (proc(5)).

use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{fs, io};

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

/// What the system tells of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// CPU time spent, user and system.
    pub cpu: Duration,
    /// Open file descriptors.
    pub open_fds: u64,
    /// Descriptors that may be open at the most; `None` for as many as one likes.
    pub max_fds: Option<u64>,
    /// Resident memory, in bytes.
    pub resident_bytes: u64,
    /// Virtual memory, in bytes.
    pub virtual_bytes: u64,
    /// Threads.
    pub threads: u64,
    /// When it started, to a hundredth of a second.
    pub started: SystemTime,
}

impl Process {
    /// This process, now.
    ///
    /// # Errors
    /// When `/proc` is not there, or not what proc(5) says.
    pub fn read() -> io::Result<Self> {
        let units = Units { ticks: clock_ticks_per_second(), page: page_size() as u64 };
        let stat = fs::read_to_string("/proc/self/stat")?;
        let stat = Stat::parse(&stat).ok_or_else(|| strange("/proc/self/stat"))?;
        let boot = fs::read_to_string("/proc/stat")?;
        let boot = boot_seconds(&boot).ok_or_else(|| strange("/proc/stat"))?;
        Ok(Self {
            cpu: units.time(stat.cpu_ticks),
            open_fds: open_fds()?,
            max_fds: getrlimit(Resource::Nofile).current,
            resident_bytes: stat.resident_pages * units.page,
            virtual_bytes: stat.virtual_bytes,
            threads: stat.threads,
            started: UNIX_EPOCH + Duration::from_secs(boot) + units.time(stat.start_ticks),
        })
    }
}

/// What the kernel counts in.
struct Units {
    /// Ticks of its clock in a second.
    ticks: u64,
    /// Bytes of a page.
    page: u64,
}

impl Units {
    fn time(&self, ticks: u64) -> Duration {
        let ticks_per_second = self.ticks.max(1);
        let rest = ticks % ticks_per_second * 1_000_000 / ticks_per_second;
        Duration::from_secs(ticks / ticks_per_second) + Duration::from_micros(rest)
    }
}

/// What is wanted of `/proc/self/stat`.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    cpu_ticks: u64,
    threads: u64,
    /// Since the system's start.
    start_ticks: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The name comes second, in parentheses, and may have any character in it.
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // By the numbers of proc(5), of which the first that is left is 3.
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu_ticks: field(14)? + field(15)?,
            threads: field(20)?,
            start_ticks: field(22)?,
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }
}

/// When the system started, in seconds since 1970.
fn boot_seconds(stat: &str) -> Option<u64> {
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

fn open_fds() -> io::Result<u64> {
    // The descriptor by which they are counted is one of them.
    Ok(fs::read_dir("/proc/self/fd")?.count().saturating_sub(1) as u64)
}

fn strange(file: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{file} is not what proc(5) says"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_hides_nothing() {
        let text = "42 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 7 0 9000 \
                    123456789 300 18446744073709551615 1 1 0 0 0 0 0 4096 0 0 0 0 17 1 0 0 0 0 0";
        let wanted = Stat {
            cpu_ticks: 200,
            threads: 7,
            start_ticks: 9000,
            virtual_bytes: 123_456_789,
            resident_pages: 300,
        };
        assert_eq!(Stat::parse(text), Some(wanted));
        assert_eq!(Stat::parse("42 (a) S 1"), None);
        assert_eq!(Stat::parse(""), None);
    }

    #[test]
    fn ticks_become_time() {
        let units = Units { ticks: 100, page: 4096 };
        assert_eq!(units.time(12_345), Duration::from_millis(123_450));
        assert_eq!(boot_seconds("cpu 1 2\nbtime 1700000000\nprocesses 3\n"), Some(1_700_000_000));
    }

    #[test]
    fn this_process_is_alive_and_started_before_now() {
        let process = Process::read().unwrap();
        assert!(process.threads >= 1 && process.open_fds >= 3);
        assert!(process.resident_bytes > 0 && process.virtual_bytes >= process.resident_bytes);
        // The time of the system's start is told in whole seconds.
        assert!(process.started <= SystemTime::now() + Duration::from_secs(1));
        assert!(process.started.elapsed().unwrap_or_default() < Duration::from_secs(86_400));
    }
}
