//! A real Redis, and how a file names it.

use testkit::RedisServer;

/// Whether there is a Redis to be tried.
pub(crate) fn is_installed() -> bool {
    testkit::has(&["redis-server", "redis-cli"])
}

/// The section of a file that names `server`.
pub(crate) fn section(server: &RedisServer) -> String {
    format!("[store]\nredis = \"redis://127.0.0.1:{}\"\ntimeout = \"2s\"\n", server.port)
}
