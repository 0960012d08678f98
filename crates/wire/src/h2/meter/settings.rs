//! How the `h2` crate is set for connections from clients.

use std::time::Duration;

use crate::h2::ahead::{CONNECTION_WINDOW, SMALL_FRAMES_MAX, STREAM_WINDOW};

/// Bytes of one response that wait for the client, where nothing else is set.
pub const SEND_BYTES: usize = 64 * 1024;

/// What one connection may hold at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A head in bytes, as RFC 9113 §6.5.2 counts them: 32 for each field on top of its name and
    /// value. A larger one is answered with 431 by `h2` itself.
    pub header_bytes: u32,
    /// Streams open at once.
    pub streams: u32,
    /// Bytes of one response that wait for the client.
    pub send_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { header_bytes: 32 * 1024, streams: 128, send_bytes: SEND_BYTES }
    }
}

/// How long frames for a stream that we reset are ignored, at least a round trip. Later ones
/// count among the errors.
const RESET_REMEMBERED: Duration = Duration::from_secs(5);

/// The `h2` crate's settings for connections from clients.
pub fn server_builder(limits: Limits) -> h2::server::Builder {
    let mut builder = h2::server::Builder::new();
    builder
        .max_header_list_size(limits.header_bytes)
        .max_concurrent_streams(limits.streams)
        // `Ahead` widens them, and counts what they let come.
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .data_frame_budget(SMALL_FRAMES_MAX)
        .max_send_buffer_size(limits.send_bytes)
        // The meter counts them, and lets useful requests earn them back.
        .max_local_error_reset_streams(None)
        .max_concurrent_reset_streams(limits.streams as usize)
        .reset_stream_duration(RESET_REMEMBERED)
        // A client may cancel all that it has open before we come to look at it once; 20, the
        // crate's choice, is less than a browser's page. The meter bounds how often.
        .max_pending_accept_reset_streams(limits.streams as usize);
    builder
}
