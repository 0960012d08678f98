//! What an instance holds from its first moment: its input and its two outputs, nothing else.
//!
//! Everything that Plimsoll opens is closed on exec. What it was itself handed by its parent is
//! not: a shell's `exec 7<secret` or a supervisor's sockets would go on to each instance, past the
//! user that it runs as.

use std::{fs, io};

use rustix::fs::OFlags;

/// The first descriptor that is not input, output or errors.
const FIRST: i32 = 3;

/// Has the system close all else when the launcher becomes its program.
///
/// # Errors
/// Where one would stay open, or `/proc` cannot be read to see that none does.
pub(super) fn close_on_exec() -> io::Result<()> {
    close_fds::set_fds_cloexec(FIRST, &[]);
    // The crate tells no failure, and what must not be handed on is worth a second look.
    for entry in fs::read_dir("/proc/self/fdinfo")? {
        let entry = entry?;
        let number = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok());
        if number.is_some_and(|number| number >= FIRST)
            && stays_open(&fs::read_to_string(entry.path())?)
        {
            return Err(io::Error::other("a descriptor that was inherited cannot be closed"));
        }
    }
    Ok(())
}

/// Whether these flags, as in `/proc/self/fdinfo` (proc(5)), leave it open.
fn stays_open(info: &str) -> bool {
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
    flags.is_none_or(|flags| !OFlags::from_bits_retain(flags).contains(OFlags::CLOEXEC))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn it_is_told_by_its_flags_whether_a_descriptor_stays_open() {
        let file = fs::File::open("/dev/null").unwrap();
        let inherited = rustix::io::dup(&file).unwrap();
        let info = |number| fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap();
        assert!(!stays_open(&info(file.as_raw_fd())));
        assert!(stays_open(&info(inherited.as_raw_fd())));
        assert!(stays_open("pos: 0"), "what cannot be told counts as open");
    }
}
