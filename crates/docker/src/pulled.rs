//! Which images we have pulled: a file of the state directory, a line for each. Those alone are ours to remove, when no release
//! needs them that runs or may come back. What somebody else pulled, or had here before us, is never in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::apart::apart;
use crate::daemon::Daemon;

/// What was asked for so lately may be of a deploy that has not begun yet.
const FRESH: Duration = Duration::from_secs(3600);

/// The images that we have pulled, by what the engine calls them.
#[derive(Clone, Debug)]
pub(crate) struct Pulled {
    path: PathBuf,
    /// Held while the file is read and written anew. In it: what was asked for, and when.
    asked: Arc<Mutex<BTreeMap<String, Instant>>>,
}

impl Pulled {
    /// Of the state directory `state_dir`.
    pub(crate) fn of(state_dir: &Path) -> Self {
        Self { path: state_dir.join("docker").join("images"), asked: Arc::default() }
    }

    /// A release is about to be made of this one.
    pub(crate) fn ask(&self, reference: &str) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.retain(|_, since| since.elapsed() < FRESH);
        asked.insert(reference.to_owned(), Instant::now());
    }

    /// We have pulled this one. Where that cannot be written down it stays for ever, which costs nothing but room.
    pub(crate) async fn add(&self, reference: &str) {
        let (this, added) = (self.clone(), reference.to_owned());
        let change = move |images: &mut BTreeSet<String>| {
            images.insert(added);
        };
        let written = apart(move || this.change(change)).await;
        if let Ok(Err(error)) | Err(error) = written {
            tracing::warn!(image = reference, %error, "cannot note that an image was pulled: it is never removed");
        }
    }

    /// Removes all from the engine that are not `wanted`. What cannot be removed now, as it is used or the engine does not
    /// respond, is another time.
    pub(crate) async fn retain(&self, daemon: &Daemon, wanted: &BTreeSet<String>) {
        let this = self.clone();
        let Ok(Ok(images)) = apart(move || this.read()).await else { return };
        let is_idle = |image: &String| !wanted.contains(image) && !self.is_fresh(image);
        for image in images.into_iter().filter(is_idle) {
            match daemon.remove_image(&image).await {
                Ok(()) => {
                    tracing::info!(image, "removed an image that no release needs any more");
                    let this = self.clone();
                    let change = move |images: &mut BTreeSet<String>| {
                        images.remove(&image);
                    };
                    // Where that cannot be written it is looked for once more, and is not there.
                    let _ = apart(move || this.change(change)).await;
                }
                Err(error) => tracing::debug!(image, %error, "an image could not be removed"),
            }
        }
    }

    fn is_fresh(&self, image: &str) -> bool {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.get(image).is_some_and(|since| since.elapsed() < FRESH)
    }

    fn read(&self) -> io::Result<BTreeSet<String>> {
        match fs::read_to_string(&self.path) {
            Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeSet::new()),
            Err(error) => Err(error),
        }
    }

    /// The file is the old one or the new one.
    fn change(&self, change: impl FnOnce(&mut BTreeSet<String>)) -> io::Result<()> {
        let _held = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let mut images = self.read()?;
        change(&mut images);
        let directory = self.path.parent().unwrap_or(Path::new("."));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let draft = self.path.with_extension("new");
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        images.iter().try_for_each(|image| writeln!(file, "{image}"))?;
        file.sync_all()?;
        fs::rename(&draft, &self.path)
    }
}
