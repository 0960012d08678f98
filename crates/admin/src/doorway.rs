//! Accepts on the socket in the state directory, and sees to it that the socket is there: a cleaner, or
//! a person, may take its file away, and without it nobody could say another word to Plimsoll.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use axum::serve::Listener;
use rustix::process::geteuid;
use tokio::net::unix::SocketAddr;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::SocketClaim;
use crate::guard::Caller;
use crate::server::Origin;

/// How often it is looked whether the socket is there.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long accepting rests when descriptors have run out.
const REST: Duration = Duration::from_millis(100);

/// Accepts on the socket of a claim.
pub(crate) struct Doorway {
    claim: SocketClaim,
    listener: UnixListener,
    looks: Interval,
    has_failed: bool,
}

/// One who came over the socket: only its owner and root can.
pub(crate) struct Owner;

impl Origin for Owner {
    fn caller(&self) -> Caller {
        Caller { address: None, is_trusted: Arc::new(AtomicBool::new(true)) }
    }
}

impl Doorway {
    pub(crate) fn new(claim: SocketClaim) -> io::Result<Self> {
        let listener = claim.listener()?;
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self { claim, listener, looks, has_failed: false })
    }

    /// Makes the socket anew if it is gone, or another is in its place.
    fn look(&mut self) {
        if self.claim.is_in_place() {
            return;
        }
        let path = self.claim.path().display().to_string();
        let again = self.claim.listen_again().and_then(|()| self.claim.listener());
        match again {
            Ok(listener) => {
                self.listener = listener;
                self.has_failed = false;
                tracing::warn!(path, "admin socket was missing, recreated");
            }
            // Said once: it would be said every second otherwise.
            Err(error) if !std::mem::replace(&mut self.has_failed, true) => {
                tracing::error!(path, %error, "admin socket is missing and cannot be recreated");
            }
            Err(_) => {}
        }
    }
}

impl Listener for Doorway {
    type Io = UnixStream;
    type Addr = Owner;

    async fn accept(&mut self) -> (UnixStream, Owner) {
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                _ = self.looks.tick() => {
                    self.look();
                    continue;
                }
            };
            match accepted {
                Ok((stream, _)) if is_owner(&stream) => return (stream, Owner),
                Ok(_) => tracing::warn!("closed another user's connection to the admin socket"),
                Err(error) => {
                    tracing::debug!(%error, "cannot accept on the admin socket");
                    tokio::time::sleep(REST).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Owner> {
        self.listener.local_addr().map(|_: SocketAddr| Owner)
    }
}

/// The mode of the socket's file keeps all others out; a copy of its descriptor, or a file system that
/// knows no modes, does not.
fn is_owner(stream: &UnixStream) -> bool {
    let us = geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == us || peer.uid() == 0)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::net::UnixStream as Connection;

    use super::*;

    /// Connects to the path for as long as that does not work.
    async fn reached(doorway: &mut Doorway, path: &std::path::Path) {
        let connecting = async {
            loop {
                match UnixStream::connect(path).await {
                    Ok(stream) => return stream,
                    Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        };
        let both = async { tokio::join!(doorway.accept(), connecting) };
        tokio::time::timeout(Duration::from_secs(30), both).await.unwrap();
    }

    #[tokio::test]
    async fn a_socket_that_is_taken_away_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let claim = SocketClaim::new(dir.path()).unwrap();
        let path = claim.path().to_owned();
        let mut doorway = Doorway::new(claim).unwrap();
        reached(&mut doorway, &path).await;
        fs::remove_file(&path).unwrap();
        reached(&mut doorway, &path).await;
        // Another that nobody listens at is no better than none.
        fs::remove_file(&path).unwrap();
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(Connection::connect(&path).is_err());
        reached(&mut doorway, &path).await;
        drop(doorway);
        assert!(!path.exists(), "it goes with its server");
    }
}
