//! Where requests of our own are made: one thread, for all that reads HTTP belongs to the thread it is on.

use std::io;

use tokio::runtime::LocalOptions;
use tokio::sync::{mpsc, oneshot};
use wire::buffer::Pool;

use super::ask::ask;
use super::{OwnFault, OwnRequest, OwnResponse};

/// Makes requests of our own. Ends with its last clone, and with it what was under way.
#[derive(Clone, Debug)]
pub struct Asker {
    jobs: mpsc::UnboundedSender<Job>,
}

#[derive(Debug)]
struct Job {
    request: OwnRequest,
    reply: oneshot::Sender<Result<OwnResponse, OwnFault>>,
}

impl Asker {
    /// Begins a thread.
    ///
    /// # Errors
    /// When there is none to be had.
    pub fn start() -> io::Result<Self> {
        let (jobs, received) = mpsc::unbounded_channel();
        let mut builder = tokio::runtime::Builder::new_current_thread();
        // Made here, so that what is missing is told to those who start it.
        let (made, told) = std::sync::mpsc::sync_channel(1);
        std::thread::Builder::new().name("asker".to_owned()).spawn(move || {
            match builder.enable_all().build_local(LocalOptions::default()) {
                Ok(runtime) => {
                    let _ = made.send(Ok(()));
                    runtime.block_on(attend(received));
                }
                Err(error) => drop(made.send(Err(error))),
            }
        })?;
        told.recv().map_err(io::Error::other)??;
        Ok(Self { jobs })
    }

    /// Asks, and gives the whole response. Given up when nobody waits for it any more.
    ///
    /// # Errors
    /// See [`OwnFault`].
    pub async fn ask(&self, request: OwnRequest) -> Result<OwnResponse, OwnFault> {
        let (reply, told) = oneshot::channel();
        let ended = || OwnFault::Unasked("no request is sent: Plimsoll is exiting".to_owned());
        self.jobs.send(Job { request, reply }).map_err(|_| ended())?;
        told.await.map_err(|_| ended())?
    }
}

async fn attend(mut jobs: mpsc::UnboundedReceiver<Job>) {
    let pool = Pool::default();
    while let Some(Job { request, mut reply }) = jobs.recv().await {
        let pool = pool.clone();
        tokio::task::spawn_local(async move {
            let asked = tokio::select! {
                biased;
                () = reply.closed() => return,
                asked = ask(&request, &pool) => asked,
            };
            // Nobody may want to know by now.
            let _ = reply.send(asked);
        });
    }
}
