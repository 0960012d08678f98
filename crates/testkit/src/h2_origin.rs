//! A server of HTTP/2 on clear text that answers each request with the steps that a test gives it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::Notify;

/// What an origin does to answer.
#[derive(Clone, Debug)]
pub enum H2Step {
    /// Sends an informational head.
    Inform(u16),
    /// Sends the final head with these fields; the body is to follow, or not.
    Head(u16, &'static [(&'static str, &'static str)]),
    /// Sends a head that is all of the answer.
    Bare(u16, &'static [(&'static str, &'static str)]),
    /// Sends a part of the body.
    Data(Vec<u8>),
    /// Sends back the body of the request as it comes, to its end.
    Echo,
    /// Reads the body of the request to its end.
    Collect,
    /// Ends the answer with these fields after the body.
    Trailers(&'static [(&'static str, &'static str)]),
    /// Ends the answer.
    End,
    /// Waits this long. What was sent before is on its way then: a reset would overtake it.
    Wait(Duration),
    /// Resets the stream.
    Reset(Reason),
    /// Ends the connection as soon as its streams have ended.
    GoAway,
    /// Ends the connection at once, in the middle of everything.
    Abort,
    /// Waits until the client gives the stream up.
    Hang,
}

/// What an origin was asked: the head alone.
pub type Head = http::request::Parts;

type Script = dyn Fn(&Head) -> Vec<H2Step> + Send + Sync;

/// A running origin. Ends when dropped.
pub struct H2Origin {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Ends all tasks when it is dropped.
    _runtime: Runtime,
}

struct Shared {
    script: Box<Script>,
    streams: u32,
    journal: Mutex<Vec<Head>>,
    connections: AtomicUsize,
    /// Streams that the client gave up while they hung.
    given_up: AtomicUsize,
}

impl H2Origin {
    /// Answers every request as `script` says.
    ///
    /// # Panics
    /// When loopback has no free port.
    pub fn start(script: impl Fn(&Head) -> Vec<H2Step> + Send + Sync + 'static) -> Self {
        Self::with_streams(100, script)
    }

    /// The same, of one that takes no more than `streams` at once on a connection.
    ///
    /// # Panics
    /// When loopback has no free port.
    pub fn with_streams(
        streams: u32,
        script: impl Fn(&Head) -> Vec<H2Step> + Send + Sync + 'static,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a thread starts");
        let shared = Arc::new(Shared {
            script: Box::new(script),
            streams,
            journal: Mutex::default(),
            connections: AtomicUsize::new(0),
            given_up: AtomicUsize::new(0),
        });
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"));
        let listener = listener.expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        runtime.spawn(accept(listener, shared.clone()));
        Self { address, shared, _runtime: runtime }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it was asked so far.
    pub fn journal(&self) -> Vec<Head> {
        self.shared.journal.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many connections it has accepted.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// How many streams the client gave up while they hung.
    pub fn given_up(&self) -> usize {
        self.shared.given_up.load(Ordering::SeqCst)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        shared.connections.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(serve(stream, shared.clone()));
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(shared.streams);
    let Ok(mut connection) = builder.handshake(stream).await else { return };
    let (go_away, abort) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    loop {
        let accepted = tokio::select! {
            accepted = connection.accept() => accepted,
            () = go_away.notified() => {
                connection.graceful_shutdown();
                continue;
            }
            () = abort.notified() => return,
        };
        let Some(Ok((request, respond))) = accepted else { return };
        let stream =
            Stream { shared: shared.clone(), go_away: go_away.clone(), abort: abort.clone() };
        tokio::spawn(async move {
            // A client that goes away ends its stream, and nothing else.
            let _ = stream.answer(request, respond).await;
        });
    }
}

struct Stream {
    shared: Arc<Shared>,
    go_away: Arc<Notify>,
    abort: Arc<Notify>,
}

impl Stream {
    async fn answer(
        self,
        request: Request<RecvStream>,
        mut respond: SendResponse<Bytes>,
    ) -> Result<(), h2::Error> {
        let (head, mut body) = request.into_parts();
        let steps = (self.shared.script)(&head);
        self.shared.journal.lock().unwrap_or_else(PoisonError::into_inner).push(head);
        let mut sink = None;
        for step in steps {
            match step {
                H2Step::Inform(status) => {
                    respond.send_informational(head_of(status, &[]))?;
                }
                H2Step::Head(status, fields) => {
                    sink = Some(respond.send_response(head_of(status, fields), false)?);
                }
                H2Step::Bare(status, fields) => {
                    respond.send_response(head_of(status, fields), true)?;
                }
                H2Step::Data(data) => began(&mut sink).send_data(data.into(), false)?,
                H2Step::Echo => echo(&mut body, began(&mut sink)).await?,
                H2Step::Collect => collect(&mut body).await?,
                H2Step::Trailers(fields) => began(&mut sink).send_trailers(map(fields))?,
                H2Step::End => began(&mut sink).send_data(Bytes::new(), true)?,
                H2Step::Wait(time) => tokio::time::sleep(time).await,
                H2Step::Reset(reason) => respond.send_reset(reason),
                H2Step::GoAway => self.go_away.notify_one(),
                H2Step::Abort => self.abort.notify_one(),
                H2Step::Hang => {
                    let reset = std::future::poll_fn(|cx| match &mut sink {
                        Some(sink) => sink.poll_reset(cx),
                        None => respond.poll_reset(cx),
                    });
                    reset.await?;
                    self.shared.given_up.fetch_add(1, Ordering::SeqCst);
                }
            }
        }
        Ok(())
    }
}

fn began(sink: &mut Option<SendStream<Bytes>>) -> &mut SendStream<Bytes> {
    sink.as_mut().expect("the script sends a head first")
}

async fn collect(body: &mut RecvStream) -> Result<(), h2::Error> {
    while let Some(part) = body.data().await {
        body.flow_control().release_capacity(part?.len())?;
    }
    Ok(())
}

async fn echo(body: &mut RecvStream, sink: &mut SendStream<Bytes>) -> Result<(), h2::Error> {
    while let Some(part) = body.data().await {
        let part = part?;
        body.flow_control().release_capacity(part.len())?;
        sink.send_data(part, false)?;
    }
    Ok(())
}

fn head_of(status: u16, fields: &[(&'static str, &'static str)]) -> Response<()> {
    let mut head = Response::new(());
    *head.status_mut() = status.try_into().expect("it is a status");
    *head.headers_mut() = map(fields);
    head
}

fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    let field = |(name, value): &(&'static str, &'static str)| {
        (http::HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    fields.iter().map(field).collect()
}
