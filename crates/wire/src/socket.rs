//! A TCP connection as this program reads and writes it.
//!
//! tokio says when the socket is ready; the calls themselves are made here, for two reasons: a write
//! is tried before it is asked whether one may, since it nearly always may, and the system calls go
//! past the C library, whose cancellation points cost as much as the rest of its wrappers.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::set_socket_send_buffer_size;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, send, sendmsg};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

/// Below every kernel's least, which it then takes.
const SEND_BYTES_LEAST: usize = 1;
const NO_WAIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// A TCP connection.
pub struct Socket(TcpStream);

impl Socket {
    /// The connection `stream`.
    pub fn new(stream: TcpStream) -> Self {
        Self(stream)
    }

    /// The connection `stream`, which was accepted in this very turn of the runtime: what is known of it since
    /// then is forgotten.
    pub fn accepted(stream: TcpStream) -> Self {
        // tokio takes what was accepted for readable without having been told. Mostly nothing has come yet, and the
        // kernel would be asked in vain. The first event says what has.
        let forgotten =
            stream.try_io(Interest::READABLE, || Err::<(), _>(ErrorKind::WouldBlock.into()));
        debug_assert!(forgotten.is_err());
        Self(stream)
    }

    /// The socket alone: nobody watches it any more.
    ///
    /// # Errors
    /// When the runtime does not let go of it.
    pub fn into_std(self) -> io::Result<std::net::TcpStream> {
        self.0.into_std()
    }

    /// The socket as tokio knows it.
    pub fn tokio(&self) -> &TcpStream {
        &self.0
    }

    /// Ready when there may be something to read.
    #[inline]
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_read_ready(cx)
    }

    /// Whether there may be something to read, as far as is known. Asks neither the kernel nor to be woken, and so is
    /// not counted as work of the task's turn.
    #[inline]
    pub fn may_be_readable(&self) -> bool {
        self.0.try_io(Interest::READABLE, || Ok(())).is_ok()
    }

    /// Reads once into `space`, which is not empty; 0 at the end of the stream.
    #[inline]
    pub fn poll_recv(&self, cx: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            match self.try_recv(space) {
                Err(error) if is_transient(&error) => {}
                received => return Poll::Ready(received),
            }
            ready!(self.poll_readable(cx))?;
        }
    }

    /// Throws away what has come, as much as `space` would hold, without copying it there; 0 at the
    /// end of the stream.
    pub fn poll_discard(&self, cx: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_readable(cx))?;
            let tried = self.0.try_io(Interest::READABLE, || {
                // For TCP, TRUNC means that bytes are dropped rather than handed over (tcp(7)).
                Ok(recv(&self.0, &mut *space, RecvFlags::TRUNC)?.0)
            });
            match tried {
                Err(error) if is_transient(&error) => {}
                discarded => return Poll::Ready(discarded),
            }
        }
    }

    /// Reads what is there, as far as is known without asking the kernel in vain.
    #[inline]
    fn try_recv(&self, space: &mut [u8]) -> io::Result<usize> {
        let mut received = None;
        let tried = self.0.try_io(Interest::READABLE, || {
            let (n, _) = recv(&self.0, &mut *space, RecvFlags::empty())?;
            received = Some(n);
            // Less than there was room for: the socket is empty, and the next poll can wait
            // without asking the kernel once more. To tokio that is what would block. (What
            // comes from now on is a new event, since the sockets are edge-triggered.)
            match n {
                0 => Ok(n),
                n if n == space.len() => Ok(n),
                _ => Err(ErrorKind::WouldBlock.into()),
            }
        });
        received.map_or(tried, Ok)
    }

    /// Writes from the front of `data`.
    #[inline]
    pub fn poll_send(&self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_with(cx, || Ok(send(&self.0, data, SendFlags::NOSIGNAL)?))
    }

    /// Writes from the front of `parts`, one after the other.
    pub fn poll_send_vectored(
        &self,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_with(cx, || {
            let mut nothing_beside = SendAncillaryBuffer::default();
            Ok(sendmsg(&self.0, parts, &mut nothing_beside, SendFlags::NOSIGNAL)?)
        })
    }

    /// Waits until the peer has acknowledged what was sent, but for a segment at the most. From then
    /// on the socket takes hardly anything at once: this is for one that is about to be closed.
    pub fn poll_delivered(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The kernel calls a socket writable once what is unacknowledged fills no more than two
        // thirds of its buffer. With the smallest buffer that is less than a segment.
        set_socket_send_buffer_size(&self.0, SEND_BYTES_LEAST)?;
        self.poll_write_with(cx, || {
            let mut asked = [PollFd::new(&self.0, PollFlags::OUT)];
            match poll(&mut asked, Some(&NO_WAIT))? {
                0 => Err(ErrorKind::WouldBlock.into()),
                ready => Ok(ready),
            }
        })
        .map_ok(drop)
    }

    fn poll_write_with(
        &self,
        cx: &mut Context<'_>,
        write: impl Fn() -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.0.try_io(Interest::WRITABLE, &write) {
                Err(error) if is_transient(&error) => {}
                written => return Poll::Ready(written),
            }
            ready!(self.0.poll_write_ready(cx))?;
        }
    }
}

fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Only what was initialised before can be handed to the kernel without being cleared.
        let is_initialised = buf.initialized().len() == buf.capacity();
        if !is_initialised || buf.remaining() == 0 {
            return Pin::new(&mut self.0).poll_read(cx, buf);
        }
        let n = ready!(self.poll_recv(cx, buf.initialize_unfilled()))?;
        buf.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(cx, data)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_send_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Socket::new(listener.accept().await.unwrap().0), peer)
    }

    async fn receive(socket: &Socket, room: usize) -> Vec<u8> {
        let mut space = vec![0; room];
        let n = poll_fn(|cx| socket.poll_recv(cx, &mut space)).await.unwrap();
        space.truncate(n);
        space
    }

    #[tokio::test]
    async fn what_comes_is_read_however_much_room_there_is() {
        let (socket, mut peer) = pair().await;
        for room in [1, 3, 4, 5, 100] {
            peer.write_all(b"four").await.unwrap();
            let mut read = Vec::new();
            while read.len() < 4 {
                read.extend(receive(&socket, room).await);
            }
            assert_eq!(read, b"four", "room for {room}");
        }
        drop(peer);
        assert!(receive(&socket, 9).await.is_empty());
    }

    #[tokio::test]
    async fn what_was_accepted_is_read_once_something_has_come() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        for is_early in [false, true] {
            let mut peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            if is_early {
                peer.write_all(b"x").await.unwrap();
            }
            let (stream, _) = listener.accept().await.unwrap();
            let socket = Socket::accepted(stream);
            assert!(!socket.may_be_readable(), "nobody has told");
            if !is_early {
                peer.write_all(b"x").await.unwrap();
            }
            assert_eq!(receive(&socket, 9).await, b"x", "sent before it was accepted: {is_early}");
        }
    }

    #[tokio::test]
    async fn a_read_that_waits_is_woken_by_what_comes_after_it_began() {
        let (socket, mut peer) = pair().await;
        for _ in 0..100 {
            let (read, written) = tokio::join!(receive(&socket, 9), peer.write_all(b"x"));
            written.unwrap();
            assert_eq!(read, b"x");
        }
    }

    #[tokio::test]
    async fn what_is_discarded_is_counted_and_not_copied() {
        let (socket, mut peer) = pair().await;
        peer.write_all(&[7; 5000]).await.unwrap();
        drop(peer);
        let mut space = vec![0; 2000];
        let mut discarded = 0;
        loop {
            match poll_fn(|cx| socket.poll_discard(cx, &mut space)).await.unwrap() {
                0 => break,
                n => discarded += n,
            }
        }
        assert_eq!((discarded, space.iter().all(|byte| *byte == 0)), (5000, true));
    }

    #[tokio::test]
    async fn what_was_sent_is_delivered_once_the_peer_has_room_for_it() {
        let (socket, peer) = pair().await;
        let mut sent = 0;
        loop {
            let polled = poll_fn(|cx| Poll::Ready(socket.poll_send(cx, &[7; 100_000]))).await;
            let Poll::Ready(n) = polled else { break };
            sent += n.unwrap();
        }
        let early = poll_fn(|cx| Poll::Ready(socket.poll_delivered(cx).is_ready())).await;
        assert!(!early, "{sent} bytes cannot have been delivered");
        let peer = Socket::new(peer);
        let mut read = 0;
        let delivering = poll_fn(|cx| socket.poll_delivered(cx));
        let reading = async {
            while read < sent {
                read += receive(&peer, 100_000).await.len();
            }
        };
        let (delivered, ()) = tokio::join!(delivering, reading);
        delivered.unwrap();
        assert_eq!(read, sent);
    }

    #[tokio::test]
    async fn a_full_socket_is_waited_for() {
        let (socket, peer) = pair().await;
        let data = vec![7; 16 * 1024 * 1024];
        let writing = async {
            let mut rest = &data[..];
            while !rest.is_empty() {
                let n = poll_fn(|cx| socket.poll_send(cx, rest)).await.unwrap();
                rest = &rest[n..];
            }
        };
        let reader = Socket::new(peer);
        let reading = async {
            let mut read = 0;
            while read < data.len() {
                read += receive(&reader, 100_000).await.len();
            }
        };
        tokio::join!(writing, reading);
    }
}
