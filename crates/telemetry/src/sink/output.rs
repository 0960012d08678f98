//! The destination of the log, opened, and how lines get there.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use model::AccessLog;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;

/// Who may read a log that Plimsoll created: it tells who asked for what.
const FILE_MODE: u32 = 0o640;
/// Mode of each directory that is made for it: the group that may read the log has to get there.
const DIRECTORY_MODE: u32 = 0o750;

/// Where lines go.
pub enum Destination {
    /// Nowhere.
    Off,
    /// Standard output.
    Stdout,
    /// Appended to this file.
    File(PathBuf),
    /// Anything else.
    Other(Box<dyn Write + Send>),
}

impl Destination {
    /// The file, if it is one.
    pub(super) fn path(&self) -> Option<&PathBuf> {
        match self {
            Self::File(path) => Some(path),
            Self::Off | Self::Stdout | Self::Other(_) => None,
        }
    }
}

impl From<&AccessLog> for Destination {
    fn from(wanted: &AccessLog) -> Self {
        match wanted {
            AccessLog::Stdout => Self::Stdout,
            AccessLog::Off => Self::Off,
            AccessLog::File(path) => Self::File(path.clone()),
        }
    }
}

/// A destination, opened.
pub(super) struct Output {
    /// `None` for nowhere.
    to: Option<Box<dyn Write + Send>>,
    /// A line was begun and not ended.
    is_torn: bool,
}

/// Lines that were not written, or not whole.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) lines: u64,
    pub(super) source: io::Error,
}

impl Output {
    pub(super) fn open(destination: Destination) -> io::Result<Self> {
        let to: Option<Box<dyn Write + Send>> = match destination {
            Destination::Off => None,
            Destination::Stdout => Some(Box::new(stdout()?)),
            Destination::File(path) => Some(Box::new(append_to(&path)?)),
            Destination::Other(to) => Some(to),
        };
        Ok(Self { to, is_torn: false })
    }

    /// Writes whole lines. After a failure in the middle of one the next begin on a line of their
    /// own.
    pub(super) fn write(&mut self, lines: &[u8]) -> Result<(), Lost> {
        let Some(to) = &mut self.to else { return Ok(()) };
        let mut rest = lines;
        let result = match self.is_torn {
            true => write_all(to, &mut b"\n".as_slice()),
            false => Ok(()),
        };
        let result = result.and_then(|()| {
            self.is_torn = false;
            write_all(to, &mut rest).and_then(|()| to.flush())
        });
        result.map_err(|source| {
            let written = &lines[..lines.len() - rest.len()];
            self.is_torn |= written.last().is_some_and(|last| *last != b'\n');
            Lost { lines: count(rest), source }
        })
    }
}

fn count(lines: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', lines).count() as u64
}

