//! What tests need around the program: origins that answer as they are told, clients that see
//! every byte, and an edge on a free port.
//!
//! All of it is blocking and plain: a test reads from top to bottom, and what it drives has threads
//! of its own. Only tests depend on this crate.

pub mod access_log;
pub mod ask;
pub mod auth_server;
pub mod bind;
pub mod client;
pub mod docker_engine;
pub mod edge;
pub mod fork;
pub mod frames;
pub mod h2_client;
pub mod h2_origin;
pub mod limit;
pub mod origin;
pub mod password;
pub mod pebble;
pub mod programs;
pub mod redis_server;
pub mod signed;
pub mod ssh_hosts;
pub mod talk;
pub mod tls;
pub mod tls_front;
pub mod token;

pub use access_log::{AccessLine, AccessLines};
pub use ask::{Protocol, Seen, ask};
pub use client::{RawClient, Response};
pub use docker_engine::{DockerEngine, Image, Shell};
pub use edge::TestEdge;
pub use fork::Fork;
pub use frames::FrameClient;
pub use h2_client::{H2Client, H2Response};
pub use h2_origin::{H2Origin, H2Step};
pub use origin::{Origin, Request, Step};
pub use programs::has;
pub use redis_server::RedisServer;
pub use ssh_hosts::SshHosts;
pub use talk::{Line, Reply, Talk};
pub use tls::Authority;
pub use tls_front::{Handshake, TlsFront};

use std::time::{Duration, Instant};

/// How long anything in a test may take before the test fails.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// Waits until `condition` holds.
///
/// # Panics
/// When it does not hold within [`DEADLINE`].
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "still not so: {what}");
        std::thread::yield_now();
    }
}

/// Waits until `count`, which must have grown, grows no more; what it is then.
///
/// # Panics
/// When it grows for longer than [`DEADLINE`].
pub fn stands_still(mut count: impl FnMut() -> usize) -> usize {
    let mut before = 0;
    eventually("it stands still", || {
        std::thread::sleep(Duration::from_millis(200));
        let now = count();
        now > 0 && std::mem::replace(&mut before, now) == now
    });
    before
}
