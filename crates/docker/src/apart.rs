//! Work that may block, on a thread where that is no harm.

use std::io;

/// Does it there; nothing is begun before somebody waits for it.
pub(crate) async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)
}
