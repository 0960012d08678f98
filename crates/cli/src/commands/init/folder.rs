//! What is seen of a directory in which a service lies. Tests need none on a disk.

use std::cell::Cell;
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::regular_file;

/// How much of a file is looked at: what tells how a service starts stands in its first part.
const BYTES_MAX: u64 = 256 << 10;
/// How much of all files together: many links to one large file are as many files.
const BYTES_IN_ALL_MAX: u64 = 32 << 20;
/// How many names of a directory are looked at, in no order: what says how a service starts lies among few others.
const NAMES_MAX: usize = 10_000;

/// A directory. Paths are relative to it.
pub(super) trait Folder {
    /// The text of a file, if it is there and is text.
    fn text(&self, path: &str) -> Option<String>;
    /// Whether a directory is there.
    fn has_dir(&self, path: &str) -> bool;
    /// The names of the files in a directory, sorted; "" is the directory itself.
    fn files(&self, path: &str) -> Vec<String>;

    /// The names of the directories in a directory, sorted; "" is the directory itself.
    fn dirs(&self, path: &str) -> Vec<String>;

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
            let names = self.files(dir).into_iter();
            for name in names.filter(|name| endings.iter().any(|ending| name.ends_with(ending))) {
                let path = if dir.is_empty() { name } else { format!("{dir}/{name}") };
                if let Some(text) = self.text(&path) {
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

/// A directory on a disk. What lies in it may be a stranger's: nothing outside of it is read, nor anything but regular
/// files, of which little.
pub(super) struct Disk {
    dir: PathBuf,
    /// How many bytes more are read.
    left: Cell<u64>,
}

impl Folder for Disk {
    fn text(&self, path: &str) -> Option<String> {
        let path = self.inside(path)?;
        let bytes = regular_file::read(&path, BYTES_MAX.min(self.left.get())).ok()?;
        self.left.set(self.left.get() - bytes.len() as u64);
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn has(&self, path: &str) -> bool {
        self.inside(path).is_some_and(|path| path.is_file())
    }

    fn has_dir(&self, path: &str) -> bool {
        self.inside(path).is_some_and(|path| path.is_dir())
    }

    fn files(&self, path: &str) -> Vec<String> {
        self.names(path, fs::FileType::is_file)
    }

    fn dirs(&self, path: &str) -> Vec<String> {
        self.names(path, fs::FileType::is_dir)
    }
}

impl Disk {
    /// The directory `dir`.
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), left: Cell::new(BYTES_IN_ALL_MAX) }
    }

    /// Where `path` is, unless that is outside of the directory, also by a link.
    fn inside(&self, path: &str) -> Option<PathBuf> {
        let is_below =
            |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
        if !Path::new(path).components().all(is_below) {
            return None;
        }
        let found = self.dir.join(path).canonicalize().ok()?;
        found.starts_with(self.dir.canonicalize().ok()?).then_some(found)
    }

    /// The names in a directory of what is of this kind.
    fn names(&self, path: &str, is_meant: fn(&fs::FileType) -> bool) -> Vec<String> {
        let Some(dir) = self.inside(path) else { return Vec::new() };
        let entries = fs::read_dir(dir).into_iter().flatten().flatten().take(NAMES_MAX);
        let meant = entries.filter(|entry| entry.file_type().is_ok_and(|kind| is_meant(&kind)));
        let mut names: Vec<String> =
            meant.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn nothing_outside_of_the_directory_is_read() {
        let place = tempfile::tempdir().unwrap();
        let dir = place.path().join("project");
        fs::create_dir_all(dir.join("src")).unwrap();
        fs::write(place.path().join("secret"), "hunter2").unwrap();
        fs::write(dir.join("src/a.js"), "a").unwrap();
        symlink("../secret", dir.join("leak")).unwrap();
        symlink("src/a.js", dir.join("link")).unwrap();
        symlink("/", dir.join("root")).unwrap();
        let disk = Disk::new(&dir);
        let outside = place.path().join("secret");
        for path in
            ["../secret", "leak", "src/../../secret", "/proc/kmsg", outside.to_str().unwrap()]
        {
            assert_eq!(disk.text(path), None, "{path}");
            assert!(!disk.has(path), "{path}");
        }
        assert_eq!(disk.files("root"), [""; 0]);
        assert!(!disk.has_dir("root") && disk.has_dir("src") && disk.has_dir(""));
        assert_eq!(disk.text("./src/a.js").as_deref(), Some("a"));
        assert_eq!(disk.text("link").as_deref(), Some("a"), "a link within it");
    }

    #[test]
    fn of_many_large_files_only_so_much_is_read() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("0.js"), "x".repeat(BYTES_MAX as usize + 1)).unwrap();
        for n in 1..500 {
            fs::hard_link(dir.path().join("0.js"), dir.path().join(format!("{n}.js"))).unwrap();
        }
        let sources = Disk::new(dir.path()).sources(&[""], &[".js"]);
        let read: u64 = sources.iter().map(|source| source.text.len() as u64).sum();
        assert_eq!(read, BYTES_IN_ALL_MAX);
    }
}
