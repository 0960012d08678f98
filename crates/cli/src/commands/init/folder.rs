//! What is seen of a directory in which a service lies. Tests need none on a disk.

use std::fs;
use std::io::Read;
use std::path::PathBuf;

/// How much of a file is looked at: what tells how a service starts stands in its first part.
const BYTES_MAX: u64 = 256 << 10;

/// A directory. Paths are relative to it.
pub(super) trait Folder {
    /// The text of a file, if it is there and is text.
    fn text(&self, path: &str) -> Option<String>;
    /// Whether a directory is there.
    fn has_dir(&self, path: &str) -> bool;
    /// The names of the files in a directory, sorted; "" is the directory itself.
    fn files(&self, path: &str) -> Vec<String>;

    /// The names of the directories in it, sorted.
    fn dirs(&self) -> Vec<String>;

    /// Whether a file is there.
    fn has(&self, path: &str) -> bool {
        self.text(path).is_some()
    }

    /// The first of these that is there.
    fn first<'a>(&self, paths: &[&'a str]) -> Option<&'a str> {
        paths.iter().copied().find(|path| self.has(path))
    }

    /// The files with such an ending in these directories, each with its text.
    fn sources(&self, dirs: &[&str], endings: &[&str]) -> Vec<Source> {
        let mut sources = Vec::new();
        for dir in dirs {
            for name in self.files(dir) {
                let is_source = endings.iter().any(|ending| name.ends_with(ending));
                let path = if dir.is_empty() { name } else { format!("{dir}/{name}") };
                if let Some(text) = self.text(&path).filter(|_| is_source) {
                    sources.push(Source { path, text });
                }
            }
        }
        sources
    }
}

/// A file with its text.
pub(super) struct Source {
    pub(super) path: String,
    pub(super) text: String,
}

/// A directory on a disk.
pub(super) struct Disk(pub(super) PathBuf);

impl Folder for Disk {
    fn text(&self, path: &str) -> Option<String> {
        let path = self.0.join(path);
        // Opening a FIFO would wait.
        if !fs::metadata(&path).ok()?.is_file() {
            return None;
        }
        let mut bytes = Vec::new();
        fs::File::open(path).ok()?.take(BYTES_MAX).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn has_dir(&self, path: &str) -> bool {
        self.0.join(path).is_dir()
    }

    fn files(&self, path: &str) -> Vec<String> {
        self.names(path, fs::FileType::is_file)
    }

    fn dirs(&self) -> Vec<String> {
        self.names("", fs::FileType::is_dir)
    }
}

impl Disk {
    /// The names in a directory of what is of this kind.
    fn names(&self, path: &str, is_meant: fn(&fs::FileType) -> bool) -> Vec<String> {
        let entries = fs::read_dir(self.0.join(path)).into_iter().flatten().flatten();
        let meant = entries.filter(|entry| entry.file_type().is_ok_and(|kind| is_meant(&kind)));
        let mut names: Vec<String> =
            meant.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }
}
