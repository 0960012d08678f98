//! The byte streams below HTTP: TCP, or TLS over TCP.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::{client, server};

use crate::socket::Socket;

/// What TLS may hold sealed of what a peer does not take: four of its records.
pub const SEALED_BYTES_MAX: usize = 64 * 1024;

/// A connection's bytes.
pub enum Stream {
    /// Clear text.
    Plain(Socket),
    /// TLS, accepted by us.
    Tls(Box<server::TlsStream<Socket>>),
    /// TLS, begun by us.
    TlsToServer(Box<client::TlsStream<Socket>>),
}

impl Stream {
    /// The socket below.
    pub fn socket(&self) -> &Socket {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => stream.get_ref().0,
            Self::TlsToServer(stream) => stream.get_ref().0,
        }
    }
}

impl Stream {
    /// Whether what came was no TLS, so that nothing more can be read.
    pub fn has_failed(&mut self) -> bool {
        match self {
            Self::Plain(_) => false,
            // rustls says again what it found wrong.
            Self::Tls(stream) => stream.get_mut().1.process_new_packets().is_err(),
            Self::TlsToServer(stream) => stream.get_mut().1.process_new_packets().is_err(),
        }
    }

    /// Reads once into `space`, which is not empty; 0 at the end of the stream.
    #[inline]
    pub fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        space: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(socket) => socket.poll_recv(cx, space),
            Self::Tls(stream) => read_into(cx, Pin::new(stream), space),
            Self::TlsToServer(stream) => read_into(cx, Pin::new(stream), space),
        }
    }
}

/// Reads once from `stream` into `space`.
fn read_into(
    cx: &mut Context<'_>,
    stream: Pin<&mut impl AsyncRead>,
    space: &mut [u8],
) -> Poll<io::Result<usize>> {
    let mut space = ReadBuf::new(space);
    let polled = stream.poll_read(cx, &mut space);
    polled.map_ok(|()| space.filled().len())
}

impl AsyncRead for Stream {
    #[inline]
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::TlsToServer(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    #[inline]
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write(cx, data),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, data),
            Self::TlsToServer(stream) => Pin::new(stream).poll_write(cx, data),
        }
    }

    #[inline]
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, data),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, data),
            Self::TlsToServer(stream) => Pin::new(stream).poll_write_vectored(cx, data),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(_) => Poll::Ready(Ok(())),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Self::TlsToServer(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let has_failed = this.has_failed();
        match this {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Tls(stream) if has_failed => {
                // The alert is the last word, and has left: after it, or in its place, `close_notify`
                // would say that all is well (RFC 8446 §6.2).
                Pin::new(stream.get_mut().0).poll_shutdown(cx)
            }
            Self::TlsToServer(stream) if has_failed => {
                Pin::new(stream.get_mut().0).poll_shutdown(cx)
            }
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::TlsToServer(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// A stream of which some bytes were read already.
pub struct Rewound {
    prefix: Bytes,
    stream: Stream,
}

impl Rewound {
    /// Reads `prefix` first and then `stream`.
    pub fn new(prefix: Bytes, stream: Stream) -> Self {
        Self { prefix, stream }
    }
}

impl AsyncRead for Rewound {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.prefix.is_empty() {
            let taken = self.prefix.len().min(buf.remaining());
            buf.put_slice(&self.prefix[..taken]);
            self.prefix.advance(taken);
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Rewound {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, data)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
