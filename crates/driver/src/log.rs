//! An instance's output: one stream of bytes, its older part in archives.
//!
//! The instance itself holds the end of the log, opened to append. What it writes needs nobody: no
//! reader that could be slow, block it or die with us. So the file is never renamed and never
//! truncated. Its older part is *moved*: copied to an archive first, then taken out of the file as a
//! hole, which gives its disk space back and leaves every later byte where it is. The instance can
//! write all the while; nothing is lost and nothing is there twice. The price: the file's length
//! counts the hole. docs/decisions has what was weighed.
//!
//! A byte keeps its offset in the stream for ever, whether it lies in the file or in an archive.
//!
//! | file | what |
//! | --- | --- |
//! | `api-3.log` | what the instance appends to |
//! | `api-3.log.000007-1048576` | the seventh archive; its first byte is the stream's 1,048,576th |
//! | `api-3.log.partial-2097152` | one that is being made |
//! | `api-3.log.times` | when what stands in it was written |

mod archive;
mod follow;
mod keeper;
mod rotate;
mod stream;
mod sweep;
mod tail;
mod times;

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

pub use follow::Follow;
pub use keeper::Keeper;
pub use rotate::{RotateError, rotate};
pub use sweep::{Sweep, sweep};
pub use tail::tail;
pub use times::Times;

/// Opens `log` to append, makes it and its directory if they are missing, for its owner only.
/// Says also where the stream's next byte goes.
///
/// # Errors
/// When that cannot be done.
pub fn open(log: &Path) -> io::Result<(File, u64)> {
    if let Some(directory) = log.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(log)?;
    let end = file.metadata()?.len();
    Ok((file, end))
}