/// As [`Write::write_all`], but what is left in `rest` says how far it came.
fn write_all(to: &mut dyn Write, rest: &mut &[u8]) -> io::Result<()> {
    while !rest.is_empty() {
        match to.write(rest) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => *rest = &rest[written..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The descriptor itself: a batch is one system call and waits for nobody else who prints.
fn stdout() -> io::Result<File> {
    Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?))
}

fn append_to(path: &Path) -> io::Result<File> {
    if let Some(directory) = path.parent() {
        make_directory(directory)?;
    }
    let made = OpenOptions::new().create_new(true).append(true).mode(FILE_MODE).open(path);
    match made {
        Ok(file) => {
            // Whatever the umask: Plimsoll's own is for what nobody else may read.
            file.set_permissions(Permissions::from_mode(FILE_MODE))?;
            Ok(file)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => append_to_existing(path),
        Err(error) => Err(error),
    }
}

/// Opens what has this name, whatever it is, without waiting: for a FIFO that nothing reads that would be forever. What
/// is written later may wait, as on a pipe.
fn append_to_existing(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let opened = OpenOptions::new().append(true).custom_flags(flags).open(path);
    let file = opened.map_err(|error| match Errno::from_io_error(&error) {
        // open(2): a FIFO without a reader, or a socket.
        Some(Errno::NXIO) => io::Error::new(
            ErrorKind::InvalidInput,
            "it is a FIFO that nothing reads, or a socket: name a file, or \"stdout\"",
        ),
        _ => error,
    })?;
    if file.metadata()?.file_type().is_block_device() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is a disk: name a file"));
    }
    fcntl_setfl(&file, fcntl_getfl(&file)?.difference(OFlags::NONBLOCK))?;
    Ok(file)
}

/// Makes `directory` and what is missing above it. One that is there keeps its mode.
fn make_directory(directory: &Path) -> io::Result<()> {
    // Nothing is above a relative path's first part but where the process is.
    let missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
    let missing: Vec<&Path> = directory.ancestors().take_while(missing).collect();
    for path in missing.into_iter().rev() {
        match DirBuilder::new().mode(DIRECTORY_MODE).create(path) {
            // Whatever the umask, as with the file.
            Ok(()) => std::fs::set_permissions(path, Permissions::from_mode(DIRECTORY_MODE))?,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Takes as many bytes as the next of `room` says, and fails where that is `None`.
    struct Disk {
        room: VecDeque<Option<usize>>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            match self.room.pop_front().unwrap_or(Some(usize::MAX)) {
                Some(room) => {
                    let taken = room.min(bytes.len());
                    self.written.lock().unwrap().extend_from_slice(&bytes[..taken]);
                    Ok(taken)
                }
                None => Err(ErrorKind::StorageFull.into()),
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn disk(room: &[Option<usize>]) -> (Output, Arc<Mutex<Vec<u8>>>) {
        let written = Arc::new(Mutex::new(Vec::new()));
        let disk = Disk { room: room.iter().copied().collect(), written: written.clone() };
        (Output::open(Destination::Other(Box::new(disk))).unwrap(), written)
    }

    #[test]
    fn a_batch_in_pieces_is_written_whole() {
        let (mut output, written) = disk(&[Some(1), Some(2), Some(3)]);
        output.write(b"first\nsecond\n").unwrap();
        assert_eq!(*written.lock().unwrap(), b"first\nsecond\n");
    }

    #[test]
    fn only_lines_that_are_not_whole_count_as_lost() {
        let (mut output, _) = disk(&[Some("first\nsec".len()), None]);
        let lost = output.write(b"first\nsecond\nthird\n").unwrap_err();
        assert_eq!((lost.lines, lost.source.kind()), (2, ErrorKind::StorageFull));
    }

    #[test]
    fn after_a_torn_line_the_next_begins_on_its_own() {
        let (mut output, written) = disk(&[Some("fi".len()), None, None, Some(1), Some(100)]);
        output.write(b"first\n").unwrap_err();
        assert_eq!(output.write(b"second\n").unwrap_err().lines, 1, "not even the end of line");
        output.write(b"third\n").unwrap();
        output.write(b"fourth\n").unwrap();
        assert_eq!(*written.lock().unwrap(), b"fi\nthird\nfourth\n");
    }

    #[test]
    fn after_a_failure_between_lines_no_empty_line_is_written() {
        let (mut output, written) = disk(&[Some("first\n".len()), None]);
        assert_eq!(output.write(b"first\nsecond\n").unwrap_err().lines, 1);
        output.write(b"third\n").unwrap();
        assert_eq!(*written.lock().unwrap(), b"first\nthird\n");
    }

    #[test]
    fn directories_that_are_missing_are_made_and_those_that_are_there_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o711)).unwrap();
        let path = folder.path().join("log/plimsoll/access.log");
        Output::open(Destination::File(path.clone())).unwrap().write(b"first\n").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"first\n");
        let modes: Vec<_> = path.ancestors().take(4).map(mode).collect();
        assert_eq!(modes, [0o640, 0o750, 0o750, 0o711]);
        // A file stands where a directory would have to.
        let below = path.join("access.log");
        assert!(Output::open(Destination::File(below)).is_err());
    }

    #[test]
    fn a_fifo_keeps_nobody_waiting_and_is_written_to_while_something_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        let open = || Output::open(Destination::File(path.clone()));
        let Err(refused) = open() else { panic!("nothing reads it") };
        assert!(refused.to_string().contains("a FIFO that nothing reads"), "{refused}");
        let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
        let mut reader =
            OpenOptions::new().read(true).custom_flags(nonblocking).open(&path).unwrap();
        open().unwrap().write(b"first\n").unwrap();
        let mut read = String::new();
        io::Read::read_to_string(&mut reader, &mut read).unwrap();
        assert_eq!(read, "first\n");
        Output::open(Destination::File("/dev/null".into())).unwrap().write(b"x\n").unwrap();
    }

    #[test]
    fn a_file_is_appended_to_and_not_for_everybody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        for line in [b"first\n".as_slice(), b"second\n"] {
            Output::open(Destination::File(path.clone())).unwrap().write(line).unwrap();
        }
        assert_eq!(std::fs::read(&path).unwrap(), b"first\nsecond\n");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o007, 0);
    }
}
