//! What an instance says of itself by the protocol of sd_notify(3): datagrams of `NAME=value` lines to the socket
//! that `$NOTIFY_SOCKET` names.
//!
//! The socket has an abstract name that is made of the instance's mark: it needs no directory that the instance's
//! user may enter, and is had again by the process that takes the instance over. Abstract names are for everybody to write
//! to, so the kernel is asked who wrote: only the instance's own processes, its user and root are heard.

use std::fs;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, UCred, recvmsg, sockopt};
use tokio::io::Interest;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::family::Family;
use crate::launch::{Notice, Readiness};

/// No datagram of the protocol is longer (sd_notify(3) has no limit; systemd reads so much).
const DATAGRAM_BYTES_MAX: usize = 4 * 1024;
/// Of a status so many characters are kept.
const STATUS_MAX: usize = 200;

/// What an instance with this mark finds in `$NOTIFY_SOCKET`.
pub(super) fn variable(mark: &str) -> String {
    format!("@{}", name(mark))
}

fn name(mark: &str) -> String {
    format!("plimsoll/notify/{mark}")
}

/// Listens for the instance with this mark. To be called before its program runs.
///
/// # Errors
/// When there is no such socket to be had.
pub(super) fn listen(mark: &str) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(name(mark))?)?;
    sockopt::set_socket_passcred(&socket, true)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// What an instance says, as it is heard.
#[derive(Debug)]
pub(super) struct Notices {
    heard: watch::Receiver<Notice>,
    hearing: JoinHandle<()>,
}

impl Notices {
    /// Hears what comes at `socket`, of which `word` was the last. To be called within a runtime.
    pub(super) fn hear(socket: UnixDatagram, family: Family, word: Readiness) -> Self {
        let (tell, heard) = watch::channel(Notice { word, status: None });
        let hearing = tokio::spawn(hear(socket, family, tell));
        Self { heard, hearing }
    }

    /// What it said last, and each time that it says more.
    pub(super) fn heard(&self) -> watch::Receiver<Notice> {
        self.heard.clone()
    }
}

impl Drop for Notices {
    fn drop(&mut self) {
        self.hearing.abort();
    }
}

/// Takes up what comes, for ever.
async fn hear(socket: UnixDatagram, family: Family, tell: watch::Sender<Notice>) {
    let socket = match tokio::net::UnixDatagram::from_std(socket) {
        Ok(socket) => socket,
        Err(error) => {
            tracing::error!(%error, "cannot receive an instance's notices");
            return;
        }
    };
    loop {
        let mut bytes = [0; DATAGRAM_BYTES_MAX];
        let received = socket.async_io(Interest::READABLE, || receive(&socket, &mut bytes)).await;
        let (length, sender) = match received {
            Ok(received) => received,
            Err(error) => {
                tracing::error!(%error, "stopped receiving an instance's notices");
                return;
            }
        };
        let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
        let family = family.clone();
        let is_own = super::apart(move || sender.is_some_and(|it| is_of(&it, &family)));
        if is_own.await.unwrap_or(false) {
            tell.send_if_modified(|notice| notice.take_up(&text));
        }
    }
}

/// One datagram, and who the kernel says that sent it. Descriptors that came along are closed, which is what
/// the sender waits for (sd_notify_barrier(3)).
fn receive(
    socket: &tokio::net::UnixDatagram,
    bytes: &mut [u8],
) -> io::Result<(usize, Option<UCred>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC;
    let received = recvmsg(socket, &mut [IoSliceMut::new(bytes)], &mut control, flags)?;
    let sender = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmCredentials(sender) => Some(sender),
        _ => None,
    });
    Ok((received.bytes, sender))
}

/// Whether the instance itself wrote: as its user or root, or by a process of its own that has another.
fn is_of(sender: &UCred, family: &Family) -> bool {
    let leader = fs::metadata(format!("/proc/{}", family.leader())).map(|process| process.uid());
    sender.uid.is_root()
        || leader.is_ok_and(|uid| uid == sender.uid.as_raw())
        || family.pids().contains(&(sender.pid.as_raw_nonzero().get() as u32))
}

impl Notice {
    /// Takes up a datagram; whether anything is new by it.
    fn take_up(&mut self, text: &str) -> bool {
        let before = self.clone();
        for line in text.lines() {
            match line.split_once('=') {
                Some(("READY", "1")) => self.word = Readiness::Ready,
                Some(("STOPPING", "1")) => self.word = Readiness::Stopping,
                Some(("STATUS", status)) => self.status = shown(status),
                _ => {}
            }
        }
        *self != before
    }
}

/// A status as it may be shown to people.
fn shown(status: &str) -> Option<String> {
    let plain = status.chars().map(|char| if char.is_control() { ' ' } else { char });
    let text: String = plain.take(STATUS_MAX).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_may_say_several_things_and_what_nobody_knows() {
        let mut notice = Notice::default();
        assert!(notice.take_up("STATUS=loading\t1 of 2\nMAINPID=7"));
        assert_eq!(
            (notice.word, notice.status.as_deref()),
            (Readiness::Silent, Some("loading 1 of 2"))
        );
        assert!(!notice.take_up("READY=0\nnonsense\nX_Y=1"));
        assert!(notice.take_up("READY=1\nSTATUS="));
        assert_eq!(notice, Notice { word: Readiness::Ready, status: None });
        // A reload ends with another READY=1; until then it is as ready as before.
        assert!(!notice.take_up("RELOADING=1\nMONOTONIC_USEC=5"));
        assert!(notice.take_up("STOPPING=1"));
        assert_eq!(notice.word, Readiness::Stopping);
    }

    #[test]
    fn a_status_is_bounded_and_has_no_control_characters() {
        let status = format!("\u{1b}[31m{}", "ü".repeat(1000));
        let kept = shown(&status).unwrap();
        assert!(kept.chars().count() <= STATUS_MAX && !kept.contains('\u{1b}'), "{kept}");
    }
}
