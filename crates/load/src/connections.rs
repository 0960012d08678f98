//! Connections that are kept between requests.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::request_error::RequestError;

/// An open connection.
pub(crate) type Connection = SendRequest<Full<Bytes>>;

/// Connections to one address. As many are opened as requests are under way at once.
#[derive(Debug)]
pub(crate) struct Connections {
    address: SocketAddr,
    idle: Mutex<Vec<Connection>>,
}

impl Connections {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, idle: Mutex::default() }
    }

    /// A connection that a request can be sent on: the one that was used last, or a new one.
    pub(crate) async fn take(&self) -> Result<Connection, RequestError> {
        while let Some(mut kept) = self.pop() {
            // Nothing has been sent yet: one that was closed meanwhile is nobody's failure.
            if kept.ready().await.is_ok() {
                return Ok(kept);
            }
        }
        self.open().await
    }

    /// Keeps a connection whose answer has been read whole.
    pub(crate) fn keep(&self, connection: Connection) {
        if !connection.is_closed() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
    }

    fn pop(&self) -> Option<Connection> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    async fn open(&self) -> Result<Connection, RequestError> {
        let stream = TcpStream::connect(self.address).await.map_err(RequestError::Connect)?;
        stream.set_nodelay(true).map_err(RequestError::Connect)?;
        let (connection, driver) = http1::handshake(TokioIo::new(stream)).await?;
        // What goes wrong on it is told to the request that is under way.
        tokio::spawn(async { driver.await.ok() });
        Ok(connection)
    }
}
